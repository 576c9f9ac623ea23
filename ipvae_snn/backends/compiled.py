"""The back end `compiled`: integer networks as compiled, event-driven code on the CPU.

A run can stop after any step and continue later, for figures at several steps of a long run.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int64, UInt8
from ipvae_snn.backends import compiled_graph
from ipvae_snn.backends.compiled_constants import group_of, sampling_of, synapses_of
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.interpreter import Read
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.stop import Stop
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, check_request
from ipvae_snn.ir.weights import Dense
from ipvae_snn.kernels import integer, rows, windows
from ipvae_snn.kernels.integer_stop import Ending, advance_until_done
from ipvae_snn.kernels.rows import Engine, Progress
from ipvae_snn.kernels.threads import in_blocks, n_threads
from ipvae_snn.kernels.windows import Span
from ipvae_snn.watcher import current_watcher

EXACT: Final = 1 << 53  # up to it, whole numbers are exact in float64


@dataclass(frozen=True)
class Prepared:
    """An integer network with its constants in the form that compiled code reads.

    forward: the feed-forward weights, whose sums are exact in float32: every partial sum is proved
    to stay within 24 bits.
    """

    network: IntegerNetwork
    constants: integer.Network
    forward: Annotated[Float32, "M K"]

    @cached_property
    def engine(self) -> Engine:
        """The network as an engine of kernels/rows."""
        return Engine(
            integer.advance_rows,
            (self.constants,),
            self.network.neurons.initial_state,
            saturations=len(SATURATIONS),
        )


def prepare(network: IntegerNetwork) -> Prepared:
    """Return the network with its weights by source and its constants widened."""
    group, residual = network.neurons, network.residual
    back = residual.prediction if residual else network.lateral
    sampling = sampling_of(group)
    constants = integer.Network(
        two_layer=residual is not None,
        sampling=sampling,
        group=group_of(group),
        forward=synapses_of(network.feedforward),
        back=synapses_of(back or network.feedforward),
        limit=residual.limit if residual else 0,
    )
    return Prepared(network, constants, network.feedforward.matrix.T.astype(np.float32))


def start(prepared: Prepared, pixels: UInt8, seed: int = 0, first_image: int = 0) -> Progress:
    """Return images (N, M) uint8 before their first step."""
    return rows.start(prepared.engine, _held(prepared, pixels), seed, first_image)


def show(prepared: Prepared, progress: Progress, pixels: UInt8) -> Progress:
    """Return the images with `pixels` (N, M), their next frame, in place of the present one.

    Potentials are carried over, and steps are counted on.
    """
    return rows.show(progress, _held(prepared, pixels))


def advance(
    prepared: Prepared, progress: Progress, steps: int, threads: int = 1, trace: bool = False
) -> Progress:
    """Return the images `steps` >= 1 steps later; `progress` is unchanged.

    The result does not depend on `threads`, nor on the division of images and steps into calls.
    With `trace`, trace_counts and trace_states (N, steps, K) hold every step of this call. Raises
    DataError beyond step 2**20, from which counters of steps would collide with those of parts.
    """
    return rows.advance(prepared.engine, progress, steps, threads, trace)


@dataclass(frozen=True)
class CompiledSession:
    """A network for compiled code; what a form of it takes is made at the first run that needs it.

    circuit: the form of the loop for circuits; graph: that of any graph, and of moving images.
    """

    network: IntegerNetwork

    @cached_property
    def circuit(self) -> Prepared:
        """The network for the loop for circuits."""
        return prepare(self.network)

    @cached_property
    def graph(self) -> compiled_graph.Prepared:
        """The network as any graph."""
        return compiled_graph.prepare(self.network)

    @cached_property
    def in_loop(self) -> bool:
        """Whether the loop for circuits runs the network: matrices, and nothing beside them."""
        network = self.network
        dense = all(one.synapses.weights.kind == Dense.kind for one in network.connections)
        return network.is_circuit and not network.accumulating and dense

    @cached_property
    def decoder(self) -> Annotated[Float64, "K M"] | None:
        """The decoder's weights, whose sums are exact in float64; None if they are no matrix."""
        weights = self.network.decoder.weights
        largest = (1 << 15) * self.network.decoded_payload * weights.n_sources
        if weights.kind != Dense.kind or largest > EXACT:
            return None
        return np.ascontiguousarray(weights.dense().T, dtype=np.float64)

    def decode(self, read: Read) -> Float32:
        """Return the reconstructions (N, M), as the interpreter does.

        The weights are widened once, which takes longer than the product of a single image.
        """
        if self.decoder is None:
            return interpreter.reconstruct(self.network, read)
        payload, divisor = interpreter.payload_of(self.network, read)
        total = (payload.astype(np.float64) @ self.decoder).astype(np.float32)
        return total / np.float32(divisor) * self.network.decoder.scale

    def run(self, pixels: UInt8, request: RunRequest, threads: int | None = None) -> Trace:
        """Run `pixels` (N, M) or (N, F, M) uint8; return the trace, equal to the reference's."""
        network = self.network
        check_request(network, pixels, request)
        if pixels.ndim != 2 or not self.in_loop:
            return compiled_graph.run(self.graph, pixels, request, n_threads(threads))
        prepared = self.circuit
        before = start(prepared, pixels, request.seed, request.first_image)
        if request.stop is not None:
            return self._until_done(before, request, request.stop, n_threads(threads))
        return self._finished(before, request, n_threads(threads))

    def _finished(self, before: Progress, request: RunRequest, threads: int) -> Trace:
        """Return the trace of still images that have not taken a step yet."""
        decoding = self.network.decoder.decoding
        window = decoding.window(request.steps)
        span = Span(request.steps, window if decoding.kind == "mean" else 0, request.trace)
        report = current_watcher().progress
        passed = windows.advance(self.circuit.engine, before, span, threads, report)
        done, record = passed.done, passed.record
        added = passed.added if span.last else done.counts
        return Trace(
            counts_sum=done.counts_sum,
            state=done.state,
            spikes_per_step=record.spikes_per_step,
            reconstruction=self.decode(Read(added, done.state, window)),
            counts=record.counts if request.trace else None,
            states=record.states if request.trace else None,
            saturated=record.saturated,
        )

    def _until_done(self, before: Progress, request: RunRequest, stop: Stop, threads: int) -> Trace:
        """Return the trace of still images that have not taken a step yet, each to its last one."""
        engine, window = self.circuit.engine, self.network.decoder.decoding.window(request.steps)
        n, steps = len(before), request.steps
        record = rows.blank(engine, n, steps, n if request.trace else 0)
        images = before.rows  # of this run alone, so that they may change
        ends = Ending(
            stop.threshold,
            stop.least_steps,
            window,
            np.zeros(before.counts.shape, np.int64),
            np.zeros(n, np.int64),
        )
        seed = engine.key(request.seed)

        def part(first: int, last: int) -> None:
            share = rows.Share(first, last, 0, steps, seed)
            advance_until_done(share, images, record, ends, self.circuit.constants)

        in_blocks(part, n, threads, current_watcher().progress)
        trace = Trace(
            counts_sum=images.counts_sum,
            state=images.state,
            spikes_per_step=record.spikes_per_step,
            reconstruction=np.zeros((n, self.network.n_pixels), np.float32),
            counts=record.counts if request.trace else None,
            states=record.states if request.trace else None,
            saturated=record.saturated,
            steps_taken=ends.taken,
        )
        read = np.minimum(ends.taken, window)
        for number in np.unique(read).tolist():  # a single one, unless a mean had fewer steps
            some = read == number
            trace.reconstruction[some] = self.decode(
                Read(ends.added[some], images.state[some], number)
            )
        trace.hold()
        return trace


class Compiled:
    """The back end `compiled`."""

    def prepare(self, network: IntegerNetwork) -> Session:
        """Return a session of compiled code."""
        return CompiledSession(network)


BACKEND: Final = Compiled()


def run(
    network: IntegerNetwork, pixels: UInt8, request: RunRequest, threads: int | None = None
) -> Trace:
    """Run `pixels` (N, M) or (N, F, M) uint8 once; return the trace, equal to the reference's."""
    return CompiledSession(network).run(pixels, request, threads)


def _held(prepared: Prepared, pixels: UInt8) -> Int64:
    """Return what is kept of images: the input current, or the payload of a two-layer circuit."""
    network = prepared.network
    payload = pixels.astype(np.int64) - network.input.zero_point
    if network.relays:
        return payload
    sums = (payload.astype(np.float32) @ prepared.forward).astype(np.int64)
    return network.feedforward.scaled(sums) + network.neurons.bias
