"""Quality of reconstructions (R2, MSE) and sparseness of codes (zeros), in NumPy."""

import numpy as np

from ipvae_snn.arrays import Float64, Floats, Integers
from ipvae_snn.metrics.estimates import Estimate, estimate


def r2_per_image(pixels: Floats, reconstruction: Floats) -> Float64:
    """Return 1 - |x - x^|^2 / |x - mean(x)|^2 for (N, M) arrays: (N,), NaN for constant images."""
    x = pixels.astype(np.float64)
    error = ((x - reconstruction) ** 2).sum(axis=1)
    total = ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    # The mean of equal pixels may differ from them by rounding, so equality is tested directly.
    constant = (pixels == pixels[:, :1]).all(axis=1)
    return np.where(constant, np.nan, 1.0 - error / np.where(constant, 1.0, total))


def r2(pixels: Floats, reconstruction: Floats) -> Estimate:
    """Return the mean R2 over the images that are not constant; NaN where all are."""
    return estimate(r2_per_image(pixels, reconstruction))


def mse(pixels: Floats, reconstruction: Floats) -> float:
    """Return the mean squared error per pixel of (N, M) arrays."""
    return float(np.mean((pixels.astype(np.float64) - reconstruction) ** 2))


def zeros_fraction(counts: Integers | Floats) -> float:
    """Return the share of latents (mostly spike counts) that are zero, in [0, 1]."""
    return float(np.mean(counts == 0))
