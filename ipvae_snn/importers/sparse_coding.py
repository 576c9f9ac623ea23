"""An iP-VAE from the dictionary of a lasso (scikit-learn, LCA), by rule and without training.

The lasso codes an image x by the a that minimises |x - D^T a|^2 / 2 + penalty |a|_1. With counts z
in place of a = q z, phi = D^T q, and pixel noise sigma^2, this is the energy
|x - phi z|^2 / (2 sigma^2) + (penalty q / sigma^2) z, whose gradient the iP-VAE's update follows:

    phi = D^T q, exp(log_bias) = penalty q / sigma^2, exp(u0) = mean code / q

q is a quarter of the mean active code, so that an active neuron sends about 4 spikes per step, and
sigma^2 the mean squared error of the lasso. A code of both signs becomes pairs of neurons, with the
component and with its negative.

Components of a convolutional dictionary are its kernels: D holds them at every position, and a
feature's rate is the mean over its positions.
"""

import warnings
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from sklearn.decomposition import sparse_encode
from sklearn.exceptions import ConvergenceWarning

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.errors import ConversionError
from ipvae_snn.importers.draft import FLOOR, Draft, Source
from ipvae_snn.metrics import quality
from ipvae_snn.models.stored_dictionary import DenseMatrix, StoredDictionary

COUNTS: Final = 4.0  # spikes of an active neuron per step
LEAST_NOISE: Final = 1e-6  # of sigma^2, relative to the mean squared pixel
MAX_ITERATIONS: Final = 1000


class Components(NamedTuple):
    """Components of a lasso: elements (K, M), or kernels (F, height, width, C).

    build(values) returns the dictionary of other values, also of more components; rows(values) the
    matrix D (K, M) of the lasso.
    """

    values: Float64
    build: Callable[[Float32], StoredDictionary]
    rows: Callable[[Float64], Float64]


def elements(values: Float64) -> Components:
    """Return components that are the rows (K, M) of D themselves."""
    return Components(values, lambda rows: DenseMatrix(rows.T), lambda rows: rows)


def network_of(source: Source, components: Components, penalty: float, positive: bool) -> Draft:
    """Return the network of a dictionary; its step size is left to be chosen.

    Raises DataError without images, ConversionError if the penalty silences every component or is
    not a positive number.
    """
    if not 0.0 < penalty < np.inf:
        raise ConversionError(
            f"{source.path}: a penalty of {penalty:g} is not possible; give a number above 0"
        )
    values = components.values
    rows = components.rows(values)
    images = source.images(rows.shape[1], "the rule for dictionaries")
    x = images.pixels.astype(np.float64)
    codes = lasso_codes(x, rows, penalty, positive)
    if not codes.any():
        raise ConversionError(
            f"{source.path}: at a penalty of {penalty:g} no component codes any of {len(x)} images "
            f"of {images.name}; give a smaller --penalty, or other images"
        )
    reconstruction = codes @ rows
    noise = max(float(((x - reconstruction) ** 2).mean()), LEAST_NOISE * float((x**2).mean()))
    if not positive:
        values = np.concatenate([values, -values])
        codes = np.concatenate([codes.clip(min=0.0), (-codes).clip(min=0.0)], axis=1)
    quantum = float(codes[codes > 0].mean()) / COUNTS
    dictionary = components.build((values * quantum).astype(np.float32))
    positions = dictionary.by_element(np.ones(dictionary.n_neurons))
    mean = dictionary.by_element(codes.mean(axis=0)) / positions
    rates = dictionary.each_neuron(np.maximum(mean / quantum, np.exp(FLOOR)))
    n_neurons, n_pixels = dictionary.n_neurons, dictionary.n_pixels
    pairs = "" if positive else f", as {n_neurons} neurons in pairs of opposite sign"
    return Draft(
        dictionary=dictionary,
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
