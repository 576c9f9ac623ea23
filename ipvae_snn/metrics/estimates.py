"""Means with confidence intervals."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64

NORMAL_95: Final = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """Mean over n images with its 95 % interval (normal approximation).

    excluded: images for which the quantity is not defined (constant ones, for R2).
    """

    mean: float
    low: float
    high: float
    n: int
    excluded: int = 0


def estimate(values: Float64) -> Estimate:
    """Return mean and 95 % interval of `values` (N,); NaN are left out and counted."""
    kept = values[~np.isnan(values)]
    excluded = int(values.size - kept.size)
    if kept.size == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0, excluded)
    mean = float(kept.mean())
    spread = float(kept.std(ddof=1)) if kept.size > 1 else float("inf")
    half = NORMAL_95 * spread / kept.size**0.5
    return Estimate(mean, mean - half, mean + half, int(kept.size), excluded)


def share(hits: int, n: int) -> Estimate:
    """Return hits / n with its 95 % interval after Wilson (1927), which stays within [0, 1].

    n is at least 1; where hits is 0 or n the interval still has a width.
    """
    z2 = NORMAL_95**2
    mean = hits / n
    centre = (mean + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 / (1 + z2 / n) * (mean * (1 - mean) / n + z2 / (4 * n * n)) ** 0.5
    # Exactly 0 and 1 at the ends, where rounding would leave a trace.
    low = 0.0 if hits == 0 else centre - half
    return Estimate(mean, low, 1.0 if hits == n else centre + half, n)


def interval(value: Estimate) -> list[float]:
    """Return the bounds of a 95 % interval, for JSON."""
    return [value.low, value.high]
