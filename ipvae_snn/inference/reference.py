"""Float64 inference, with which the integer network is compared.

It runs in Gram form and draws spike counts from the keyed uniforms by the rule of the integer
network, so that the two differ only by their numerics. `update` and ir/float_sampler.py give the
formulas in NumPy. Runs are compiled (kernels/float64.py); they can stop after any step and continue
later.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ipvae_snn.arrays import Bool, Float32, Float64, Floats, Int32, Integers
from ipvae_snn.errors import DataError
from ipvae_snn.inference.gram_form import GramForm, dense_weights, gram_form
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.trace import RunRequest, Trace, require_memory
from ipvae_snn.kernels import float64, rows, windows
from ipvae_snn.kernels.float64 import Rules
from ipvae_snn.kernels.rows import Engine, Progress
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.kernels.windows import Passed, Span
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.watcher import current_watcher


@dataclass(frozen=True)
class Dynamics:
    """The network in Gram form: G (K, K), feed_forward (M, K) with b = x @ feed_forward.

    A step has `updates` updates, each with its own draw, in which `leak`, the network's leak times
    its step size, pulls the potential back to its value at the start of the step.
    """

    G: Float64
    feed_forward: Float64
    u0: Float64
    bias: Float64
    step_size: float
    clip: float
    floor: float
    updates: int = 1
    leak: float = 0.0


def dynamics(network: FloatNetwork, pixel_mask: Bool | None = None) -> Dynamics:
    """Return the network in Gram form; pixels where `pixel_mask` (M,) is False are left out.

    Raises DataError for a mask of another size, MemoryLimitError where G (K, K) is too large.
    """
    G, feed_forward = dense_weights(network, pixel_mask)
    step_size = float(np.exp(network.log_lr))
    return Dynamics(
        G=G,
        feed_forward=feed_forward,
        u0=network.u0.astype(np.float64),
        bias=np.exp(network.log_bias.astype(np.float64)),
        step_size=step_size,
        clip=network.clip,
        floor=network.floor,
        updates=network.updates_per_step,
        leak=step_size * network.leak,
    )


def update(d: Dynamics, u: Float64, b: Float64, z: Int32, prior: Float64) -> Float64:
    """Return the membrane potential (N, K) in nats after spike counts z (N, K) and drive b.

    prior (N, K): the potential at the start of the step, to which the leak pulls back.
    """
    du = d.step_size * (b - z @ d.G - d.bias) - d.leak * (u - prior)
    return soft_clip(u + soft_clip(du, d.clip, d.floor), d.clip, d.floor)


def step(d: Dynamics, u: Float64, b: Float64, z: Int32) -> Float64:
    """Return the potential (N, K) after a step of one update, in which the leak has no effect."""
    return update(d, u, b, z, u)


def soft_clip(a: Float64, clip: float, floor: float) -> Float64:
    """Return clip - softplus(clip - max(a, floor)), in nats."""
    return clip - np.logaddexp(0.0, clip - np.maximum(a, floor))


def engine(d: Dynamics, rules: Rules | None = None) -> Engine:
    """Return the network as an engine of kernels/rows; `rules`: those of an integer network."""
    network = float64.Network(
        # Contiguous, or the loop is compiled again for another memory layout.
        G=np.ascontiguousarray(d.G),
        bias=np.ascontiguousarray(d.bias),
        step_size=d.step_size,
        clip=float(d.clip),
        floor=float(d.floor),
        updates=d.updates,
        leak=float(d.leak),
    )
    return Engine(float64.advance_rows, (network, rules, None), d.u0, updates=d.updates)


def engine_of(network: FloatNetwork, form: GramForm) -> Engine:
    """Return a float network as an engine, without a matrix if its competition is shared."""
    step_size = float(np.exp(network.log_lr))
    constants = float64.Network(
        G=np.ascontiguousarray(form.G),
        bias=np.exp(network.log_bias.astype(np.float64)),
        step_size=step_size,
        clip=float(network.clip),
        floor=float(network.floor),
        updates=network.updates_per_step,
        leak=float(step_size * network.leak),
    )
    u0 = network.u0.astype(np.float64)
    return Engine(
        float64.advance_rows, (constants, None, form.shared), u0, updates=constants.updates
    )


def start(d: Dynamics, pixels: Float32, seed: int = 0, first_image: int = 0) -> Progress:
    """Return images (N, M) before their first step, at the potentials u0.

    Raises DataError for pixels of the wrong shape.
    """
    _check_width(pixels, len(d.feed_forward))
    return rows.start(engine(d), pixels.astype(np.float64) @ d.feed_forward, seed, first_image)


def show(d: Dynamics, progress: Progress, pixels: Float32) -> Progress:
    """Return the images with `pixels` (N, M), their next frame, in place of the present one.

    Potentials are carried over, and steps are counted on. Raises DataError as `start` does.
    """
    return rows.show(progress, start(d, pixels).drive)


def _check_width(pixels: Float32, n_pixels: int) -> None:
    if pixels.ndim != 2 or pixels.shape[1] != n_pixels:
        raise DataError(f"pixels have shape {pixels.shape}, but the network needs (N, {n_pixels})")


def advance(
    d: Dynamics, progress: Progress, steps: int, threads: int = 1, trace: bool = False
) -> Progress:
    """Return the images `steps` >= 1 steps later; `progress` is unchanged.

    The result does not depend on `threads`, nor on the division of images and steps into calls.
    counts_sum and spikes_per_step cover all updates; counts, and the trace of every step, its last
    update. Raises DataError beyond update 2**20, the last with keys of its own.
    """
    return rows.advance(engine(d), progress, steps, threads, trace)


def run_float(
    network: FloatNetwork,
    pixels: Float32,
    request: RunRequest,
    pixel_mask: Bool | None = None,
    threads: int | None = None,
    decoding: Decoding = SAMPLE,
) -> Trace:
    """Run inference on `pixels` (N, M) from u0 for request.steps steps.

    `pixel_mask` (M,) excludes pixels from the drive and the competition, as a conversion may do.
    The reconstruction has all pixels: phi times the counts of the last update, or the mean of those
    of all updates of the last steps, or the rates exp(u), as `decoding` says. Raises DataError for
    pixels of the wrong shape.
    """
    _check_width(pixels, network.n_pixels)
    return run_frames(network, pixels[:, None], request, pixel_mask, threads, decoding)[0]


def run_frames(
    network: FloatNetwork,
    frames: Float32,
    request: RunRequest,
    pixel_mask: Bool | None = None,
    threads: int | None = None,
    decoding: Decoding = SAMPLE,
) -> tuple[Trace, ...]:
    """Run inference on sequences (N, F, M) for request.steps steps per frame; a Trace per frame.

    Potentials start at u0 and carry over from frame to frame. Step t of frame f draws under the key
    of step f T + t. pixel_mask and decoding as in `run_float`. Raises DataError for pixels of the
    wrong shape.
    """
    if frames.ndim != 3:
        raise DataError(f"sequences have shape {frames.shape}; give (N, frames, pixels)")
    _check_width(frames[:, 0], network.n_pixels)
    sizes = network.n_neurons, network.n_pixels
    require_memory(len(frames), sizes, request, state=8, traces=frames.shape[1])
    form = gram_form(network, pixel_mask)
    run = engine_of(network, form)
    report = current_watcher().progress
    traces: list[Trace] = []
    done: Progress | None = None
    for pixels in frames.swapaxes(0, 1):
        drive = form.drive(pixels.astype(np.float64))
        before = (
            rows.start(run, drive, request.seed, request.first_image)
            if done is None
            else rows.show(done, drive)
        )
        last = decoding.window(request.steps) if decoding.kind == "mean" else 0
        span = Span(request.steps, last, request.trace)
        passed = windows.advance(run, before, span, n_threads(threads), report)
        done = passed.done
        traces.append(_trace_of(network, before, passed, decoding, span))
    return tuple(traces)


def _trace_of(
    network: FloatNetwork,
    before: Progress,
    passed: Passed,
    decoding: Decoding,
    span: Span,
) -> Trace:
    """Return the trace of the steps from `before` on."""
    done, record = passed.done, passed.record
    return Trace(
        counts_sum=done.counts_sum - before.counts_sum,
        state=done.state,
        spikes_per_step=record.spikes_per_step,
        reconstruction=reconstruct(network, _payload(network, passed, decoding, span)),
        counts=record.counts if span.trace else None,
        states=record.states if span.trace else None,
    )


def _payload(
    network: FloatNetwork, passed: Passed, decoding: Decoding, span: Span
) -> Annotated[Floats | Integers, "N K"]:
    """Return what is decoded, in spikes per update."""
    done = passed.done
    if decoding.kind == "map":
        return np.exp(np.asarray(done.state, np.float64))
    if span.last:
        return passed.added / np.float64(span.last * network.updates_per_step)
    return done.counts


def reconstruct(
    network: FloatNetwork, counts: Annotated[Floats | Integers, "N K"]
) -> Annotated[Float32, "N M"]:
    """Return phi z of spike counts, of their means, or of rates."""
    product = network.dictionary.decode(counts.astype(np.float64))
    return np.asarray(product, dtype=np.float32)
