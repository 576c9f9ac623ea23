"""Mean and spread of values that come in parts, merged exactly but for rounding."""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.metrics.estimates import NORMAL_95, Estimate


class Moments(NamedTuple):
    """n values, their mean, and the sum of squares about it; excluded: NaN that were left out."""

    n: int
    mean: float
    squares: float
    excluded: int = 0

    @classmethod
    def of(cls, values: Float64) -> "Moments":
        """Return the moments of `values` (N,) that are not NaN."""
        kept = values[~np.isnan(values)]
        excluded = int(values.size - kept.size)
        if kept.size == 0:
            return cls(0, 0.0, 0.0, excluded)
        mean = float(kept.mean())
        return cls(int(kept.size), mean, float(((kept - mean) ** 2).sum()), excluded)

    def merged(self, other: "Moments") -> "Moments":
        """Return the moments of both parts together, by Chan, Golub & LeVeque (1983)."""
        n, excluded = self.n + other.n, self.excluded + other.excluded
        if n == 0:
            return Moments(0, 0.0, 0.0, excluded)
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.n / n)
        squares = self.squares + other.squares + apart * apart * (self.n * other.n / n)
        return Moments(n, mean, squares, excluded)

    def estimate(self) -> Estimate:
        """Return mean and 95 % interval, as `estimates.estimate` of all values."""
        if self.n == 0:
            nan = float("nan")
            return Estimate(nan, nan, nan, 0, self.excluded)
        spread = (self.squares / (self.n - 1)) ** 0.5 if self.n > 1 else float("inf")
        half = NORMAL_95 * spread / self.n**0.5
        return Estimate(self.mean, self.mean - half, self.mean + half, self.n, self.excluded)


NONE: Final = Moments(0, 0.0, 0.0)
