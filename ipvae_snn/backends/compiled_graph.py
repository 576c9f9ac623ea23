"""Any graph as compiled, event-driven code: sums by kind of weights, Poisson neurons by kernels.

Other kinds of neurons take their own steps (ir/neurons), which NumPy computes for many rows at
once. Rows are divided among threads; no result depends on the division.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from ipvae_snn.arrays import Array, Int32, Int64, UInt8
from ipvae_snn.backends.compiled_constants import columns_of, group_of, sampling_of
from ipvae_snn.backends.compiled_stencils import convolved, transposed
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.graph import IMAGE, Connection, Population
from ipvae_snn.ir.interpreter import Keys
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons, Relaying, Stateful
from ipvae_snn.ir.stop import Until
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace, frames_of
from ipvae_snn.ir.weights import Convolution, Dense, Sparse, Transposed
from ipvae_snn.kernels import event_sums, poisson_rows, stencils
from ipvae_snn.kernels.event_sums import Columns, Scale, SparseColumns
from ipvae_snn.kernels.rows import Share
from ipvae_snn.kernels.threads import in_threads
from ipvae_snn.watcher import current_watcher

ROWS: Final = 64  # images at a time for a thread; bounds the memory of a run
COUNT: Final = SATURATIONS.index("count")
RESIDUAL: Final = SATURATIONS.index("residual")

Add = Callable[[int, int, Array, Array, Any], None]


@dataclass(frozen=True)
class Sums:
    """A connection as compiled code reads it: a function that adds sums, weights, and scale."""

    add: Add
    weights: Any
    scale: Scale
    n_targets: int

    def of(self, payloads: Int64) -> Int64:
        """Return the scaled sums (N, targets) of payloads (N, sources)."""
        n = len(payloads)
        totals = np.zeros((n, self.n_targets), np.int32)
        self.add(0, n, payloads.astype(np.int32, copy=False), totals, self.weights)
        scaled = np.zeros((n, self.n_targets), np.int64)
        event_sums.add_scaled(0, n, totals, scaled, self.scale)
        return scaled


def _columns(weights: Dense) -> Columns:
    return Columns(*columns_of(weights))


def _sparse(weights: Sparse) -> SparseColumns:
    targets = np.repeat(np.arange(weights.n_targets), np.diff(weights.starts))
    order = np.argsort(weights.columns, kind="stable")
    starts = np.searchsorted(weights.columns[order], np.arange(weights.n_sources + 1))
    return SparseColumns(starts.astype(np.int64), targets[order], weights.values[order])


_KINDS: Final[Mapping[str, tuple[Add, Callable[[Any], Any]]]] = {
    Dense.kind: (event_sums.add_columns, _columns),
    Sparse.kind: (event_sums.add_sparse, _sparse),
    Convolution.kind: (stencils.add_windows, convolved),
    Transposed.kind: (stencils.add_windows, transposed),
}


class Generic:
    """Neurons that take their own steps; the state is theirs (N, size) int64."""

    def __init__(self, neurons: Stateful) -> None:
        self.neurons = neurons

    def initial(self, n: int) -> Array:
        """Return the states when images appear."""
        return self.neurons.initial(n)

    def send(self, state: Array, seed: int, images: Array, step: int) -> Array:
        """Return the payloads (N, size); these neurons draw nothing."""
        return self.neurons.send(state, _no_draw)

    def integrate(self, state: Array, total: Int64, sent: Array, saturated: Array) -> Array:
        """Return the states after the sums; adds to saturated (N, 5)."""
        after, hits = self.neurons.integrate(state, total, sent)
        saturated += hits.astype(np.int32)
        return after


class Poisson:
    """Poisson neurons in compiled code; the state is (N, size) int32 and changes in place."""

    def __init__(self, neurons: PoissonNeurons, first: int) -> None:
        self.neurons, self.group = neurons, group_of(neurons)
        self.sampling = sampling_of(neurons, first)

    def initial(self, n: int) -> Array:
        """Return the states when images appear."""
        return np.tile(self.neurons.initial_state, (n, 1))

    def send(self, state: Array, seed: int, images: Array, step: int) -> Array:
        """Return the counts (N, size) int32 drawn in a step."""
        sent = np.empty(state.shape, np.int32)
        share = Share(0, len(state), step, 1, np.uint32(seed))
        poisson_rows.send_rows(share, images, state, sent, self.sampling)
        return sent

    def integrate(self, state: Array, total: Int64, sent: Array, saturated: Array) -> Array:
        """Return the states after the sums; adds to saturated (N, 5)."""
        share = Share(0, len(state), 0, 1, np.uint32(0))
        poisson_rows.integrate_rows(share, total, sent, state, saturated, self.group)
        saturated[:, COUNT] += (sent >= self.neurons.max_count).sum(axis=1, dtype=np.int32)
        return state


@dataclass(frozen=True)
class Prepared:
    """A network with what does not depend on the images."""

    network: IntegerNetwork
    sums: Mapping[str, Sums]
    stateful: Mapping[str, Poisson | Generic]
    begin: "Begin | None" = None


@dataclass(frozen=True)
class Begin:
    """What sets the first potentials of images: a network's start."""

    sums: Sums
    neurons: PoissonNeurons
    target: str
    zero_point: int

    def states(self, pixels: UInt8) -> Int32:
        """Return the potentials (N, size) int32 of the target when pixels (N, M) appear."""
        payload = pixels.astype(np.int64) - self.zero_point
        return self.neurons.begin(self.sums.of(payload)).astype(np.int32)


