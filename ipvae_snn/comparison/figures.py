"""Figures of a comparison of float and integer inference, and their JSON."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.comparison.sums import Place
from ipvae_snn.metrics.estimates import Estimate, interval

MARKS: Final = (1, 4, 16, 64, 256, 1000)
SIDES: Final = ("float", "integer", "delta")
QUANTILES: Final = MappingProxyType(
    {"least": 0.0, "low_5": 0.05, "median": 0.5, "high_95": 0.95, "largest": 1.0}
)


def bits(nats: Float64, unit: float) -> Float64:
    """Return log2(nats / unit), -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log2(nats / unit))


@dataclass(frozen=True)
class Compared:
    """One figure of the float run, the integer run, and integer minus float.

    seeds, images: estimates by SIDES, over the seeds' means and over the images' means.
    """

    seeds: dict[str, Estimate]
    images: dict[str, Estimate]

    def as_json(self) -> dict[str, Any]:
        """Return the means by side, and both kinds of interval."""
        return {
            **{side: value.mean for side, value in self.seeds.items()},
            "seeds_95": {side: interval(value) for side, value in self.seeds.items()},
            "images_95": {side: interval(value) for side, value in self.images.items()},
            "excluded_images": self.images["delta"].excluded,
        }


@dataclass(frozen=True)
class Agreement:
    """Share of counts equal to the float run's: of all, and of those where float is not 0."""

    equal: Estimate
    equal_active: Estimate
    by_step: Float64
    active_by_step: Float64

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "equal": self.equal.mean,
            "equal_active": self.equal_active.mean,
            "seeds_95": {
                "equal": interval(self.equal),
                "equal_active": interval(self.equal_active),
            },
            "by_step": {
                "equal": self.by_step.tolist(),
                "equal_active": self.active_by_step.tolist(),
            },
        }


@dataclass(frozen=True)
class StateError:
    """Root mean square error of the potentials: in nats, and in bits.

    bits = log2(nats / unit): 0 bits is an error of one unit, each bit more doubles it, and -inf is
    no error. by_step (T,) and by_neuron (K,) are in bits, over images and seeds.
    """

    nats: Estimate
    bits: Estimate
    by_step: Float64
    by_neuron: Float64

    def as_json(self) -> dict[str, Any]:
        """Return plain data; non-finite values become null in JSON files."""
        neurons = {name: _quantile(self.by_neuron, q) for name, q in QUANTILES.items()}
        return {
            "bits": self.bits.mean,
            "nats": self.nats.mean,
            "seeds_95": {"bits": interval(self.bits), "nats": interval(self.nats)},
            "neurons_bits": {**neurons, "worst_neuron": int(self.by_neuron.argmax())},
            "by_step_bits": self.by_step.tolist(),
        }


@dataclass(frozen=True)
class Distances:
    """Distances between both runs' histograms of counts.

    total_variation, wasserstein (in spikes): of the histograms pooled over neurons. worst_*: the
    largest of any neuron, mean over seeds. floor_*: the same between float runs of two seeds, which
    differ by sampling alone; None with one seed. worst_neuron: by total variation. pooled: both
    histograms (2, BINS), summed over seeds.
    """

    total_variation: Estimate
    wasserstein: Estimate
    worst_total_variation: Estimate
    worst_wasserstein: Estimate
    floor_total_variation: float | None
    floor_wasserstein: float | None
    worst_neuron: int
    pooled: Int64

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        named = {
            "total_variation": (
                self.total_variation,
                self.worst_total_variation,
                self.floor_total_variation,
            ),
            "wasserstein": (self.wasserstein, self.worst_wasserstein, self.floor_wasserstein),
        }
        result: dict[str, Any] = {
            name: {
                "pooled": pooled.mean,
                "largest_of_neurons": worst.mean,
                "largest_between_float_seeds": floor,
                "seeds_95": {"pooled": interval(pooled), "largest_of_neurons": interval(worst)},
            }
            for name, (pooled, worst, floor) in named.items()
        }
        return {**result, "worst_neuron": self.worst_neuron}


@dataclass(frozen=True)
class Divergence:
    """First differences in counts; steps count from 0.

    share: share of images, of all seeds, that differ at some step. median_step: median first step
    over all images; None if half of them or more never differ. first: the earliest difference;
    None if there is none.
    """

    share: float
    median_step: float | None
    first: Place | None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**vars(self), "first": None if self.first is None else vars(self.first)}


@dataclass(frozen=True)
class OverFrames:
    """Figures of sequences, over whose frames potentials carry over.

    steps: of each frame. spikes: of all steps of a frame, frame by frame. means: the figures after
    the last step of each frame, as means over frames; of "spikes", those of all steps of a frame.
    """

    steps: int
    spikes: tuple[Compared, ...]
    means: dict[str, Compared]

    def as_json(self) -> dict[str, Any]:
        """Return the means by name."""
        return {name: value.as_json() for name, value in self.means.items()}


@dataclass(frozen=True)
class Fidelity:
    """All figures of a comparison.

    steps: of all frames. curve: the figures by recorded step (from 1), including the marks and the
    last step. saturations: number of (image, step, neuron) triples of all seeds, by
    trace.SATURATIONS. over_frames: of sequences, whose recorded steps are the last of each frame.
    """

    steps: int
    seeds: tuple[int, ...]
    curve: dict[int, dict[str, Compared]]
    distances: Distances
    free: Agreement
    single: Agreement
    free_error: StateError
    single_error: StateError
    divergence: Divergence
    saturations: dict[str, int]
    over_frames: OverFrames | None = None

    @property
    def marks(self) -> tuple[int, ...]:
        """The steps that tables and JSON show: the MARKS up to `steps`, and `steps`.

        Of sequences, the last step of each frame.
        """
        return marks(self.steps) if self.over_frames is None else tuple(self.curve)

    def as_json(self) -> dict[str, Any]:
        """Return plain data: the last step's figures by name, and those of all marks."""
        named = {
            step: {name: value.as_json() for name, value in self.curve[step].items()}
            for step in self.marks
        }
        frames = self.over_frames
        over: dict[str, Any] = {}
        if frames is not None:
            for figures, spikes in zip(named.values(), frames.spikes, strict=True):
                figures["spikes_per_frame"] = spikes.as_json()
            over = {"over_frames": frames.as_json()}
        return {
            **named[self.steps],
            **over,
            "marks": [{"step": step, **figures} for step, figures in named.items()],
            "histogram": self.distances.as_json(),
            "agreement": {"free_running": self.free.as_json(), "one_step": self.single.as_json()},
            "state_error": {
                "free_running": self.free_error.as_json(),
                "one_step": self.single_error.as_json(),
            },
            "divergence": self.divergence.as_json(),
            "saturations": self.saturations,
        }


def marks(steps: int) -> tuple[int, ...]:
    """Return the MARKS up to `steps`, and `steps` itself."""
    return tuple(sorted({*(mark for mark in MARKS if mark <= steps), steps}))


def _quantile(values: Float64, q: float) -> float:
    """Return the quantile as a value that occurs: neurons without error are at -inf."""
    return float(np.quantile(values, q, method="nearest"))
