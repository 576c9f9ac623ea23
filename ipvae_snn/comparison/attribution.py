"""Attribution: the difference that each tensor of an integer network causes.

Every variant is a float64 run on the same uniforms with one change: one tensor holds the real
values of the network's integers (ir/units.py), or one of the integer network's rules replaces the
float network's. Its differences from the run without the change are attributed to that tensor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float64, Int32
from ipvae_snn.comparison.figures import bits
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.comparison.variants import Variant, last_step, variants
from ipvae_snn.metrics import estimates, quality
from ipvae_snn.metrics.estimates import Estimate, interval
from ipvae_snn.metrics.seeds import over_seeds

CHUNK: Final = 250  # images at a time
TOGETHER: Final = "together"
TEXTS: Final = MappingProxyType(
    {
        "left_out_pixels": "pixels left out",
        "pixel_levels": "8-bit pixels",
        "feedforward": "feed-forward weights",
        "lateral": "lateral weights",
        "prediction": "prediction weights",
        "self_inhibition": "self-inhibition",
        "bias": "bias",
        "initial_state": "initial state",
        "weights_and_bias": "weights, self-inhibition and bias",
        "residual": "rounding of the residual",
        "state_rounding": "rounding of the state",
        "clamps": "hard clamps",
        "sampler": "integer sampler",
        "decoder": "decoder",
        TOGETHER: "all of these together",
    }
)
JOINT: Final = ("weights_and_bias", TOGETHER)  # several tensors at once


@dataclass(frozen=True)
class Cause:
    """Effect of one change at the last step, over seeds.

    r2, zeros: with the change minus without it. error: root mean square difference of the
    potentials, in nats. bits: log2 of the error in units of the integer network, -inf for 0.
    worst_neuron: the neuron with the largest error; None if there is no error.
    """

    name: str
    r2: Estimate
    zeros: Estimate
    error: Estimate
    bits: float
    worst_neuron: int | None

    @property
    def text(self) -> str:
        """The change in words."""
        return TEXTS[self.name]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "r2": {"delta": self.r2.mean, "delta_95": interval(self.r2)},
            "zeros": {"delta": self.zeros.mean, "delta_95": interval(self.zeros)},
            "state_error": {
                "nats": self.error.mean,
                "nats_95": interval(self.error),
                "bits": self.bits,
                "worst_neuron": self.worst_neuron,
            },
        }


@dataclass(frozen=True)
class Attribution:
    """Effects of all changes that apply to the integer network."""

    causes: tuple[Cause, ...]

    @property
    def largest(self) -> Cause:
        """The single change with the largest state error."""
        single = [cause for cause in self.causes if cause.name not in JOINT]
        return max(single, key=lambda cause: cause.error.mean)

    def as_json(self) -> dict[str, Any]:
        """Return plain data by tensor, and the name of the largest."""
        return {
            "largest": self.largest.name,
            "tensors": {cause.name: cause.as_json() for cause in self.causes},
        }


@dataclass(frozen=True)
class _Effect:
    """Effect for one seed: means over images; squares (K,): mean square errors of potentials."""

    r2: float
    zeros: float
    squares: Float64


def attribute(
    pair: Pair,
    steps: int,
    seeds: Sequence[int],
    threads: int = 1,
    report: Callable[[int], None] = lambda image_steps: None,
) -> Attribution:
    """Run every variant with every seed, `steps` of each frame; `report`: the image-steps done.

    Raises DataError for steps or seeds out of range.
    """
    pair.check(steps, tuple(seeds))
    changed = variants(pair)
    result = [_effects(pair, changed, steps, seed, threads, report) for seed in seeds]
    return Attribution(
        tuple(
            _cause(name, [one[name] for one in result], pair.unit)
            for name in TEXTS
            if name in result[0]
        )
    )


def runs(pair: Pair) -> int:
    """Return the number of runs of all images per seed."""
    return sum(variant.run is None for variant in variants(pair).values())


def _cause(name: str, effects: Sequence[_Effect], unit: float) -> Cause:
    squares = np.stack([one.squares for one in effects])
    by_neuron = squares.mean(axis=0)
    nats = np.sqrt(squares.mean(axis=1))
    return Cause(
        name,
        over_seeds([one.r2 for one in effects]),
        over_seeds([one.zeros for one in effects]),
        over_seeds(nats),
        float(bits(np.sqrt(squares.mean()), unit)),
        int(by_neuron.argmax()) if by_neuron.any() else None,
    )


def _effects(
    pair: Pair,
    changed: Mapping[str, Variant],
    steps: int,
    seed: int,
    threads: int,
    report: Callable[[int], None],
) -> dict[str, _Effect]:
    """Return each variant's differences from its reference variant."""
    n, k = len(pair.images), pair.network.n_neurons
    r2 = {name: np.zeros(n) for name in changed}
    zeros = {name: np.zeros(n) for name in changed}
    squares = {name: np.zeros(k) for name in changed}
    for first in range(0, n, CHUNK):
        rows = slice(first, min(first + CHUNK, n))
        last, _ = pair.shown(pair.frames - 1, rows)
        ends: dict[str, tuple[Int32, Float64]] = {}
        for name, variant in changed.items():
            if variant.run is None:
                ends[name] = last_step(pair, variant, rows, steps, seed, threads)
                report(len(ends[name][0]) * pair.frames * steps)
            else:
                ends[name] = ends[variant.run]
            counts, states = ends[name]
            shown = counts @ variant.decoder.T
            r2[name][rows] = quality.r2_per_image(last, shown)
            zeros[name][rows] = (counts == 0).mean(axis=1)
            if variant.reference is not None:
                difference = states - ends[variant.reference][1]
                squares[name] += (difference**2).sum(axis=0) / n
    return {
        name: _Effect(
            estimates.estimate(r2[name] - r2[variant.reference]).mean,
            float((zeros[name] - zeros[variant.reference]).mean()),
            squares[name],
        )
        for name, variant in changed.items()
        if variant.reference is not None
    }