def begin_of(network: IntegerNetwork) -> Begin | None:
    """Return a network's start as compiled code runs it; None where it has none."""
    start = network.start
    if start is None:
        return None
    neurons = cast(PoissonNeurons, network.population(start.target).neurons)
    return Begin(_sums(start), neurons, start.target, network.input.zero_point)


def prepare(network: IntegerNetwork) -> Prepared:
    """Return the network with its weights by source and its constants widened."""
    first = network.drawn()
    return Prepared(
        network,
        {one.name: _sums(one) for one in network.connections},
        {
            one.name: _stateful(one, first.get(one.name, 0))
            for one in (*network.computing, *network.accumulating)
        },
        begin_of(network),
    )


def _sums(connection: Connection) -> Sums:
    synapses = connection.synapses
    add, arrange = _KINDS[synapses.weights.kind]
    shift = synapses.shift.astype(np.int64)
    scale = Scale(synapses.multiplier.astype(np.int32), shift, np.int64(1) << (shift - 1))
    return Sums(add, arrange(synapses.weights), scale, synapses.n_targets)


def _stateful(population: Population, first: int) -> Poisson | Generic:
    neurons = population.neurons
    if neurons.draws:
        return Poisson(cast(PoissonNeurons, neurons), first)
    return Generic(cast(Stateful, neurons))


def run(prepared: Prepared, pixels: UInt8, request: RunRequest, threads: int) -> Trace:
    """Run checked `pixels` (N, M) or (N, F, M) uint8; return the trace."""
    trace = Trace.empty(prepared.network, pixels.shape, request)
    frames, report = frames_of(pixels), current_watcher().progress
    n = len(frames)
    for start in range(0, n, ROWS * threads):
        rows = min(ROWS * threads, n - start)

        def part(first: int, last: int, start: int = start) -> None:
            run_rows = _run_rows if request.stop is None else _run_until_done
            if first < last:
                run_rows(prepared, frames, request, trace, slice(start + first, start + last))

        in_threads(part, rows, threads)
        report(start + rows, n)
    trace.hold()
    return trace


