"""Update of a population of neurons in one step, apart from messages; one class for each kind."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from .arithmetic import MASK32, Int64, integrate, sample, spiking, thresholds
from .draws import Draws

Integers = npt.NDArray[np.integer[Any]]
Constants = Mapping[str, Integers]  # by the names of the Process, (n,) or (1,)
Hold = Callable[[Integers, str], Int64]  # clips values to 24 bits, and counts or raises
# Neurons that saturated in a step: counts, excitation, inhibition, potentials.
Saturated = tuple[int, int, int, int]
NONE: Final = (0, 0, 0, 0)
LIMIT: Final = (1 << 23) - 1  # of an accumulator's state


class Population(Protocol):
    """Neurons with a state, of one kind."""

    base: Int64  # (n,): constant part of the current
    initial_state: Int64  # (n,)

    def begin(self, moved: Int64 | None) -> Int64:
        """Return the states (n,) of an image that appears; moved: by a start, if there is one."""

    def send(self, state: Int64, image: int, step: int) -> Int64:
        """Return the payloads (n,) that leave the states; `image` counts the presentations."""

    def move(self, state: Int64, sent: Int64, total: Int64) -> tuple[Int64, Saturated]:
        """Return the states after the payloads `sent` and the sums `total`, base included."""

    def look_ahead(self, image: int, step: int) -> None:
        """Prepare a later step, while others compute."""


def wide(constants: Constants, name: str) -> Int64:
    """Return a constant of each neuron as int64."""
    return np.asarray(constants[name]).astype(np.int64)


def number(constants: Constants, name: str) -> int:
    """Return a constant that all neurons share."""
    return int(np.ravel(constants[name])[0])


class PoissonPopulation:
    """K Poisson neurons' constants, by the names of the Process `Neuron`, as NumPy arrays."""

    def __init__(self, constants: Constants) -> None:
        self.base, self.initial_state = wide(constants, "bias"), wide(constants, "initial_state")
        self.self_inhibition = wide(constants, "self_inhibition")
        self.loop_inhibition = wide(constants, "loop_inhibition")
        self.bits, self.extra = number(constants, "fraction_bits"), number(constants, "extra_bits")
        self.least = number(constants, "update_min") << self.extra
        self.most = number(constants, "excitation_max") << self.extra
        self.limits = number(constants, "state_min"), number(constants, "state_max")
        self.max_count = number(constants, "max_count")
        self.looped = bool(self.loop_inhibition.any())
        self.lowest = min(self.limits[0], int(self.initial_state.min()), 2 << self.bits)
        coarse, fine, reciprocal = (
            wide(constants, name) for name in ("coarse", "fine", "reciprocal")
        )
        self.thresholds = thresholds(self.lowest, self.bits, (coarse, fine, reciprocal))
        self.silent = np.ascontiguousarray(self.thresholds[:, 0])
        first = number(constants, "first_uniform")
        self.draws = Draws(number(constants, "seed"), self.base.size, first)
        self.first_image = number(constants, "first_image")
        self.image_stride = number(constants, "image_stride")

    def begin(self, moved: Int64 | None) -> Int64:
        """Return the membrane potentials (K,) of an image that appears."""
        if moved is None:
            return self.initial_state.copy()
        least, most = self.limits
        return np.asarray(np.minimum(np.maximum(self.initial_state + moved, least), most), np.int64)

    def move(self, state: Int64, sent: Int64, total: Int64) -> tuple[Int64, Saturated]:
        """Return the membrane potentials after an update, and the saturations in it."""
        most = self.most - self.loop_inhibition * sent if self.looped else self.most
        own = self.self_inhibition * sent
        moved, held = integrate(state, total, own, self.extra, self.least, most, self.limits)
        return moved, (int(np.count_nonzero(sent >= self.max_count)), *held)

    def look_ahead(self, image: int, step: int) -> None:
        """Draw the uniforms of a later step; `image` counts this population's presentations."""
        self.draws.turn((self.first_image + self.image_stride * image) & MASK32, step)

    def send(self, state: Int64, image: int, step: int) -> Int64:
        """Return the counts (K,) of one step at membrane potentials (K,)."""
        self.look_ahead(image, step)
        uniform = self.draws.of_first()
        counts = np.zeros(state.shape, np.int64)
        busy = spiking(state, uniform, self.silent, self.lowest)
        if busy.size:
            draw = self.draws.of_parts
            drawn = sample(
                state[busy], uniform[busy], busy, draw, self.bits, self.thresholds, self.lowest
            )
            counts[busy] = np.minimum(drawn, self.max_count)
        return counts


