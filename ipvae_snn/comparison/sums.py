"""Sums over one seed's paired runs: figures per image, agreement, errors, divergence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from ipvae_snn.arrays import Bool, Float32, Float64, Int64
from ipvae_snn.comparison.decoders import Decoded, Decoders
from ipvae_snn.comparison.paired_runs import Block, Pair, Side, blocks
from ipvae_snn.config.settings import KlForm
from ipvae_snn.ir.trace import SATURATIONS
from ipvae_snn.metrics import quality
from ipvae_snn.metrics.histograms import BINS, histograms
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.float_network import FloatNetwork

FIGURES: Final = ("r2", "r2_mean", "r2_map", "mse", "zeros", "free_energy", "spikes")
FreeEnergy = Callable[[Float32, Float32, Float64, Float64], Float64]


@dataclass(frozen=True)
class Place:
    """First unequal count: the earliest step, and the first image and neuron in it."""

    seed: int
    image: int
    step: int
    neuron: int
    float_count: int
    integer_count: int


@dataclass(frozen=True)
class Matches:
    """Counts per step (T,) equal to the float run's: of all, and where float is not 0."""

    equal: Int64
    equal_active: Int64


@dataclass(frozen=True)
class Squares:
    """Sums of squared differences of potentials in nats^2: by step (T,) and by neuron (K,)."""

    by_step: Float64
    by_neuron: Float64


@dataclass(frozen=True)
class SeedSums:
    """Sums of one seed.

    floats, integers: FIGURES of each recorded step and image, (S, N). *_spikes (F, N): spikes of
    all steps of each frame. *_histogram: (K, BINS).
    active (T,): number of float counts that are not 0. free, single: of the integer network's own
    run, and of single steps from the float run's states and counts. diverged (N,): step of the
    image's first unequal count, -1 if all are equal. saturated: by trace.SATURATIONS.
    """

    seed: int
    floats: dict[str, Float64]
    integers: dict[str, Float64]
    float_spikes: Float64
    integer_spikes: Float64
    float_histogram: Int64
    integer_histogram: Int64
    active: Int64
    free: Matches
    single: Matches
    free_error: Squares
    single_error: Squares
    diverged: Int64
    first: Place | None
    saturated: dict[str, int]


def free_energy_of(network: FloatNetwork, form: KlForm) -> FreeEnergy:
    """Return the function (images, reconstruction (N, M), u, earlier u (N, K)) -> (N,), in nats.

    -log p(x | z) of the reconstruction, plus the KL from the earlier potentials to u, as `evaluate`
    reports it for the float network, but for a step's own counts and the potentials from which they
    were drawn. An integer run's potentials are given in nats, and sigma is the float network's.
    """
    log_sigma = torch.from_numpy(network.log_sigma.astype(np.float64))
    precision = linear_gaussian.precision(log_sigma).numpy()
    normaliser = float(linear_gaussian.log_normaliser(log_sigma))
    divergence = poisson.KL_FORMS[form]

    def energy(images: Float32, reconstruction: Float32, u: Float64, earlier: Float64) -> Float64:
        squares = (images.astype(np.float64) - reconstruction) ** 2
        kl = divergence(torch.from_numpy(u), torch.from_numpy(earlier)).numpy()
        return np.asarray(0.5 * squares @ precision + normaliser + kl)

    return energy


