"""Stops that a user asks for: a change in nats, or one that is found from the images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Int64
from ipvae_snn.errors import BackendError, ConfigError, DataError
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import MAX_THRESHOLD, Stop, Target, fraction_bits, target_of
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.metrics.quality import r2
from ipvae_snn.workflows.images import Images

__all__ = ["AppliedStop", "Target", "asked_stop", "require_still", "require_stopped", "with_stop"]

CALIBRATION: Final = 256  # images, the first ones of a run
LOSS: Final = 0.002  # of R2, against all steps
PER_DOUBLING: Final = 16  # thresholds that are tried: 4 % apart


@dataclass(frozen=True)
class AppliedStop:
    """The stop of a run, its threshold in nats, and the number of images that it was found from.

    images: 0 for a threshold that the user named.
    """

    stop: Stop
    nats: float
    images: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "threshold": self.stop.threshold,
            "least_steps": self.stop.least_steps,
            "nats": self.nats,
            "calibration_images": self.images,
        }

    def text(self) -> str:
        """Return the stop in words."""
        found = f", found from {self.images} images" if self.images else ""
        return (
            f"stops below a mean change of {self.nats:.4g} nats, after {self.stop.least_steps} or "
            f"more steps{found}"
        )


class StepsTaken(NamedTuple):
    """Steps of some images: of all together, the fewest and the most."""

    total: int
    least: int
    most: int

    @classmethod
    def of(cls, trace: Trace) -> "StepsTaken | None":
        """Return those of a run; None where it had no stop."""
        taken = trace.steps_taken
        return None if taken is None else cls(int(taken.sum()), int(taken.min()), int(taken.max()))

    def joined(self, other: "StepsTaken") -> "StepsTaken":
        """Return those of both parts of a run."""
        least, most = min(self.least, other.least), max(self.most, other.most)
        return StepsTaken(self.total + other.total, least, most)

    def as_json(self, images: int) -> dict[str, float]:
        """Return the mean over `images`, the fewest and the most."""
        return {"mean": self.total / images, "least": self.least, "most": self.most}


def asked_stop(text: str | None) -> Target | None:
    """Return the target that a user names, None for no stop; ConfigError as `target_of`."""
    return target_of(text)


def require_still(target: Target | None, moving: object | None) -> None:
    """Raise ConfigError if a user asks for a stop of moving images; moving: None for still ones."""
    if target is not None and moving is not None:
        raise ConfigError(
            "--stop is for still images: the frames of a sequence follow each other at fixed "
            "steps; leave out --stop or --frames"
        )


def with_stop(
    network: IntegerNetwork,
    request: RunRequest,
    target: Target | None,
    images: Callable[[int], Images],
) -> tuple[RunRequest, AppliedStop | None]:
    """Return the request with the stop that a user asks for, and that stop; as it is without one.

    images: returns up to so many of the run's first images, if they are needed. Raises BackendError
    for a network that cannot stop, DataError where its R2 cannot be measured.
    """
    if target is None:
        return request, None
    fraction_bits(network)  # raises where the network cannot stop
    if target.nats is not None:
        stop, count = target.stop_of(network, target.nats), 0
    else:
        given = images(CALIBRATION)
        stop, count = _calibrated(network, request, target, given), len(given.pixels)
    return replace(request, stop=stop), AppliedStop(stop, stop.nats(network), count)


def require_stopped(trace: Trace, request: RunRequest, backend: str) -> None:
    """Raise BackendError if a back end ran all steps although the request has a stop."""
    if request.stop is not None and trace.steps_taken is None:
        raise BackendError(
            f"the back end {backend!r} does not stop images that are done; leave out --stop, or "
            "use --backend compiled"
        )


def _calibrated(
    network: IntegerNetwork, request: RunRequest, target: Target, images: Images
) -> Stop:
    """Return the largest threshold, of those tried, at which R2 is LOSS or less below all steps'.

    R2 is that of the network's decoding. It falls as the threshold rises, up to noise, so that
    bisection finds such a threshold.
    """
    session, least = network.prepare(), target.least_of(network)

    def quality(stop: Stop | None) -> float:
        trace = session.run(images.pixels, replace(request, stop=stop, trace=False))
        return r2(images.floats.pixels, trace.reconstruction).mean

    wanted = quality(None) - LOSS
    if np.isnan(wanted):
        raise DataError(
            "--stop auto measures R2, which constant images do not have; give other images, or a "
            "change in nats"
        )
    tried = _thresholds(network)
    good, bad = 0, len(tried)  # the first one stops nothing
    while bad - good > 1:
        middle = (good + bad) // 2
        enough = quality(Stop(int(tried[middle]), least)) >= wanted
        good, bad = (middle, bad) if enough else (good, middle)
    return Stop(int(tried[good]), least)


def _thresholds(network: IntegerNetwork) -> Int64:
    """Return 0, and the thresholds from 1 to the largest change that a potential can have."""
    octaves = 27  # from the least potential that a network may have to the largest
    most = min(octaves << fraction_bits(network), MAX_THRESHOLD)
    powers = 2.0 ** (np.arange(PER_DOUBLING * int(np.log2(most)) + 1) / PER_DOUBLING)
    return np.unique(np.concatenate([[0], np.floor(powers)])).astype(np.int64)
