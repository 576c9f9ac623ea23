"""A float network as inference runs it: drive of the pixels, and competition of the spikes.

Dense dictionaries run with G (K, K); convolutional ones with the competition by distance, so that
no matrix (M, K) or (K, K) is made.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Bool, Float64, Floats
from ipvae_snn.errors import DataError
from ipvae_snn.kernels.spike_products import SharedGram
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.storage import memory

_NO_MATRIX: Final = (0, 0)


class GramForm(NamedTuple):
    """Weights of inference in float64.

    drive(pixels (N, M)) returns b (N, K). G (K, K): the competition, (0, 0) if `shared` has it.
    begin(pixels (N, M)) returns the first potentials (N, K) of images, None without a start.
    """

    drive: Callable[[Floats], Float64]
    G: Float64
    shared: SharedGram | None
    begin: Callable[[Floats], Float64 | None] = lambda pixels: None


def gram_form(network: FloatNetwork, pixel_mask: Bool | None = None) -> GramForm:
    """Return the weights; pixels where `pixel_mask` (M,) is False are left out.

    Raises DataError for a mask of another size, or any mask with a convolutional dictionary;
    MemoryLimitError where the weights are too large.
    """
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64))
    weights = network.dictionary.competition_by_distance(precision)
    if weights is None:
        G, feed_forward = dense_weights(network, pixel_mask)
        first = network.u0.astype(np.float64)
        bounds = network.floor, network.clip
        begin = partial(first_potentials, start_weights(network, pixel_mask), first, bounds)
        return GramForm(lambda pixels: pixels @ feed_forward, G, None, begin)
    if pixel_mask is not None:
        raise DataError(
            "pixels cannot be left out of a network with a convolutional dictionary, whose weights "
            "are those of every position; give no pixel mask"
        )
    drive = partial(_drive, network, precision)
    _, rows, columns = network.dictionary.population
    return GramForm(drive, np.zeros(_NO_MATRIX), SharedGram(weights, rows, columns))


def dense_weights(network: FloatNetwork, pixel_mask: Bool | None = None) -> tuple[Float64, Float64]:
    """Return G (K, K) and feed_forward (M, K), with b = x @ feed_forward, of any dictionary.

    Row j of G is what a spike of neuron j takes from each drive; G is symmetric unless inference
    has weights of its own.

    Raises as `gram_form` does; every dictionary can have a mask.
    """
    if pixel_mask is not None and pixel_mask.shape != (network.n_pixels,):
        raise DataError(
            f"pixel mask has shape {pixel_mask.shape}, but the network needs ({network.n_pixels},)"
        )
    m, k = network.n_pixels, network.n_neurons
    memory.require(
        8 * (k * k + 3 * m * k),
        f"a network of {k} neurons and {m} pixels",
        "use one with fewer neurons",
    )
    kept = np.ones(m) if pixel_mask is None else pixel_mask.astype(np.float64)
    own = network.dictionary.own
    if own is not None:
        feed_forward = own.feedforward.T.astype(np.float64) * kept[:, None]
        return own.lateral.T.astype(np.float64), feed_forward
    phi = network.phi.astype(np.float64)
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64)) * kept
    feed_forward = phi * precision[:, None]
    return phi.T @ feed_forward, feed_forward


def start_weights(network: FloatNetwork, pixel_mask: Bool | None = None) -> Float64 | None:
    """Return S^T (M, K) of a start, with pixels left out as in `gram_form`; None without one."""
    if network.start is None:
        return None
    weights = network.start.T.astype(np.float64)
    return weights if pixel_mask is None else weights * pixel_mask[:, None]


def first_potentials(
    weights: Float64 | None, u0: Float64, bounds: tuple[float, float], pixels: Floats
) -> Float64 | None:
    """Return u0 + S x (N, K) of pixels (N, M) between floor and clip, in nats.

    weights: S^T (M, K); None without a start, which gives None.
    """
    if weights is None:
        return None
    return np.clip(pixels.astype(np.float64) @ weights + u0, *bounds)


def _drive(network: FloatNetwork, precision: Float64, pixels: Floats) -> Float64:
    return np.asarray(network.dictionary.project(pixels * precision), np.float64)
