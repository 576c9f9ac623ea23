"""LCA in floats: leaky integrators with a soft threshold, which competes by the Gram matrix.

Rozell, Johnson, Baraniuk & Olshausen (2008): u moves by (b - u - (G - I) a) / tau with a = max(u -
lambda, 0). It descends |x - phi a|^2 / 2 + lambda sum a over codes a that are not negative. phi has
columns of length 1 here.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ipvae_snn.arrays import Float32, Float64


@dataclass(frozen=True)
class Lca:
    """A dictionary phi (M, K) of unit columns, the penalty lambda, tau = 2**leak_shift steps."""

    phi: Float64
    penalty: float
    leak_shift: int

    @classmethod
    def of(cls, phi: Float32 | Float64, penalty: float) -> "Lca":
        """Return the dynamics of a dictionary's directions, with a step that cannot overshoot.

        The largest eigenvalue of G times the step 2**-leak_shift is at most 1. Columns of length 0
        stay 0.
        """
        columns = phi.astype(np.float64)
        length = np.linalg.norm(columns, axis=0)
        unit = columns / np.where(length > 0, length, 1.0)
        largest = float(np.linalg.norm(unit, 2)) ** 2
        return cls(unit, penalty, max(1, int(np.ceil(np.log2(max(largest, 1.0))))))

    @property
    def competition(self) -> Annotated[Float64, "K K"]:
        """G without the identity: what a code takes from the others, and 0 on the diagonal."""
        gram: Float64 = self.phi.T @ self.phi
        np.fill_diagonal(gram, 0.0)
        return gram

    def run(
        self, pixels: Float32, steps: int
    ) -> tuple[Annotated[Float64, "N K"], Annotated[Float64, "N K"]]:
        """Return the codes that are sent in the last of `steps` steps, and the states after it."""
        drive, G = pixels.astype(np.float64) @ self.phi, self.competition
        u = np.zeros_like(drive)
        share = 2.0**-self.leak_shift
        for _ in range(steps):
            a = np.maximum(u - self.penalty, 0.0)
            u = u + share * (drive - u - a @ G)
        return a, u

    def cost(self, pixels: Float32, codes: Float64) -> Annotated[Float64, "N"]:
        """Return |x - phi a|^2 / 2 + lambda sum a of codes (N, K)."""
        error = pixels - codes @ self.phi.T
        return np.asarray(0.5 * (error**2).sum(axis=1) + self.penalty * codes.sum(axis=1))
