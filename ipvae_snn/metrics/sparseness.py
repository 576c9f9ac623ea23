"""Lifetime and population sparseness of rates."""

import numpy as np

from ipvae_snn.arrays import Float64, Floats


def treves_rolls(rates: Floats, axis: int) -> Float64:
    """Return the sparseness of `rates` along `axis`: 0 where all are equal, 1 where one has all.

    S = (1 - mean(r)^2 / mean(r^2)) / (1 - 1/n) after Treves & Rolls (1991) in the form of Vinje
    & Gallant (2000). NaN where all rates are 0, or where there is only one.
    """
    r, n = rates.astype(np.float64), rates.shape[axis]
    # A power of two changes no digit, and keeps squares of tiny rates from becoming 0.
    _, exponent = np.frexp(np.abs(r).max(axis=axis, keepdims=True, initial=0.0))
    r = np.ldexp(r, -exponent)
    power = (r * r).mean(axis=axis)
    defined = (power > 0) & (n > 1)
    share = r.mean(axis=axis) ** 2 / np.where(defined, power, 1.0)
    return np.where(defined, (1.0 - share) / (1.0 - 1.0 / max(n, 2)), np.nan)


def lifetime(rates: Floats) -> Float64:
    """Return each neuron's sparseness (K,) over the images of rates (N, K)."""
    return treves_rolls(rates, axis=0)


def population(rates: Floats) -> Float64:
    """Return each image's sparseness (N,) over the neurons of rates (N, K)."""
    return treves_rolls(rates, axis=1)
