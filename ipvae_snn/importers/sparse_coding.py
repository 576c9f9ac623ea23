"""An iP-VAE from the dictionary of a lasso (scikit-learn, LCA), by rule and without training.

The lasso codes an image x by the a that minimises |x - D^T a|^2 / 2 + penalty |a|_1. With counts z
in place of a = q z, phi = D^T q, and pixel noise sigma^2, this is the energy
|x - phi z|^2 / (2 sigma^2) + (penalty q / sigma^2) z, whose gradient the iP-VAE's update follows:

    phi = D^T q, exp(log_bias) = penalty q / sigma^2, exp(u0) = mean code / q

q is a quarter of the mean active code, so that an active neuron sends about 4 spikes per step, and
sigma^2 the mean squared error of the lasso. A code of both signs becomes pairs of neurons, with the
component and with its negative.
"""

import warnings
from typing import Final

import numpy as np
from sklearn.decomposition import sparse_encode
from sklearn.exceptions import ConvergenceWarning

from ipvae_snn.arrays import Float64
from ipvae_snn.errors import ConversionError
from ipvae_snn.importers.draft import FLOOR, Draft, Source
from ipvae_snn.metrics import quality

COUNTS: Final = 4.0  # spikes of an active neuron per step
LEAST_NOISE: Final = 1e-6  # of sigma^2, relative to the mean squared pixel
MAX_ITERATIONS: Final = 1000


def network_of(source: Source, components: Float64, penalty: float, positive: bool) -> Draft:
    """Return the network of a dictionary D (K, M); its step size is left to be chosen.

    Raises DataError without images, ConversionError if the penalty silences every component or is
    not a positive number.
    """
    if not 0.0 < penalty < np.inf:
        raise ConversionError(
            f"{source.path}: a penalty of {penalty:g} is not possible; give a number above 0"
        )
    images = source.images(components.shape[1], "the rule for dictionaries")
    x = images.pixels.astype(np.float64)
    codes = lasso_codes(x, components, penalty, positive)
    if not codes.any():
        raise ConversionError(
            f"{source.path}: at a penalty of {penalty:g} no component codes any of {len(x)} images "
            f"of {images.name}; give a smaller --penalty, or other images"
        )
    reconstruction = codes @ components
    noise = max(float(((x - reconstruction) ** 2).mean()), LEAST_NOISE * float((x**2).mean()))
    if not positive:
        components = np.concatenate([components, -components])
        codes = np.concatenate([codes.clip(min=0.0), (-codes).clip(min=0.0)], axis=1)
    quantum = float(codes[codes > 0].mean()) / COUNTS
    rates = np.maximum(codes.mean(axis=0) / quantum, np.exp(FLOOR))
    n_neurons, n_pixels = components.shape
    pairs = "" if positive else f", as {n_neurons} neurons in pairs of opposite sign"
    return Draft(
        phi=(components.T * quantum).astype(np.float32),
        log_sigma=np.full(n_pixels, 0.5 * np.log(noise), np.float32),
        u0=np.log(rates).astype(np.float32),
        log_bias=np.full(n_neurons, np.log(penalty * quantum / noise), np.float32),
        remarks=(
            f"By rule from the lasso's codes of {len(x)} images at penalty {penalty:g}: a spike is "
            f"{quantum:.4g} of a component{pairs}; training can start from it (--start-from).",
        ),
        lasso_r2=float(np.nanmean(quality.r2_per_image(x, reconstruction))),
    )


def lasso_codes(x: Float64, components: Float64, penalty: float, positive: bool) -> Float64:
    """Return the codes (N, K) of images x (N, M) under components (K, M), by coordinate descent."""
    with warnings.catch_warnings():
        # Of the codes only means are used, for which the last digits do not matter.
        warnings.simplefilter("ignore", ConvergenceWarning)
        codes: Float64 = sparse_encode(
            x,
            components,
            algorithm="lasso_cd",
            alpha=penalty,
            positive=positive,
            max_iter=MAX_ITERATIONS,
        )
    return codes
