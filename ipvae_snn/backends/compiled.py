"""Runs integer programs by compiled, event-driven code on the CPU: the back end `compiled`.

It can also stop after any step and go on later, for figures at several steps of a long run.
"""

from dataclasses import dataclass, replace

import numpy as np

from ipvae_snn.arrays import Int32, Int64, UInt8, UInt32
from ipvae_snn.errors import DataError
from ipvae_snn.ir.interpreter import decode, held
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Connection
from ipvae_snn.ir.prng import MAX_STEPS
from ipvae_snn.ir.sampler import BUCKETS_LOG2, SPLIT_OCTAVES, least_spiking_uniforms
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request
from ipvae_snn.kernels.integer import Group, Record, Sampling, Synapses, run_rows
from ipvae_snn.kernels.threads import in_threads, n_threads


@dataclass(frozen=True)
class Prepared:
    """A program in the form that the kernel reads."""

    network: IntegerNetwork
    sampling: Sampling
    group: Group
    forward: Synapses
    back: Synapses
    limit: int


@dataclass(frozen=True)
class Progress:
    """N images after `step` steps.

    held (N, K or M) int64: what the circuit keeps of the image. state, counts (N, K) int32:
    membrane potential, and spike counts of the last step. counts_sum (N, K) int64;
    spikes_per_step (N, n) int64 and saturated (N, n, 5) int32 of the last `advance`. images (N,)
    uint32: what the draws of each row are keyed by, together with seed.
    """

    step: int
    seed: int
    images: UInt32
    held: Int64
    state: Int32
    counts: Int32
    counts_sum: Int64
    spikes_per_step: Int64
    saturated: Int32
    trace_counts: Int32
    trace_states: Int32


def _may_spike_from(network: IntegerNetwork) -> Int32:
    """Return what a first uniform must reach to be looked at: 0 where later parts may spike."""
    group = network.neurons
    least = least_spiking_uniforms(
        group.state_min, group.state_max, group.fraction_bits, network.tables
    )
    width = 1 << (group.fraction_bits - BUCKETS_LOG2)
    ends = group.state_min + width * np.arange(1, len(least) + 1) - 1
    highest = np.minimum(ends, group.state_max)
    one_part = highest <= SPLIT_OCTAVES << group.fraction_bits
    return np.where(one_part, least, 0).astype(np.int32)


def prepare(network: IntegerNetwork) -> Prepared:
    """Return the program with its weights by source and its constants widened."""
    group, tables = network.neurons, network.tables
    back = network.residual.prediction if network.residual else network.lateral
    # Copies: the tables of a program from a file can be written to, and others cannot, for which
    # the kernel would be compiled once more.
    constants = (np.array(table) for table in (tables.coarse, tables.fine, tables.reciprocal))
    return Prepared(
        network=network,
        sampling=Sampling(
            group.fraction_bits, group.max_count, group.fraction_bits - BUCKETS_LOG2,
            _may_spike_from(network), *constants,
        ),
        group=Group(
            group.bias.astype(np.int64), group.self_inhibition.astype(np.int64),
            network.own_inhibition, group.extra_bits, group.state_min, group.state_max,
            group.update_min, group.excitation_max,
        ),
        forward=_synapses(network.feedforward),
        back=_synapses(back or network.feedforward),
        limit=network.residual.limit if network.residual else 0,
    )  # fmt: skip


def start(prepared: Prepared, pixels: UInt8, seed: int = 0, first_image: int = 0) -> Progress:
    """Return images (N, M) uint8 before their first step."""
    network = prepared.network
    n, k = len(pixels), network.n_neurons
    return Progress(
        step=0,
        seed=seed,
        images=np.arange(first_image, first_image + n).astype(np.uint32),
        held=np.ascontiguousarray(held(network, pixels)),  # or the kernel is compiled once more
        state=np.tile(network.neurons.initial_state, (n, 1)),
        counts=np.zeros((n, k), np.int32),
        counts_sum=np.zeros((n, k), np.int64),
        spikes_per_step=np.zeros((n, 0), np.int64),
        saturated=np.zeros((n, 0, len(SATURATIONS)), np.int32),
        trace_counts=np.zeros((0, 0, k), np.int32),
        trace_states=np.zeros((0, 0, k), np.int32),
    )


def advance(
    prepared: Prepared, progress: Progress, steps: int, threads: int = 1, trace: bool = False
) -> Progress:
    """Return the images `steps` >= 1 steps later; `progress` is left as it was.

    The result does not depend on `threads`, nor on how images and steps are divided into calls.
    With `trace`, trace_counts and trace_states (N, steps, K) hold every step of this call. Raises
    DataError beyond step 2**20, up to which the generator's counter tells steps from parts.
    """
    if not 1 <= steps <= MAX_STEPS - progress.step:
        raise DataError(f"{steps} steps from step {progress.step} leave 1..{MAX_STEPS}")
    n, k = progress.state.shape
    kept = n if trace else 0
    found = replace(
        progress,
        step=progress.step + steps,
        state=progress.state.copy(),
        counts=progress.counts.copy(),
        counts_sum=progress.counts_sum.copy(),
        spikes_per_step=np.zeros((n, steps), np.int64),
        saturated=np.zeros((n, steps, len(SATURATIONS)), np.int32),
        trace_counts=np.zeros((kept, steps, k), np.int32),
        trace_states=np.zeros((kept, steps, k), np.int32),
    )
    record = Record(found.spikes_per_step, found.saturated, found.trace_counts, found.trace_states)

    def part(first: int, last: int) -> None:
        run_rows(
            first, last, prepared.network.residual is not None, prepared.sampling, prepared.group,
            prepared.forward, prepared.back, prepared.limit, np.uint32(found.seed), found.images,
            progress.step, steps, found.held, found.state, found.counts, found.counts_sum, record,
        )  # fmt: skip

    in_threads(part, n, threads)
    return found


def run(
    network: IntegerNetwork, pixels: UInt8, request: RunRequest, threads: int | None = None
) -> Trace:
    """Run `pixels` (N, M) uint8 through the program; return the trace, the interpreter's."""
    check_request(network, pixels, request)
    prepared = prepare(network)
    begun = start(prepared, pixels, request.seed, request.first_image)
    done = advance(prepared, begun, request.steps, n_threads(threads), request.trace)
    return Trace(
        counts_sum=done.counts_sum,
        state=done.state,
        spikes_per_step=done.spikes_per_step,
        reconstruction=decode(network, done.counts),
        counts=done.trace_counts if request.trace else None,
        states=done.trace_states if request.trace else None,
        saturated=done.saturated,
    )


def _synapses(connection: Connection) -> Synapses:
    shift = connection.shift.astype(np.int64)
    return Synapses(
        np.ascontiguousarray(connection.weights.T),
        connection.multiplier.astype(np.int64),
        shift,
        np.left_shift(np.int64(1), shift - 1),
    )
