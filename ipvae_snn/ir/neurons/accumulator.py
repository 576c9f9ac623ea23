"""Accumulators: they add up what reaches them while an image is shown, as the scores of classes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ipvae_snn.arrays import AnyArray, Int32, Int64
from ipvae_snn.ir.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.ir.neurons.protocol import Draw, OfPopulation, Role
from ipvae_snn.ir.rules import require, require_type
from ipvae_snn.ir.shapes import Saturated


@dataclass(frozen=True, repr=False)
class Accumulators:
    """Neurons whose state grows by bias and sums in every step: constants (size,) int32.

    The state starts at 0 with every image, stays within signed 24 bits, and is read by the host.
    label: the class that a neuron's state is the score of. No connection leaves them.
    """

    kind: ClassVar[str] = "accumulator"
    role: ClassVar[Role] = "accumulates"
    draws: ClassVar[bool] = False

    bias: Int32
    label: Int32

    def __post_init__(self) -> None:
        """Check types, sizes and that labels differ."""
        for name, array in (("accumulator bias", self.bias), ("label", self.label)):
            require_type(name, array, np.int32, 1)
            require(
                array.shape == self.bias.shape and len(array) >= 1,
                f"{name} has {len(array)} values for {len(self.bias)} accumulators",
            )
        limit = signed_limit(STATE_BITS)
        require(
            -limit <= int(self.bias.min()) and int(self.bias.max()) <= limit,
            f"accumulator biases leave -{limit}..{limit}",
        )
        require(
            len(np.unique(self.label)) == len(self.label), "two accumulators have the same label"
        )

    def __repr__(self) -> str:
        """Return the size."""
        return f"Accumulators({self.size})"

    @property
    def size(self) -> int:
        """Number of accumulators."""
        return len(self.bias)

    @property
    def sends(self) -> tuple[int, int]:
        """They send nothing."""
        return 0, 0

    @property
    def n_bytes(self) -> int:
        """Bytes of the constants."""
        return self.bias.nbytes + self.label.nbytes

    def shared(self) -> dict[str, int]:
        """They share no constants."""
        return {}

    def per_neuron(self) -> dict[str, AnyArray]:
        """Return the constants (size,) of the single neurons, by name."""
        return {"bias": self.bias, "label": self.label}

    def initial(self, n_images: int) -> OfPopulation:
        """Return the states when an image appears: 0."""
        return np.zeros((n_images, self.size), np.int64)

    def send(self, state: OfPopulation, draw: Draw) -> OfPopulation:
        """Return 0: they send nothing."""
        return np.zeros_like(state)

    def integrate(
        self, state: OfPopulation, total: OfPopulation, sent: OfPopulation
    ) -> tuple[OfPopulation, Saturated]:
        """Return the states after the sums of a step; a state beyond 24 bits saturates."""
        moved = state + total + self.bias
        limit = signed_limit(STATE_BITS)
        kept = np.clip(moved, -limit, limit)
        saturated = np.zeros((len(state), 5), np.int64)
        saturated[:, 3] = (kept != moved).sum(axis=1)
        return kept, saturated

    def worst_current(self, once: Int64) -> Int64:
        """Return the largest magnitude of what the image and the bias add in a step."""
        return np.abs(self.bias.astype(np.int64)) + once
