"""Distances between two distributions of spike counts, pooled and per neuron."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64, Int32, Int64
from ipvae_snn.errors import DataError

BINS: Final = 512  # counts from BINS - 1 up share the last bin


def histograms(counts: Int32) -> Int64:
    """Return the histogram of each neuron's counts: (K, BINS) for counts (..., K)."""
    k = counts.shape[-1]
    flat = counts.reshape(-1)
    places = np.flatnonzero(flat)  # most counts are 0, and those need no sorting into bins
    bins = np.minimum(flat[places], BINS - 1) + (places % k) * BINS
    result = np.bincount(bins, minlength=k * BINS).reshape(k, BINS)
    result[:, 0] = flat.size // k - result.sum(axis=1)
    return np.asarray(result, dtype=np.int64)


def total_variation(first: Int64, second: Int64) -> Float64:
    """Return half the sum of |p - q| of histograms (..., BINS), in [0, 1]."""
    p, q = _laws(first, second)
    return np.asarray(0.5 * np.abs(p - q).sum(axis=-1))


def wasserstein(first: Int64, second: Int64) -> Float64:
    """Return the Wasserstein-1 distance of histograms (..., BINS) in spikes: sum of |P - Q|."""
    p, q = _laws(first, second)
    return np.asarray(np.abs(np.cumsum(p - q, axis=-1)).sum(axis=-1))


def _laws(first: Int64, second: Int64) -> tuple[Float64, Float64]:
    totals = first.sum(axis=-1, keepdims=True), second.sum(axis=-1, keepdims=True)
    if not (np.all(totals[0] > 0) and np.all(totals[1] > 0)):
        raise DataError("a histogram is empty, so it has no distance; count at least one step")
    return first / totals[0], second / totals[1]