def _run_rows(
    prepared: Prepared, frames: Array, request: RunRequest, trace: Trace, rows: slice
) -> None:
    """Fill in the trace of some images."""
    network, n = prepared.network, rows.stop - rows.start
    images = (request.first_image + np.arange(rows.start, rows.stop)).astype(np.uint32)
    states = _appear(prepared, frames[rows, 0])
    window = network.decoder.decoding.window(request.steps)
    for step in range(frames.shape[1] * request.steps):
        frame, within = divmod(step, request.steps)
        if within == 0:
            shown = _show(prepared, frames[rows, frame])
            added = np.zeros((n, network.n_neurons), np.int64)
        sent, saturated = _step(prepared, states, shown, Keys(request.seed, images, step))
        counts, after, *_ = values = interpreter.gathered(network, sent, states, saturated)
        trace.keep_step(rows, step, values)
        if within >= request.steps - window:
            added += counts
        if within == request.steps - 1:
            read = interpreter.Read(added, after, window)
            trace.keep_image(rows, frame, interpreter.reconstruct(network, read))


def _run_until_done(
    prepared: Prepared, frames: Array, request: RunRequest, trace: Trace, rows: slice
) -> None:
    """Fill in the trace of some still images, each up to its last step."""
    network = prepared.network
    until = Until(rows, trace, request, network)
    shown = _show(prepared, frames[rows, 0])
    states = _appear(prepared, frames[rows, 0])
    step = 0
    while len(until.running):
        running, before = until.running, interpreter.side_by_side(network.computing, states).copy()
        images = (request.first_image + running).astype(np.uint32)
        sent, saturated = _step(prepared, states, shown, Keys(request.seed, images, step))
        counts, after, *_ = values = interpreter.gathered(network, sent, states, saturated)
        trace.keep_step(running, step, values)
        decoded = interpreter.reconstruction_of(network)
        on = until.after_step(step, before, after, counts, decoded)
        if not on.all():
            states = {name: state[on] for name, state in states.items()}
            sums = {name: total[on] for name, total in shown.sums.items()}
            shown = interpreter.Shown(shown.payload[on], sums)
        step += 1


def _step(
    prepared: Prepared, states: dict[str, Array], shown: interpreter.Shown, keys: Keys
) -> tuple[dict[str, Array], Array]:
    """Take a step, which changes `states`; return what was sent, and what saturated (N, 5)."""
    images = np.asarray(keys.images)
    saturated = np.zeros((len(images), len(SATURATIONS)), np.int32)
    sent = {
        name: one.send(states[name], keys.seed, images, keys.step)
        for name, one in prepared.stateful.items()
    }
    _relay(prepared, shown, sent, saturated)
    for name, one in prepared.stateful.items():
        total = _total(prepared, name, shown, sent)
        states[name] = one.integrate(states[name], total, sent[name], saturated)
    return sent, saturated


def _appear(prepared: Prepared, pixels: UInt8) -> dict[str, Array]:
    """Return the states of all populations with a state when pixels (N, M) appear."""
    states = {name: one.initial(len(pixels)) for name, one in prepared.stateful.items()}
    if prepared.begin is not None:
        states[prepared.begin.target] = prepared.begin.states(pixels)
    return states


def _show(prepared: Prepared, pixels: UInt8) -> interpreter.Shown:
    network = prepared.network
    payload = pixels.astype(np.int64) - network.input.zero_point
    once = [one.name for one in network.connections if network.once(one)]
    return interpreter.Shown(payload, {name: prepared.sums[name].of(payload) for name in once})


def _relay(
    prepared: Prepared, shown: interpreter.Shown, sent: dict[str, Array], saturated: Array
) -> None:
    """Add the payloads of the populations that relay to those that were sent."""
    for one in prepared.network.relays:
        total = _total(prepared, one.name, shown, sent)
        sent[one.name], hits = cast(Relaying, one.neurons).relay(shown.payload, total)
        saturated[:, RESIDUAL] += hits.astype(np.int32)


def _total(
    prepared: Prepared, name: str, shown: interpreter.Shown, sent: Mapping[str, Array]
) -> Int64:
    """Return the scaled sums that reach a population, all connections together."""
    network = prepared.network
    total = np.zeros((len(shown.payload), network.population(name).size), np.int64)
    for one in network.into(name):
        held = one.source == IMAGE
        total += shown.sums[one.name] if held else prepared.sums[one.name].of(sent[one.source])
    return total


def _no_draw(part: int) -> Int64:
    raise AssertionError("only Poisson neurons draw")
