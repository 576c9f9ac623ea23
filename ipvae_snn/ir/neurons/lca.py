"""LCA neurons: leaky integrators with a soft threshold, in fixed point.

Rozell, Johnson, Baraniuk & Olshausen (2008), Sparse coding via thresholding and local competition
in neural circuits, Neural Computation 20(10): du/dt = (b - u - (G - I) a) / tau with a = max(u -
lambda, 0), here for codes that are not negative. A signed code is a pair of neurons with opposite
elements.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from ipvae_snn.arrays import AnyArray, Int32, Int64
from ipvae_snn.ir.fixed_point import STATE_BITS, round_shift, signed_limit
from ipvae_snn.ir.neurons.protocol import Draw, OfPopulation, Role
from ipvae_snn.ir.rules import require, require_range, require_type
from ipvae_snn.ir.shapes import Saturated

MAX_LEAK_SHIFT: Final = 15
MAX_PAYLOAD_SHIFT: Final = 20
MAX_PAYLOAD: Final = (1 << 15) - 1


@dataclass(frozen=True, repr=False)
class LcaNeurons:
    """Leaky integrators that send a = min(max(v - threshold, 0) >> payload_shift, max_payload).

    threshold (size,) int32, in units of the state v, which is a signed 24-bit number. A step moves
    v towards the sums that reach it by a share 2**-leak_shift, rounded half up, and clips it at
    +-state_max. v starts at 0 with every image.
    """

    kind: ClassVar[str] = "lca"
    role: ClassVar[Role] = "computes"
    draws: ClassVar[bool] = False

    threshold: Int32
    leak_shift: int
    payload_shift: int
    max_payload: int
    state_max: int

    def __post_init__(self) -> None:
        """Check types and limits."""
        require_type("threshold", self.threshold, np.int32, 1)
        require(len(self.threshold) >= 1, "there is no LCA neuron")
        limit = signed_limit(STATE_BITS)
        lowest, highest = int(self.threshold.min()), int(self.threshold.max())
        require_range("thresholds", lowest, highest, 0, limit)
        for name, value, least, most in (
            ("leak shift", self.leak_shift, 1, MAX_LEAK_SHIFT),
            ("payload shift", self.payload_shift, 0, MAX_PAYLOAD_SHIFT),
            ("largest payload", self.max_payload, 1, MAX_PAYLOAD),
            ("largest state", self.state_max, 1, limit),
        ):
            require(least <= value <= most, f"{name} {value} is not in {least}..{most}")

    def __repr__(self) -> str:
        """Return size and limits."""
        return (
            f"LcaNeurons({self.size} neurons, leak 2^-{self.leak_shift}, payloads to "
            f"{self.max_payload})"
        )

    @property
    def size(self) -> int:
        """Number of neurons."""
        return len(self.threshold)

    @property
    def sends(self) -> tuple[int, int]:
        """Least and largest payload."""
        return 0, self.max_payload

    @property
    def n_bytes(self) -> int:
        """Bytes of the thresholds."""
        return self.threshold.nbytes

    def shared(self) -> dict[str, int]:
        """Return the constants that all neurons share, by name."""
        own = {"threshold"}
        return {name: int(value) for name, value in vars(self).items() if name not in own}

    def per_neuron(self) -> dict[str, AnyArray]:
        """Return the constants (size,) of the single neurons, by name."""
        return {"threshold": self.threshold}

    def initial(self, n_images: int) -> OfPopulation:
        """Return the states when an image appears: 0."""
        return np.zeros((n_images, self.size), np.int64)

    def send(self, state: OfPopulation, draw: Draw) -> OfPopulation:
        """Return the payloads that leave the states; nothing is drawn."""
        above = np.maximum(state - self.threshold, 0) >> self.payload_shift
        return np.asarray(np.minimum(above, self.max_payload))

    def integrate(
        self, state: OfPopulation, total: OfPopulation, sent: OfPopulation
    ) -> tuple[OfPopulation, Saturated]:
        """Return the states a step nearer to the sums `total`."""
        moved = state + round_shift(total - state, self.leak_shift)
        kept = np.clip(moved, -self.state_max, self.state_max)
        saturated = np.zeros((len(state), 5), np.int64)
        saturated[:, 0] = (sent >= self.max_payload).sum(axis=1)
        saturated[:, 3] = (moved > self.state_max).sum(axis=1)
        return kept, saturated

    def worst_current(self, once: Int64) -> Int64:
        """Return the largest magnitude of the sums of the image and of relays."""
        return once
