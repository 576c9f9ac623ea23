"""Quality of reconstructions (R2, MSE) and sparseness of codes (zeros), in NumPy."""

from typing import NamedTuple

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


class Errors(NamedTuple):
    """Squared errors (N,) of images, and the sums of squares (N,) about each image's mean."""

    error: Float64
    total: Float64


def errors_per_image(pixels: Floats, reconstruction: Floats) -> Errors:
    """Return what `r2_pooled` sums, of (N, M) arrays."""
    x = pixels.astype(np.float64)
    error = ((x - reconstruction) ** 2).sum(axis=1)
    total = ((x - x.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    # As above: rounding would leave a trace of constant images.
    return Errors(error, np.where((pixels == pixels[:, :1]).all(axis=1), 0.0, total))


def r2_pooled(errors: Errors) -> float:
    """Return 1 - (sum of errors) / (sum of totals) over all images; NaN where all are constant.

    Images of little contrast, whose own R2 may be far below 0, count by their little error.
    """
    total = float(errors.total.sum())
    return float("nan") if total == 0.0 else 1.0 - float(errors.error.sum()) / total


def median(values: Float64) -> float:
    """Return the median of the values (N,) that are not NaN; NaN if none is."""
    kept = values[~np.isnan(values)]
    return float(np.median(kept)) if kept.size else float("nan")


def mse(pixels: Floats, reconstruction: Floats) -> float:
    """Return the mean squared error per pixel of (N, M) arrays."""
    return float(np.mean((pixels.astype(np.float64) - reconstruction) ** 2))


def zeros_fraction(counts: Integers | Floats) -> float:
    """Return the share of latents (mostly spike counts) that are zero, in [0, 1]."""
    return float(np.mean(counts == 0))
