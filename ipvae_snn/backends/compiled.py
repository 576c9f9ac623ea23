"""The back end `compiled`: integer networks as compiled, event-driven code on the CPU.

A run can stop after any step and continue later, for figures at several steps of a long run.
"""

from dataclasses import dataclass

import numpy as np

from ipvae_snn.arrays import Int32, UInt8
from ipvae_snn.ir.circuit_steps import held
from ipvae_snn.ir.interpreter import decode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses as IntegerSynapses
from ipvae_snn.ir.sampler import BUCKETS_LOG2, SPLIT_OCTAVES, least_spiking_uniforms
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request
from ipvae_snn.kernels import integer, rows
from ipvae_snn.kernels.integer import Group, Synapses
from ipvae_snn.kernels.integer_draw import Sampling
from ipvae_snn.kernels.rows import Engine, Progress
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.watcher import current_watcher


@dataclass(frozen=True)
class Prepared:
    """An integer network with its constants in the form that compiled code reads."""

    network: IntegerNetwork
    constants: integer.Network

    @property
    def engine(self) -> Engine:
        """The network as an engine of kernels/rows."""
        return Engine(
            integer.advance_rows,
            (self.constants,),
            self.network.neurons.initial_state,
            saturations=len(SATURATIONS),
        )


def _may_spike_from(network: IntegerNetwork) -> Int32:
    """Return the least first uniform that can give a spike; 0 where a step has later parts."""
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
    """Return the network with its weights by source and its constants widened."""
    group, tables, residual = network.neurons, network.tables, network.residual
    back = residual.prediction if residual else network.lateral
    sampling = Sampling(
        state_min=group.state_min,
        bits=group.fraction_bits,
        max_count=group.max_count,
        bucket_shift=group.fraction_bits - BUCKETS_LOG2,
        least=_may_spike_from(network),
        # Copies: tables of a network from a file are writeable and others are not; the loop would
        # be compiled again for the other kind.
        coarse=np.array(tables.coarse),
        fine=np.array(tables.fine),
        reciprocal=np.array(tables.reciprocal),
    )
    neurons = Group(
        bias=group.bias.astype(np.int64),
        self_inhibition=group.self_inhibition.astype(np.int64),
        own=network.own_inhibition,
        extra_bits=group.extra_bits,
        state_min=group.state_min,
        state_max=group.state_max,
        update_min=group.update_min,
        excitation_max=group.excitation_max,
    )
    constants = integer.Network(
        two_layer=residual is not None,
        sampling=sampling,
        group=neurons,
        forward=_synapses(network.feedforward),
        back=_synapses(back or network.feedforward),
        limit=residual.limit if residual else 0,
    )
    return Prepared(network, constants)


def start(prepared: Prepared, pixels: UInt8, seed: int = 0, first_image: int = 0) -> Progress:
    """Return images (N, M) uint8 before their first step."""
    return rows.start(prepared.engine, held(prepared.network, pixels), seed, first_image)


def advance(
    prepared: Prepared, progress: Progress, steps: int, threads: int = 1, trace: bool = False
) -> Progress:
    """Return the images `steps` >= 1 steps later; `progress` is unchanged.

    The result does not depend on `threads`, nor on the division of images and steps into calls.
    With `trace`, trace_counts and trace_states (N, steps, K) hold every step of this call. Raises
    DataError beyond step 2**20, from which counters of steps would collide with those of parts.
    """
    return rows.advance(prepared.engine, progress, steps, threads, trace)


def run(
    network: IntegerNetwork, pixels: UInt8, request: RunRequest, threads: int | None = None
) -> Trace:
    """Run `pixels` (N, M) uint8 through the network; return the trace, equal to the reference's."""
    check_request(network, pixels, request)
    prepared = prepare(network)
    before = start(prepared, pixels, request.seed, request.first_image)
    report = current_watcher().progress
    count = n_threads(threads)
    done = rows.advance(prepared.engine, before, request.steps, count, request.trace, report)
    return Trace(
        counts_sum=done.counts_sum,
        state=done.state,
        spikes_per_step=done.spikes_per_step,
        reconstruction=decode(network, done.counts),
        counts=done.trace_counts if request.trace else None,
        states=done.trace_states if request.trace else None,
        saturated=done.saturated,
    )


def _synapses(synapses: IntegerSynapses) -> Synapses:
    shift = synapses.shift.astype(np.int64)
    return Synapses(
        np.ascontiguousarray(synapses.matrix.T),
        synapses.multiplier.astype(np.int64),
        shift,
        np.left_shift(np.int64(1), shift - 1),
    )
