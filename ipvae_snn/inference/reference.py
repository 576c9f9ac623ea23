"""Float inference in float64: the reference that the integer program is compared with.

It runs in Gram form and draws its spike counts from the keyed uniforms by the rule of the integer
program, so that the two differ by their numerics only. `step` and inversion.py say it in NumPy;
runs are compiled (keyed_float_kernel.py), and can stop after any step and go on later.
"""

from dataclasses import dataclass, replace

import numpy as np

from ipvae_snn.arrays import Bool, Float32, Float64, Int32, Int64, Integers, UInt32
from ipvae_snn.errors import DataError
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.kernels.float64 import advance_rows
from ipvae_snn.kernels.threads import in_threads, n_threads
from ipvae_snn.models.float_network import FloatNetwork


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


def dynamics(network: FloatNetwork, pixel_mask: Bool | None = None) -> Dynamics:
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


def step(d: Dynamics, u: Float64, b: Float64, z: Int32) -> Float64:
    """Return the membrane potential (N, K) in nats after spike counts z (N, K) and drive b."""
    du = d.step_size * (b - z @ d.G - d.bias)
    return soft_clip(u + soft_clip(du, d.clip, d.floor), d.clip, d.floor)


def soft_clip(a: Float64, clip: float, floor: float) -> Float64:
    """Return clip - softplus(clip - max(a, floor)), in nats."""
    return clip - np.logaddexp(0.0, clip - np.maximum(a, floor))


@dataclass(frozen=True)
class Progress:
    """N images after `step` steps.

    drive (N, K), state (N, K) in nats: float64. counts (N, K) int32: of the last step. counts_sum
    (N, K) int64. spikes_per_step (N, n) int64 and the trace, if kept, are those of the last
    `advance`. images (N,) uint32 and seed key the draws.
    """

    step: int
    seed: int
    images: UInt32
    drive: Float64
    state: Float64
    counts: Int32
    counts_sum: Int64
    spikes_per_step: Int64
    trace_counts: Int32
    trace_states: Float64


def start(d: Dynamics, pixels: Float32, seed: int = 0, first_image: int = 0) -> Progress:
    """Return images (N, M) before their first step, at the potentials u0.

    Raises DataError for pixels of the wrong shape.
    """
    if pixels.ndim != 2 or pixels.shape[1] != len(d.feed_forward):
        raise DataError(
            f"pixels have shape {pixels.shape}, but the network needs (N, {len(d.feed_forward)})"
        )
    n, k = len(pixels), len(d.u0)
    return Progress(
        step=0,
        seed=seed,
        images=np.arange(first_image, first_image + n).astype(np.uint32),
        drive=pixels.astype(np.float64) @ d.feed_forward,
        state=np.tile(d.u0, (n, 1)),
        counts=np.zeros((n, k), np.int32),
        counts_sum=np.zeros((n, k), np.int64),
        spikes_per_step=np.zeros((n, 0), np.int64),
        trace_counts=np.zeros((0, 0, k), np.int32),
        trace_states=np.zeros((0, 0, k)),
    )


def advance(
    d: Dynamics, progress: Progress, steps: int, threads: int = 1, trace: bool = False
) -> Progress:
    """Return the images `steps` >= 1 steps later; `progress` is left as it was.

    The result does not depend on `threads`, nor on how images and steps are divided into calls.
    """
    n, k = progress.state.shape
    kept = n if trace else 0
    found = replace(
        progress,
        step=progress.step + steps,
        state=progress.state.copy(),
        counts=progress.counts.copy(),
        counts_sum=progress.counts_sum.copy(),
        spikes_per_step=np.zeros((n, steps), np.int64),
        trace_counts=np.zeros((kept, steps, k), np.int32),
        trace_states=np.zeros((kept, steps, k)),
    )

    def part(first: int, last: int) -> None:
        advance_rows(
            first, last, np.uint32(found.seed), found.images, progress.step, steps, d.step_size,
            float(d.clip), float(d.floor), d.bias, d.G, found.drive, found.state, found.counts,
            found.counts_sum, found.spikes_per_step, found.trace_counts, found.trace_states,
        )  # fmt: skip

    in_threads(part, n, threads)
    return found


def run_float(
    network: FloatNetwork,
    pixels: Float32,
    request: RunRequest,
    pixel_mask: Bool | None = None,
    threads: int | None = None,
) -> Trace:
    """Run inference on `pixels` (N, M) from u0 for request.steps steps.

    `pixel_mask` (M,) leaves pixels out of the drive and the competition, as a conversion may;
    the reconstruction phi z of the last step's counts has all of them. Raises DataError for
    pixels of the wrong shape.
    """
    d = dynamics(network, pixel_mask)
    begun = start(d, pixels, request.seed, request.first_image)
    done = advance(d, begun, request.steps, n_threads(threads), request.trace)
    return Trace(
        counts_sum=done.counts_sum,
        state=done.state,
        spikes_per_step=done.spikes_per_step,
        reconstruction=reconstruct(network, done.counts),
        counts=done.trace_counts if request.trace else None,
        states=done.trace_states if request.trace else None,
    )


def reconstruct(network: FloatNetwork, counts: Integers) -> Float32:
    """Return phi z (N, M) of spike counts (N, K)."""
    product = counts.astype(np.float64) @ network.phi.astype(np.float64).T
    return np.asarray(product, dtype=np.float32)
