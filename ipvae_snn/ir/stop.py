"""Stop of an image that is done: its senders' potentials hardly move any more (docs/ir.md)."""

import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array, Float32, Int64, Integers
from ipvae_snn.errors import BackendError, ConfigError, DataError, brief
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.prng import MAX_STEPS

if TYPE_CHECKING:
    from ipvae_snn.ir.trace import RunRequest, Trace

MAX_THRESHOLD: Final = 1 << 24  # above any change of a potential: an image that sends stops at once
LEAST_STEPS: Final = 4  # where a user names none: the first changes come from the initial state
AUTO: Final = "auto"
_NUMBER: Final = r"([0-9]{1,9}(\.[0-9]{0,20})?|\.[0-9]{1,20})(e[+-]?[0-9]{1,2})?"
_TARGET: Final = re.compile(rf"(?P<change>{AUTO}|{_NUMBER})(:(?P<least>[0-9]{{1,7}}))?")

# From counts added up, states (n, K) after the last step, and a number of steps, to (n, M).
Reconstruct = Callable[[Integers, Integers, int], Float32]


class Change(NamedTuple):
    """Changes of N images in a step, added up over the neurons that sent, and how many sent."""

    total: Annotated[Int64, "N"]
    senders: Annotated[Int64, "N"]


@dataclass(frozen=True)
class Stop:
    """When an image is done: after at least `least_steps` steps, at a change below `threshold`.

    The change of a step is the mean of |v_t - v_(t-1)| over the neurons that sent in it, in units
    of the potential, 2**-fraction_bits octaves. A step in which none sent ends no image: silent
    potentials may still rise. At a threshold of 0 no image is done before the last step.
    """

    threshold: int
    least_steps: int = 1

    def __post_init__(self) -> None:
        """Check the ranges; raise DataError."""
        for name, value, least, most in (
            ("threshold", self.threshold, 0, MAX_THRESHOLD),
            ("least number of steps", self.least_steps, 1, MAX_STEPS),
        ):
            if not least <= value <= most:
                raise DataError(f"{name} {brief(value)} of a stop is not in {least}..{most}")

    def done(self, steps: int, change: Change) -> Annotated[Any, "N"]:
        """Return which images are done after `steps` steps, (N,) bool; change: of the last one."""
        return (change.total < self.threshold * change.senders) & (steps >= self.least_steps)

    def nats(self, network: IntegerNetwork) -> float:
        """Return the threshold in nats."""
        return self.threshold * math.log(2) / (1 << fraction_bits(network))


@dataclass(frozen=True)
class Target:
    """What a user asks for: a change in nats, or None for one that is found from images; steps.

    least_steps: None for LEAST_STEPS, or as many as a mean reads.
    """

    nats: float | None
    least_steps: int | None = None

    def least_of(self, network: IntegerNetwork) -> int:
        """Return the least number of steps of a network's images."""
        return self.least_steps or max(LEAST_STEPS, network.decoder.decoding.steps)

    def stop_of(self, network: IntegerNetwork, nats: float) -> Stop:
        """Return the stop of a network at a change of `nats`."""
        units = round(nats * (1 << fraction_bits(network)) / math.log(2))
        return Stop(min(units, MAX_THRESHOLD), self.least_of(network))


def target_of(asked: float | str | None) -> Target | None:
    """Return the target that a user names: nats or auto, :least steps after it; None for no stop.

    Raises ConfigError for anything else.
    """
    if asked is None:
        return None
    text = str(asked)
    found = _TARGET.fullmatch(text)
    least = None if found is None or found["least"] is None else int(found["least"])
    if found is None or not (least is None or 1 <= least <= MAX_STEPS):
        raise ConfigError(
            f"stop {brief(text)} is neither a change in nats (0.1) nor auto, alone or with a least "
            f"number of steps in 1..{MAX_STEPS} behind it (0.1:8); correct it"
        )
    return Target(None if found["change"] == AUTO else float(found["change"]), least)


def fraction_bits(network: IntegerNetwork) -> int:
    """Return the fraction bits of all potentials of a network that can stop.

    Raises BackendError for one whose changes have no common unit: not all of its computing neurons
    are Poisson neurons with the same fraction bits.
    """
    bits = {getattr(one.neurons, "fraction_bits", None) for one in network.computing}
    if len(bits) == 1 and None not in bits:
        return int(bits.pop())  # type: ignore[arg-type] # it is not None
    raise BackendError(
        f"{network} cannot stop when done: that needs Poisson neurons alone, with the same "
        "fraction bits; run it for all steps"
    )


def change_of(before: Array, after: Array, counts: Array) -> Change:
    """Return the changes of a step, from states before and after it and counts (N, K)."""
    sent = counts > 0
    moved = np.abs(after.astype(np.int64) - before.astype(np.int64))
    return Change(np.where(sent, moved, 0).sum(axis=1), sent.sum(axis=1, dtype=np.int64))


class Until:
    """Still images that leave a run one by one, when they are done or had all steps.

    running (n,): the rows, of the whole run, of those that are left; all of them have taken the
    same number of steps. Their reconstructions and numbers of steps go into the trace.
    """

    def __init__(
        self, rows: slice, trace: "Trace", request: "RunRequest", network: IntegerNetwork
    ) -> None:
        assert request.stop is not None  # it is a run with a stop
        self.running = np.arange(rows.start, rows.stop)
        self._trace, self._stop, self._last = trace, request.stop, request.steps
        self._window = network.decoder.decoding.window(request.steps)
        self._recent: deque[Array] = deque(maxlen=self._window)

    def after_step(
        self, step: int, before: Array, after: Array, counts: Array, reconstruct: Reconstruct
    ) -> Array:
        """Take the images that are done after step `step` from the running ones.

        before, after, counts (n, K): of the running images. Return which remain, (n,) bool.
        """
        taken = step + 1
        self._recent.append(counts.astype(np.int32))
        done = self._stop.done(taken, change_of(before, after, counts)) | (taken == self._last)
        if done.any():
            added = sum((each[done].astype(np.int64) for each in self._recent), np.int64(0))
            read = np.broadcast_to(added, after[done].shape)
            leaving = self.running[done]
            image = reconstruct(read, after[done], min(self._window, taken))
            assert self._trace.steps_taken is not None  # Trace.empty makes it
            self._trace.steps_taken[leaving] = taken
            self._trace.reconstruction[leaving] = image
            self.running = self.running[~done]
            self._recent = deque((each[~done] for each in self._recent), self._window)
        remain: Array = np.logical_not(done)
        return remain
