"""Measure the distance of integer from float inference on the same uniforms, with intervals.

The figures of a step belong to its own counts and to the potentials from which they were drawn.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.comparison.figures import (
    SIDES,
    Agreement,
    Compared,
    Distances,
    Divergence,
    Fidelity,
    OverFrames,
    StateError,
    bits,
    marks,
)
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.comparison.sums import FIGURES, Matches, SeedSums, Squares, seed_sums
from ipvae_snn.config.settings import KlForm
from ipvae_snn.errors import DataError
from ipvae_snn.metrics import estimates
from ipvae_snn.metrics.histograms import total_variation, wasserstein
from ipvae_snn.metrics.seeds import over_seeds


def recorded_steps(steps: int) -> tuple[int, ...]:
    """Return the marks and half-octaves up to `steps`, the points of the curves."""
    octaves = np.rint(2.0 ** np.arange(0.0, np.log2(steps) + 0.25, 0.5)).astype(int).tolist()
    return tuple(sorted({*marks(steps), *(step for step in octaves if step <= steps)}))


def recorded_of(pair: Pair, steps: int) -> tuple[int, ...]:
    """Return the recorded steps of a pair with `steps` of each frame: the last of each, of some."""
    if pair.frames == 1:
        return recorded_steps(steps)
    return tuple(range(steps, pair.frames * steps + 1, steps))


def measure(
    pair: Pair,
    steps: int,
    seeds: tuple[int, ...],
    form: KlForm = "code",
    threads: int = 1,
    report: Callable[[int], None] = lambda image_steps: None,
) -> Fidelity:
    """Run all images with every seed, `steps` of each frame, and return the differences.

    `form` is the KL of the free energy. `report` receives the image-steps done. Raises DataError
    for steps or seeds out of range.
    """
    if not seeds:
        raise DataError("a comparison needs a seed; give at least one")
    pair.check(steps, seeds)
    recorded = recorded_of(pair, steps)
    result = [seed_sums(pair, steps, seed, recorded, form, threads, report) for seed in seeds]
    return summarise(result, recorded, pair.unit)


def summarise(result: Sequence[SeedSums], recorded: tuple[int, ...], unit: float) -> Fidelity:
    """Return means and intervals over the seeds' sums; `unit`: of the integer state, in nats."""
    frames = len(result[0].float_spikes)
    n, steps, k = len(result[0].diverged), len(result[0].active), len(result[0].float_histogram)
    first = min(
        (one.first for one in result if one.first), key=lambda p: (p.step, p.image), default=None
    )
    last = np.concatenate([np.where(one.diverged < 0, np.inf, one.diverged) for one in result])
    median = float(np.median(last))
    return Fidelity(
        steps=steps,
        seeds=tuple(one.seed for one in result),
        curve={
            step: {name: _compared(result, name, index) for name in FIGURES}
            for index, step in enumerate(recorded)
        },
        distances=_distances(result),
        free=_agreement([one.free for one in result], result, n * k),
        single=_agreement([one.single for one in result], result, n * k),
        free_error=_error([one.free_error for one in result], n, unit),
        single_error=_error([one.single_error for one in result], n, unit),
        divergence=Divergence(
            float(np.isfinite(last).mean()), median if np.isfinite(median) else None, first
        ),
        saturations={
            kind: sum(one.saturated[kind] for one in result) for kind in result[0].saturated
        },
        over_frames=None if frames == 1 else _over_frames(result, steps // frames),
    )


def _over_frames(result: Sequence[SeedSums], steps: int) -> OverFrames:
    floats = np.stack([one.float_spikes for one in result])
    integers = np.stack([one.integer_spikes for one in result])
    means = {
        name: _sides(
            np.stack([one.floats[name].mean(axis=0) for one in result]),
            np.stack([one.integers[name].mean(axis=0) for one in result]),
        )
        for name in FIGURES
    }
    means["spikes"] = _sides(floats.mean(axis=1), integers.mean(axis=1))
    spikes = (_sides(floats[:, i], integers[:, i]) for i in range(floats.shape[1]))
    return OverFrames(steps, tuple(spikes), means)


def _compared(result: Sequence[SeedSums], name: str, index: int) -> Compared:
    return _sides(
        np.stack([one.floats[name][index] for one in result]),
        np.stack([one.integers[name][index] for one in result]),
    )


def _sides(floats: Float64, integers: Float64) -> Compared:
    """Return a figure (seeds, N) of both runs."""
    sides = dict(zip(SIDES, (floats, integers, integers - floats), strict=True))
    return Compared(
        {
            side: over_seeds([estimates.estimate(v).mean for v in values])
            for side, values in sides.items()
        },
        {side: estimates.estimate(values.mean(axis=0)) for side, values in sides.items()},
    )


def _agreement(matches: Sequence[Matches], result: Sequence[SeedSums], places: int) -> Agreement:
    """Return the agreement; `places`: number of counts in a step of one seed."""
    steps = len(matches[0].equal)
    active = np.stack([one.active for one in result])
    equal = np.stack([one.equal for one in matches])
    equal_active = np.stack([one.equal_active for one in matches])
    return Agreement(
        over_seeds(equal.sum(axis=1) / (places * steps)),
        over_seeds(_share(equal_active.sum(axis=1), active.sum(axis=1))),
        equal.sum(axis=0) / (places * len(result)),
        _share(equal_active.sum(axis=0), active.sum(axis=0)),
    )


def _share(hits: Int64, of: Int64) -> Float64:
    """Return hits / of; 1 where `of` is 0."""
    return np.where(of > 0, hits / np.maximum(of, 1), 1.0)


def _error(squares: Sequence[Squares], n: int, unit: float) -> StateError:
    by_step = np.stack([one.by_step for one in squares])
    by_neuron = np.stack([one.by_neuron for one in squares])
    (seeds, steps), k = by_step.shape, by_neuron.shape[1]
    nats = np.sqrt(by_step.sum(axis=1) / (n * steps * k))
    return StateError(
        over_seeds(nats),
        over_seeds(bits(nats, unit)),
        bits(np.sqrt(by_step.sum(axis=0) / (seeds * n * k)), unit),
        bits(np.sqrt(by_neuron.sum(axis=0) / (seeds * n * steps)), unit),
    )


def _distances(result: Sequence[SeedSums]) -> Distances:
    """Return the distances; float runs of neighbouring seeds give the floor."""
    floats, integers = [o.float_histogram for o in result], [o.integer_histogram for o in result]
    pooled = [(f.sum(axis=0), i.sum(axis=0)) for f, i in zip(floats, integers, strict=True)]
    pairs = list(zip(floats, integers, strict=True))
    worst = np.stack([total_variation(f, i) for f, i in pairs])
    others = list(pairwise(floats))

    def floor(distance: Callable[[Int64, Int64], Float64]) -> float | None:
        return float(np.mean([distance(a, b).max() for a, b in others])) if others else None

    return Distances(
        total_variation=over_seeds([float(total_variation(f, i)) for f, i in pooled]),
        wasserstein=over_seeds([float(wasserstein(f, i)) for f, i in pooled]),
        worst_total_variation=over_seeds(worst.max(axis=1)),
        worst_wasserstein=over_seeds([float(wasserstein(f, i).max()) for f, i in pairs]),
        floor_total_variation=floor(total_variation),
        floor_wasserstein=floor(wasserstein),
        worst_neuron=int(worst.mean(axis=0).argmax()),
        pooled=np.stack([sum(side[1:], side[0]) for side in zip(*pooled, strict=True)]),
    )