class LcaPopulation:
    """LCA neurons' constants, by the names of the Process `Lca`, as NumPy arrays."""

    def __init__(self, constants: Constants) -> None:
        self.threshold = wide(constants, "threshold")
        self.base = np.zeros_like(self.threshold)
        self.initial_state = self.base
        self.leak_shift = number(constants, "leak_shift")
        self.payload_shift = number(constants, "payload_shift")
        self.max_payload = number(constants, "max_payload")
        self.state_max = number(constants, "state_max")

    def begin(self, moved: Int64 | None) -> Int64:
        """Return 0: nothing sets their first states."""
        return self.initial_state.copy()

    def look_ahead(self, image: int, step: int) -> None:
        """Do nothing: no number is drawn."""

    def send(self, state: Int64, image: int, step: int) -> Int64:
        """Return what exceeds the thresholds (n,), in units of 2^payload_shift."""
        above = np.maximum(state - self.threshold, 0) >> self.payload_shift
        return np.asarray(np.minimum(above, self.max_payload))

    def move(self, state: Int64, sent: Int64, total: Int64) -> tuple[Int64, Saturated]:
        """Return the states (n,) a share 2^-leak_shift nearer to the sums."""
        half = 1 << (self.leak_shift - 1)
        moved = state + ((total - state + half) >> self.leak_shift)
        most = self.state_max
        counts = int(np.count_nonzero(sent >= self.max_payload))
        states = int(np.count_nonzero(moved > most))
        return np.minimum(np.maximum(moved, -most), most), (counts, 0, 0, states)


class AccumulatorPopulation:
    """Accumulators' constants, by the names of the Process `Accumulator`, as NumPy arrays."""

    def __init__(self, constants: Constants) -> None:
        self.base = wide(constants, "bias")
        self.initial_state = np.zeros_like(self.base)

    def begin(self, moved: Int64 | None) -> Int64:
        """Return 0: nothing sets their first states."""
        return self.initial_state.copy()

    def look_ahead(self, image: int, step: int) -> None:
        """Do nothing: no number is drawn."""

    def send(self, state: Int64, image: int, step: int) -> Int64:
        """Return 0: they send nothing."""
        return np.zeros_like(state)

    def move(self, state: Int64, sent: Int64, total: Int64) -> tuple[Int64, Saturated]:
        """Return the states (n,) with the sums added."""
        moved = state + total
        kept = np.minimum(np.maximum(moved, -LIMIT), LIMIT)
        return kept, (0, 0, 0, int(np.count_nonzero(kept != moved)))


# By the kind of a population; residual neurons keep no state.
STATEFUL: Final[Mapping[str, Callable[[Constants], Population]]] = {
    "poisson": PoissonPopulation,
    "lca": LcaPopulation,
    "accumulator": AccumulatorPopulation,
}


def residuals(payload: Int64, predicted: Int64, limit: int) -> tuple[Int64, int]:
    """Return the residuals: payload (M,) minus scaled prediction (M,), and the number clipped."""
    error = payload - predicted
    beyond = int(np.count_nonzero(np.abs(error) > limit))
    return np.minimum(np.maximum(error, -limit), limit), beyond
