"""The reference: executes an integer network slowly and readably, as docs/ir.md specifies."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt

from ipvae_snn.arrays import Int64, Integers, UInt8
from ipvae_snn.errors import BackendError
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, round_shift, signed_limit
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.sampler import spike_counts
from ipvae_snn.ir.shapes import FloatImages, Held, Images, PerImage, PerNeuron, PerPixel, Saturated
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request
from ipvae_snn.watcher import current_watcher

CHUNK = 64  # images at a time; bounds the memory of a run, changes no result


def held(network: IntegerNetwork, pixels: Images) -> Held:
    """Return what the circuit keeps of images while they are shown.

    One-layer: the input current (N, K) in 2**-(fraction_bits + extra_bits) octaves per step.
    Two-layer: the payload (N, M) that the residual neurons compare with the prediction.
    """
    payload = pixels.astype(np.int64) - network.input.zero_point
    return payload if network.residual else forward(network, payload)


def forward(network: IntegerNetwork, payload: PerPixel) -> PerNeuron:
    """Return the current (N, K) that a payload (N, M) causes through the feed-forward weights."""
    return _synapses(payload, network.feedforward, "feedforward") + network.neurons.bias


def sample(
    network: IntegerNetwork, state: PerNeuron, seed: int, images: npt.ArrayLike, step: int
) -> PerNeuron:
    """Return the spike counts of one step, drawn at membrane potentials `state`."""

    def of_part(part: int) -> PerNeuron:
        return uniforms(seed, images, step, network.n_neurons, part).astype(np.int64)

    group = network.neurons
    return spike_counts(state, of_part, group.fraction_bits, group.max_count, network.tables)


def residual(
    network: IntegerNetwork, payload: PerPixel, counts: PerNeuron
) -> tuple[PerPixel, PerImage]:
    """Return the residual neurons' graded spikes, and how many saturated."""
    layer = network.residual
    if layer is None:
        raise BackendError("interpreter: a one-layer circuit has no residual neurons")
    error = payload - _synapses(counts, layer.prediction, "prediction")
    clipped = np.clip(error, -layer.limit, layer.limit)
    return clipped, (clipped != error).sum(axis=1)


def drive(network: IntegerNetwork, held: Held, counts: PerNeuron) -> tuple[PerNeuron, PerImage]:
    """Return the change of the potentials before any clamp, and how many residuals saturated.

    On a chip, sums leave their synapses after the counts were sent. Nothing happens to a neuron in
    between, so the update counts as part of the same step (docs/ir.md, Timing).
    """
    own = network.neurons.self_inhibition * counts
    if network.lateral is None:
        error, saturated = residual(network, held, counts)
        return forward(network, error) - own, saturated
    lateral = _synapses(counts, network.lateral, "lateral")
    return held + lateral - own, np.zeros(len(counts), np.int64)


def integrate(
    network: IntegerNetwork, state: PerNeuron, held: Held, counts: PerNeuron
) -> tuple[PerNeuron, Saturated]:
    """Return the membrane potentials after the counts of this step have competed.

    The second result is how many neurons saturated, by trace.SATURATIONS.
    """
    group = network.neurons
    extra = group.extra_bits
    total, residuals = drive(network, held, counts)
    highest = (group.excitation_max << extra) - network.own_inhibition * counts
    bounded = np.minimum(total, highest)
    update = np.maximum(bounded, group.update_min << extra)
    moved = state + (round_shift(update, extra) if extra else update)
    saturated = (
        (counts >= group.max_count).sum(axis=1),
        (total > highest).sum(axis=1),
        (bounded < group.update_min << extra).sum(axis=1),
        (moved > group.state_max).sum(axis=1),
        residuals,
    )
    return np.clip(moved, group.state_min, group.state_max), np.stack(saturated, axis=1)


def decode(network: IntegerNetwork, counts: Annotated[Integers, "N K"]) -> FloatImages:
    """Return the reconstruction of spike counts."""
    total = counts.astype(np.int64) @ network.decoder.weights.astype(np.int64).T
    return total.astype(np.float32) * network.decoder.scale


def steps(
    network: IntegerNetwork, pixels: Images, request: RunRequest, images: PerImage
) -> Iterator[tuple[PerNeuron, PerNeuron, Saturated]]:
    """Yield counts, state after the update and saturations of every step."""
    shown = held(network, pixels)
    state = np.tile(network.neurons.initial_state.astype(np.int64), (len(pixels), 1))
    for step in range(request.steps):
        counts = sample(network, state, request.seed, images, step)
        state, saturated = integrate(network, state, shown, counts)
        yield counts, state, saturated


def run(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run `pixels` (N, M) uint8 through the network and return the trace."""
    check_request(network, pixels, request)
    n, t, k = len(pixels), request.steps, network.n_neurons
    report = current_watcher().progress
    counts_sum = np.zeros((n, k), np.int64)
    state = np.zeros((n, k), np.int32)
    per_step = np.zeros((n, t), np.int64)
    reconstruction = np.zeros((n, network.n_pixels), np.float32)
    saturated = np.zeros((n, t, len(SATURATIONS)), np.int32)
    all_counts = np.zeros((n, t, k), np.int32) if request.trace else None
    all_states = np.zeros((n, t, k), np.int32) if request.trace else None
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        images = request.first_image + np.arange(rows.start, rows.stop, dtype=np.int64)
        for step, (counts, after, hits) in enumerate(steps(network, pixels[rows], request, images)):
            counts_sum[rows] += counts
            per_step[rows, step] = counts.sum(axis=1)
            saturated[rows, step] = hits
            if all_counts is not None and all_states is not None:
                all_counts[rows, step], all_states[rows, step] = counts, after
            report(start * t + len(images) * (step + 1), n * t)
        state[rows] = after
        reconstruction[rows] = decode(network, counts)
    return Trace(counts_sum, state, per_step, reconstruction, all_counts, all_states, saturated)


def _synapses(
    payload: Annotated[Int64, "N sources"], synapses: Synapses, name: str
) -> Annotated[Int64, "N targets"]:
    """Return the scaled sums of a connection; its sums fit the accumulator."""
    total = synapses.weights.sums(payload)
    limit = signed_limit(ACCUMULATOR_BITS)
    if np.abs(total).max(initial=0) > limit:
        raise BackendError(
            f"interpreter: a {name} sum left the {ACCUMULATOR_BITS}-bit accumulator's {limit}, "
            "which conversion proved to be impossible; please report this"
        )
    return synapses.scaled(total)
