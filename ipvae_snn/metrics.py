"""How good a reconstruction and how sparse a code is, in NumPy."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
NORMAL_95: Final = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A mean over images with its 95 % interval (normal approximation) and what it rests on.

    excluded: images for which the quantity is not defined (constant ones, for R2).
    """

    mean: float
    low: float
    high: float
    n: int
    excluded: int = 0


def r2_per_image(pixels: Floats, reconstruction: Floats) -> npt.NDArray[np.float64]:
    """Return 1 - |x - x^|^2 / |x - mean(x)|^2 for (N, M) arrays: (N,), NaN for constant images."""
    x = pixels.astype(np.float64)
    error = ((x - reconstruction) ** 2).sum(axis=1)
    total = ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    # The mean of equal pixels may differ from them by rounding, so equality is asked directly.
    constant = (pixels == pixels[:, :1]).all(axis=1)
    return np.where(constant, np.nan, 1.0 - error / np.where(constant, 1.0, total))


def r2(pixels: Floats, reconstruction: Floats) -> Estimate:
    """Return the mean R2 over the images that are not constant; NaN where all are."""
    return estimate(r2_per_image(pixels, reconstruction))


def mse(pixels: Floats, reconstruction: Floats) -> float:
    """Return the mean squared error a pixel of (N, M) arrays."""
    return float(np.mean((pixels.astype(np.float64) - reconstruction) ** 2))


def zeros_fraction(counts: npt.NDArray[np.integer]) -> float:
    """Return the share of spike counts that are zero, in [0, 1]."""
    return float(np.mean(counts == 0))


def estimate(values: npt.NDArray[np.float64]) -> Estimate:
    """Return mean and 95 % interval of `values` (N,), leaving out and counting NaN."""
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