def seed_sums(
    pair: Pair,
    steps: int,
    seed: int,
    recorded: tuple[int, ...],
    form: KlForm,
    threads: int = 1,
    report: Callable[[int], None] = lambda image_steps: None,
) -> SeedSums:
    """Run the pair with one seed, `steps` of each frame.

    recorded: steps, from 1 and over all frames, whose figures are computed.
    """
    n, k = len(pair.images), pair.network.n_neurons
    energy = free_energy_of(pair.network, form)
    floats = {name: np.zeros((len(recorded), n)) for name in FIGURES}
    integers = {name: np.zeros((len(recorded), n)) for name in FIGURES}
    histogram = np.zeros((2, k, BINS), np.int64)
    spikes = np.zeros((2, pair.frames, n))
    total = pair.frames * steps
    # Rows: float counts that are not 0, then equal and equal_active, free and single.
    matches = np.zeros((5, total), np.int64)
    by_step, by_neuron = np.zeros((2, total)), np.zeros((2, k))
    diverged, first = np.full(n, -1), None
    saturated = np.zeros(len(SATURATIONS), np.int64)
    decoders = Decoders(pair)
    for block in blocks(pair, steps, seed, threads):
        truth, own = block.floats, block.integers
        decoders.take(block, block.first == block.frame * steps)
        span = slice(block.first, block.first + truth.counts.shape[1])
        images, _ = pair.shown(block.frame, block.rows)
        for index, step in enumerate(recorded):
            if span.start < step <= span.stop:
                where = step - 1 - span.start
                for figures, side, decoded in (
                    (floats, truth, decoders.floats(where)),
                    (integers, own, decoders.integers(where)),
                ):
                    values = _figures(images, side, where, decoded, energy)
                    for name in FIGURES:
                        figures[name][index, block.rows] = values[name]
        spikes[:, block.frame, block.rows] += [
            side.counts.sum(axis=(1, 2)) for side in (truth, own)
        ]
        equal, active = own.counts == truth.counts, truth.counts != 0
        drawn = block.drawn == truth.counts
        matches[:, span] += [
            hits.sum(axis=(0, 2)) for hits in (active, equal, equal & active, drawn, drawn & active)
        ]
        for row, potentials in enumerate((own.after, block.stepped)):
            square = (potentials - truth.after) ** 2
            by_step[row, span] += square.sum(axis=(0, 2))
            by_neuron[row] += square.sum(axis=(0, 1))
        histogram += (histograms(truth.counts), histograms(own.counts))
        saturated += block.saturated.sum(axis=(0, 1))
        first = _earlier(first, _diverge(diverged, block, equal, seed))
        report(equal.shape[0] * equal.shape[1])
    return SeedSums(
        seed=seed,
        floats=floats,
        integers=integers,
        float_spikes=spikes[0],
        integer_spikes=spikes[1],
        float_histogram=histogram[0],
        integer_histogram=histogram[1],
        active=matches[0],
        free=Matches(matches[1], matches[2]),
        single=Matches(matches[3], matches[4]),
        free_error=Squares(by_step[0], by_neuron[0]),
        single_error=Squares(by_step[1], by_neuron[1]),
        diverged=diverged,
        first=first,
        saturated=dict(zip(SATURATIONS, saturated.tolist(), strict=True)),
    )


def _figures(
    images: Float32, side: Side, index: int, decoded: Decoded, energy: FreeEnergy
) -> dict[str, Float64]:
    counts, u = side.counts[:, index], side.before[:, index]
    return {
        "r2": quality.r2_per_image(images, decoded.sample),
        "r2_mean": quality.r2_per_image(images, decoded.mean),
        "r2_map": quality.r2_per_image(images, decoded.rates),
        "mse": ((images.astype(np.float64) - decoded.sample) ** 2).mean(axis=1),
        "zeros": (counts == 0).mean(axis=1),
        "free_energy": energy(images, decoded.sample, u, side.previous(index)),
        "spikes": counts.sum(axis=1).astype(np.float64),
    }


def _diverge(diverged: Int64, block: Block, equal: Bool, seed: int) -> Place | None:
    """Write each image's first differing step into `diverged`; return the first place of all."""
    differs: Bool = np.asarray(~equal.all(axis=2))
    mine = diverged[block.rows]
    fresh = np.flatnonzero((mine < 0) & differs.any(axis=1))
    if not len(fresh):
        return None
    steps = differs[fresh].argmax(axis=1)
    mine[fresh] = block.first + steps
    row, step = int(fresh[steps.argmin()]), int(steps.min())
    neuron = int(np.argmin(equal[row, step]))
    return Place(
        seed,
        block.rows.start + row,
        block.first + step,
        neuron,
        int(block.floats.counts[row, step, neuron]),
        int(block.integers.counts[row, step, neuron]),
    )


def _earlier(one: Place | None, other: Place | None) -> Place | None:
    """Return the earlier place, by step, then by image; None is later than any."""
    known = [place for place in (one, other) if place is not None]
    return min(known, key=lambda place: (place.step, place.image), default=None)
