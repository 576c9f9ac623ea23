"""Update of a population of neurons in one step, apart from messages."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import MASK32, Int64, integrate, sample, scale, spiking, thresholds
from .draws import Draws

Integers = npt.NDArray[np.integer[Any]]
Hold = Callable[[Integers, str], Int64]  # clips values to 24 bits, and counts or raises


class PoissonPopulation:
    """K Poisson neurons' constants, by the names of the Process `Neuron`, as NumPy arrays.

    `hold` checks every value that must lie within 24 bits.
    """

    def __init__(self, constants: Mapping[str, Integers], hold: Hold) -> None:
        def wide(name: str) -> Int64:
            return np.asarray(constants[name]).astype(np.int64)

        def number(name: str) -> int:
            return int(np.ravel(constants[name])[0])

        self.hold = hold
        self.bias, self.initial_state = wide("bias"), wide("initial_state")
        self.self_inhibition, self.loop_inhibition = (
            wide("self_inhibition"),
            wide("loop_inhibition"),
        )
        self.feedforward = wide("feedforward_multiplier"), wide("feedforward_shift")
        self.lateral = wide("lateral_multiplier"), wide("lateral_shift")
        self.bits, self.extra = number("fraction_bits"), number("extra_bits")
        self.least = number("update_min") << self.extra
        self.most = number("excitation_max") << self.extra
        self.limits = number("state_min"), number("state_max")
        self.max_count = number("max_count")
        self.looped = bool(self.loop_inhibition.any())
        self.lowest = min(self.limits[0], int(self.initial_state.min()), 2 << self.bits)
        tables = wide("coarse"), wide("fine"), wide("reciprocal")
        self.thresholds = thresholds(self.lowest, self.bits, tables)
        self.silent = np.ascontiguousarray(self.thresholds[:, 0])
        self.draws = Draws(number("seed"), self.bias.size)
        self.first_image, self.image_stride = number("first_image"), number("image_stride")

    def feed(self, drive: Integers) -> Int64:
        """Return the input current (K,) of a feed-forward sum."""
        scaled = scale(self.hold(drive, "feedforward sum"), *self.feedforward)
        return self.hold(scaled + self.bias, "current")

    def inhibit(self, total: Integers) -> Int64:
        """Return the contribution of a lateral sum (K,) to the current."""
        return scale(self.hold(total, "lateral sum"), *self.lateral)

    def compete(
        self, potential: Int64, counts: Int64, received: Int64
    ) -> tuple[Int64, tuple[int, int, int, int]]:
        """Return the membrane potentials after an update, and the saturations in it.

        counts (K,): the spikes that cause it; received (K,): current and lateral part. Saturations
        of: counts, excitation, inhibition, potentials.
        """
        most = self.most - self.loop_inhibition * counts if self.looped else self.most
        own = self.self_inhibition * counts
        moved, held = integrate(potential, received, own, self.extra, self.least, most, self.limits)
        return moved, (int(np.count_nonzero(counts >= self.max_count)), *held)

    def look_ahead(self, image: int, step: int) -> None:
        """Draw the uniforms of a later step; `image` counts this population's presentations."""
        self.draws.turn((self.first_image + self.image_stride * image) & MASK32, step)

    def spike(self, potential: Int64, image: int, step: int) -> Int64:
        """Return the counts (K,) of one step at membrane potentials (K,)."""
        self.look_ahead(image, step)
        uniform = self.draws.of_first()
        counts = np.zeros(potential.shape, np.int64)
        busy = spiking(potential, uniform, self.silent, self.lowest)
        if busy.size:
            draw = self.draws.of_parts
            drawn = sample(
                potential[busy], uniform[busy], busy, draw, self.bits, self.thresholds, self.lowest
            )
            counts[busy] = np.minimum(drawn, self.max_count)
        return counts


def residuals(
    payload: Int64, total: Integers, scaling: tuple[Int64, Int64], limit: int, hold: Hold
) -> tuple[Int64, int]:
    """Return the residuals: payload (M,) minus prediction (M,), and the number clipped."""
    error = payload - scale(hold(total, "prediction sum"), *scaling)
    beyond = int(np.count_nonzero(np.abs(error) > limit))
    return np.minimum(np.maximum(error, -limit), limit), beyond
