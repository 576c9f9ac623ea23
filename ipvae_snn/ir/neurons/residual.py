"""Residual neurons: they send the difference between a pixel and its prediction."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ipvae_snn.arrays import AnyArray
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, signed_limit
from ipvae_snn.ir.neurons.protocol import OfPopulation, Role
from ipvae_snn.ir.rules import require
from ipvae_snn.ir.shapes import PerImage


@dataclass(frozen=True)
class ResidualNeurons:
    """`size` neurons that send e = clip(payload - what reaches them, +-limit) in every step.

    payload: of the pixel with the same index, kept while the image is shown.
    """

    kind: ClassVar[str] = "residual"
    role: ClassVar[Role] = "relays"
    draws: ClassVar[bool] = False

    size: int
    limit: int

    def __post_init__(self) -> None:
        """Check the rules of residual neurons."""
        largest = signed_limit(ACCUMULATOR_BITS)
        require(1 <= self.limit <= largest, f"the residual's limit is not in 1..{largest}")

    @property
    def sends(self) -> tuple[int, int]:
        """Least and largest difference."""
        return -self.limit, self.limit

    @property
    def n_bytes(self) -> int:
        """They have no constants of their own."""
        return 0

    def shared(self) -> dict[str, int]:
        """Return size and limit."""
        return {"size": self.size, "limit": self.limit}

    def per_neuron(self) -> dict[str, AnyArray]:
        """They have no constants of their own."""
        return {}

    def relay(self, shown: OfPopulation, total: OfPopulation) -> tuple[OfPopulation, PerImage]:
        """Return the differences, and how many of an image's saturated."""
        error = shown - total
        clipped = np.clip(error, -self.limit, self.limit)
        return clipped, (clipped != error).sum(axis=1)
