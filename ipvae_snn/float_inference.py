"""Float inference in NumPy: the reference that the integer program is compared with.

It runs in Gram form in float64 and draws its spike counts from the keyed uniforms by the rule of
the integer program, so that the two differ by their numerics only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import DataError
from ipvae_snn.float_network import FloatNetwork
from ipvae_snn.inversion import poisson_from_uniforms
from ipvae_snn.trace import RunRequest, Trace

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
# Images at a time: large enough for fast products, small enough that K = 512 needs some MB.
CHUNK: Final = 256


@dataclass(frozen=True)
class Dynamics:
    """The network in Gram form: G (K, K), feed_forward (M, K) with b = x @ feed_forward."""

    G: Float64
    feed_forward: Float64
    u0: Float64
    bias: Float64
    step_size: float
    clip: float
    floor: float


def dynamics(network: FloatNetwork, pixel_mask: npt.NDArray[np.bool_] | None = None) -> Dynamics:
    """Return the network in Gram form; pixels where `pixel_mask` (M,) is False are left out."""
    if pixel_mask is not None and pixel_mask.shape != (network.n_pixels,):
        raise DataError(
            f"pixel mask has shape {pixel_mask.shape}, but the network needs ({network.n_pixels},)"
        )
    phi = network.phi.astype(np.float64)
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64))
    if pixel_mask is not None:
        precision = precision * pixel_mask
    feed_forward = phi * precision[:, None]
    return Dynamics(
        G=phi.T @ feed_forward,
        feed_forward=feed_forward,
        u0=network.u0.astype(np.float64),
        bias=np.exp(network.log_bias.astype(np.float64)),
        step_size=float(np.exp(network.log_lr)),
        clip=network.clip,
        floor=network.floor,
    )


def step(d: Dynamics, u: Float64, b: Float64, z: npt.NDArray[np.int32]) -> Float64:
    """Return the membrane potential (N, K) in nats after spike counts z (N, K) and drive b."""
    du = d.step_size * (b - z @ d.G - d.bias)
    return soft_clip(u + soft_clip(du, d.clip, d.floor), d.clip, d.floor)


def soft_clip(a: Float64, clip: float, floor: float) -> Float64:
    """Return clip - softplus(clip - max(a, floor)), in nats."""
    return clip - np.logaddexp(0.0, clip - np.maximum(a, floor))


def run_float(
    network: FloatNetwork,
    pixels: Float32,
    request: RunRequest,
    pixel_mask: npt.NDArray[np.bool_] | None = None,
) -> Trace:
    """Run inference on `pixels` (N, M) from u0 for request.steps steps.

    `pixel_mask` (M,) leaves pixels out of the drive and the competition, as a conversion may;
    the reconstruction phi z of the last step's counts has all of them. Raises DataError for
    pixels of the wrong shape.
    """
    if pixels.ndim != 2 or pixels.shape[1] != network.n_pixels:
        height, width = network.image_shape
        raise DataError(
            f"pixels have shape {pixels.shape}, but the network needs (N, {network.n_pixels}): "
            f"images of {height}x{width}"
        )
    d = dynamics(network, pixel_mask)
    N, K, T = len(pixels), network.n_neurons, request.steps
    counts_sum = np.zeros((N, K), dtype=np.int64)
    state = np.zeros((N, K), dtype=np.float64)
    spikes = np.zeros((N, T), dtype=np.int64)
    reconstruction = np.zeros((N, network.n_pixels), dtype=np.float32)
    counts = np.zeros((N, T, K), dtype=np.int32) if request.trace else None
    states = np.zeros((N, T, K), dtype=np.float64) if request.trace else None
    for start in range(0, N, CHUNK):
        rows = slice(start, min(start + CHUNK, N))
        b = pixels[rows].astype(np.float64) @ d.feed_forward
        images = np.arange(rows.start, rows.stop, dtype=np.int64) + request.first_image
        u = np.broadcast_to(d.u0, b.shape)
        for t in range(T):
            z = poisson_from_uniforms(np.exp(u), request.seed, images, t)
            u = step(d, u, b, z)
            counts_sum[rows] += z
            spikes[rows, t] = z.sum(axis=1)
            if counts is not None and states is not None:
                counts[rows, t], states[rows, t] = z, u
        state[rows] = u
        reconstruction[rows] = z @ network.phi.astype(np.float64).T
    return Trace(counts_sum, state, spikes, reconstruction, counts, states)
