"""Validation of a network with exact spike counts, at the soft clip of its model."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.metrics import estimates, quality
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.likelihood import GramLikelihood, Likelihood, drive_at
from ipvae_snn.models.protocol import (
    Decoder,
    LatentModel,
    State,
    advance,
    first_state,
    inference,
    negative_log_likelihood,
)
from ipvae_snn.training.costs import Costs
from ipvae_snn.training.straight_through import RoundedDictionary

CHUNK: Final = 1000


@dataclass(frozen=True)
class Validation:
    """Means over the validation images at the last step T.

    r2 and mse (per pixel) of one sample's reconstruction. zeros: share of silent neurons. spikes:
    per step and image. free_energy: nll + kl in nats per image, beta 1. worst_r2: of the worst
    image, which shows a run-away that the mean may hide. r2_median: of the median image. r2_pooled:
    of all images' pixels together, each about its image's mean; flat images, whose R2 is low, do
    not weigh more than others. messages: neurons that send, per update and image. operations:
    synaptic operations of the T steps per image, as `costs` counts them; None where neurons share
    weights, or where a network of its own takes part in inference.
    """

    r2: float
    worst_r2: float
    mse: float
    zeros: float
    spikes: float
    free_energy: float
    r2_median: float = float("nan")
    r2_pooled: float = float("nan")
    messages: float = 0.0
    operations: float | None = None


@torch.no_grad()
def validate(
    model: LatentModel[State],
    dictionary: Decoder,
    x: Tensor,
    *,
    steps: int,
    generator: torch.Generator,
    rounding: RoundedDictionary | None = None,
) -> Validation:
    """Run `steps` steps on x (N, M) and evaluate a new sample of the last posterior.

    Of moving inputs x (N, F, M), step t sees frame t * F // T, and the last frame is evaluated.
    rounding(frames, G): replaces the drive and G in inference; the exact dictionary decodes.
    """
    draw = model.draws(generator)
    codes, reconstructions, energies = [], [], []
    costs = Costs(dictionary, x.shape[-1])
    for chunk in _chunks(x):
        frames = chunk.unsqueeze(0) if chunk.dim() == 2 else chunk.transpose(0, 1)
        seen = inference(dictionary, frames) if rounding is None else _rounded(rounding, frames)
        chunk = frames[-1]
        prior, state = model.initial(len(chunk)), first_state(model, dictionary, frames[0])
        before = prior
        costs.begin(frames[0])
        for t in range(steps):
            before, frame = state if t else prior, t * len(frames) // steps
            if t * len(frames) % steps < len(frames):  # a frame appears
                costs.show(frames[frame])
            _, state = advance(model, state, draw, partial(_counted, seen, frame, costs))
        z = model.sample(state, draw)
        nll = negative_log_likelihood(dictionary, chunk, z)
        divergence = model.divergence(state, before)
        energies.append(linear_gaussian.free_energy(nll, divergence).cpu().numpy())
        reconstructions.append(dictionary.decode(z).cpu().numpy())
        codes.append(z.cpu().numpy().astype(np.float64))
    judged = x if x.dim() == 2 else x[:, -1]
    pixels, reconstruction = judged.cpu().numpy(), np.concatenate(reconstructions)
    counts = np.concatenate(codes)
    r2 = quality.r2_per_image(pixels, reconstruction)
    kept = r2[~np.isnan(r2)]
    return Validation(
        r2=estimates.estimate(r2).mean,
        worst_r2=float(kept.min()) if kept.size else float("nan"),
        mse=quality.mse(pixels, reconstruction),
        zeros=quality.zeros_fraction(counts),
        spikes=float(counts.sum(axis=1).mean()),
        free_energy=float(np.concatenate(energies).astype(np.float64).mean()),
        r2_median=quality.median(r2),
        r2_pooled=quality.r2_pooled(quality.errors_per_image(pixels, reconstruction)),
        messages=costs.messages / max(1, len(x) * steps * model.updates_per_step),
        operations=None if costs.operations is None else costs.operations / len(x),
    )


def _product(G: Tensor, z: Tensor) -> Tensor:
    return z @ G


def _rounded(rounding: RoundedDictionary, frames: Tensor) -> Likelihood:
    """Return the likelihood of images (F, B, M) by rounded weights."""
    rounded = rounding(frames, rounding.dictionary.gram())
    return GramLikelihood(rounded.drive, partial(_product, rounded.competition))


def _counted(likelihood: Likelihood, frame: int, costs: Costs, z: Tensor) -> Tensor:
    """Return the drive (B, K) at latents z (B, K), and count what they cost."""
    costs.send(z)
    return drive_at(likelihood, frame, z)


def _chunks(x: Tensor) -> Iterator[Tensor]:
    yield from torch.split(x, CHUNK)
