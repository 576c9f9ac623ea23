"""Keyed random streams of training: batches, noise, generators; by seed, stream, iteration."""

from enum import IntEnum
from functools import lru_cache

import numpy as np
import torch

from ipvae_snn.arrays import Int64, UInt64
from ipvae_snn.config.settings import TrainConfig


class Stream(IntEnum):
    """Purpose of a random stream; part of its key, with seed and iteration."""

    INITIAL = 0
    NOISE = 1
    SHUFFLE = 2
    VALIDATION = 3
    PRUNING = 4
    COMPOSITES = 5


def batch_indices(n_images: int, batch_size: int, seed: int, iteration: int) -> Int64:
    """Return the image indices of a batch: each image once per epoch, the rest dropped."""
    size = min(batch_size, n_images)
    epoch, position = divmod(iteration, n_images // size)
    return _epoch_order(n_images, seed, epoch)[position * size : (position + 1) * size]


@lru_cache(maxsize=1)
def _epoch_order(n_images: int, seed: int, epoch: int) -> Int64:
    return np.random.default_rng([seed, Stream.SHUFFLE, epoch]).permutation(n_images)


def keyed_generator(
    device: torch.device,
    seed: int,
    stream: Stream,
    iteration: int,
    first_row: int = 0,
    segment: int = 0,
) -> torch.Generator:
    """Return a generator that depends only on its key, so that none has to be stored."""
    key = keyed_seed(seed, stream, iteration, first_row, segment)
    return torch.Generator(device=device).manual_seed(key)


def keyed_seed(
    seed: int, stream: Stream, iteration: int, first_row: int = 0, segment: int = 0
) -> int:
    """Return a seed of 63 bits that depends only on its key."""
    sequence = np.random.SeedSequence([seed, stream, iteration, first_row, *_later(segment)])
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


def noise_keys(
    settings: TrainConfig, iteration: int, updates_per_step: int = 1, segment: int = 0
) -> UInt64:
    """Return the keys of a segment's noise, uint64: of its start, and of each update's samples."""
    updates = settings.steps * updates_per_step
    entropy = [settings.seed, Stream.NOISE, iteration, 0, *_later(segment)]
    sequence = np.random.SeedSequence(entropy)
    keys = sequence.generate_state(settings.samples * updates + 1, np.uint64)
    return keys.astype(np.uint64, copy=False)


def _later(segment: int) -> list[int]:
    """Return what a segment adds to a key; a seed sequence takes trailing zeros for none."""
    return [segment] if segment else []
