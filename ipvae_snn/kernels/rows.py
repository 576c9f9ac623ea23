"""Runs of images on any compiled engine: integer, float64 or float32.

An engine is a network in the form that its compiled loop reads. `start` creates the images' rows,
and `advance` takes steps; a run can stop after any step and continue later.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array, Int32, Int64
from ipvae_snn.errors import DataError
from ipvae_snn.ir.prng import MAX_STEPS
from ipvae_snn.kernels.compiled import kernel
from ipvae_snn.kernels.threads import in_blocks, in_threads

UNLIMITED: Final = 1 << 62  # updates; for keys of 64 bits


class Share(NamedTuple):
    """Work of one call: rows first .. last - 1, steps start .. start + steps - 1.

    seed, in the engine's key type, keys all draws.
    """

    first: int
    last: int
    start: int
    steps: int
    seed: np.unsignedinteger[Any]


class Rows(NamedTuple):
    """N images after some steps. A kernel changes all but images and drive in place.

    images (N,): the key of each row's draws. drive: input current (N, K) or pixels (N, M), kept
    while an image is shown. state (N, K): membrane potential. counts (N, K) int32: spikes
    of the last update. counts_sum (N, K) int64: all spikes so far. before, peak (N, K): potential
    at the start of the last step, and the largest so far; (0, K) where the engine keeps none.
    """

    images: Array
    drive: Array
    state: Array
    counts: Array
    counts_sum: Array
    before: Array
    peak: Array


class Record(NamedTuple):
    """Record of T steps, written by a kernel into arrays of zeros.

    spikes_per_step (N, T) int64: of all updates of the step. saturated (N, T, S) int32: see
    trace.SATURATIONS. The trace: counts (N, T, K) int32 of a step's last update and states
    (N, T, K) after it; (0, T, K) where no trace is kept.
    """

    spikes_per_step: Array
    saturated: Array
    counts: Array
    states: Array


@dataclass(frozen=True)
class Engine:
    """A network in the form that a compiled loop reads.

    advance_rows(share, rows, record, *network) advances rows in place. initial_state (K,). key:
    type of seed and images. updates: number of updates per step; all steps together can have
    max_updates. saturations: number of kinds of saturation that are counted. keeps_range: whether
    `before` and `peak` of Rows are kept.
    """

    advance_rows: Callable[..., None]
    network: tuple[Any, ...]
    initial_state: Array
    key: type[np.unsignedinteger[Any]] = np.uint32
    updates: int = 1
    max_updates: int = MAX_STEPS
    saturations: int = 0
    keeps_range: bool = False


@dataclass(frozen=True)
class Progress:
    """N images after `step` steps; the record is that of the last `advance`."""

    step: int
    seed: int
    rows: Rows
    record: Record

    def __len__(self) -> int:
        """Return the number of images N."""
        return len(self.rows.images)

    @property
    def images(self) -> Array:
        """The key (N,) of each image's draws, uint32 or uint64."""
        return self.rows.images

    @property
    def drive(self) -> Array:
        """Input current (N, K) or pixels (N, M), kept while an image is shown."""
        return self.rows.drive

    @property
    def state(self) -> Array:
        """Membrane potential (N, K): int32 in units of the network, or floats in nats."""
        return self.rows.state

    @property
    def counts(self) -> Int32:
        """Spike counts (N, K) of the last update."""
        return self.rows.counts

    @property
    def counts_sum(self) -> Int64:
        """Spike counts (N, K) of all steps so far."""
        return self.rows.counts_sum

    @property
    def before(self) -> Array:
        """Membrane potential (N, K) at the start of the last step, if kept."""
        return self.rows.before

    @property
    def peak(self) -> Array:
        """Largest membrane potential (N, K) so far, if kept."""
        return self.rows.peak

    @property
    def spikes_per_step(self) -> Int64:
        """Spikes (N, T) of each step of the last `advance`."""
        return self.record.spikes_per_step

    @property
    def saturated(self) -> Int32:
        """Saturations (N, T, S) in each step of the last `advance`."""
        return self.record.saturated

    @property
    def trace_counts(self) -> Int32:
        """Counts (N, T, K) in each step of the last `advance`, if a trace was kept."""
        return self.record.counts

    @property
    def trace_states(self) -> Array:
        """Potentials (N, T, K) after each step of the last `advance`, if a trace was kept."""
        return self.record.states


def start(engine: Engine, drive: Array, seed: int = 0, first_image: int = 0) -> Progress:
    """Return images before their first step; drive (N, K) or (N, M) is kept while they are shown.

    The draws of row n are keyed by first_image + n.
    """
    n, k = len(drive), len(engine.initial_state)
    # Contiguous, or the loop is compiled again for another memory layout.
    state = np.ascontiguousarray(np.tile(engine.initial_state, (n, 1)))
    kept = state if engine.keeps_range else state[:0]
    return Progress(
        step=0,
        seed=seed,
        rows=Rows(
            images=np.arange(first_image, first_image + n).astype(engine.key),
            drive=np.ascontiguousarray(drive),
            state=state,
            counts=np.zeros((n, k), np.int32),
            counts_sum=np.zeros((n, k), np.int64),
            before=kept,
            peak=kept,
        ),
        record=blank(engine, n, 0, 0),
    )


def show(progress: Progress, drive: Array) -> Progress:
    """Return the images with another drive (N, ...) from here on, as of their next frame.

    Potentials and the step are kept. Raises DataError for a drive of another shape.
    """
    if drive.shape != progress.drive.shape:
        raise DataError(
            f"a frame's drive has shape {drive.shape}, but the first one's {progress.drive.shape}"
        )
    drive = np.ascontiguousarray(drive, dtype=progress.drive.dtype)
    return replace(progress, rows=progress.rows._replace(drive=drive))


def advance(
    engine: Engine,
    progress: Progress,
    steps: int,
    threads: int = 1,
    trace: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Progress:
    """Return the images `steps` >= 1 steps later; `progress` is unchanged.

    The result does not depend on `threads`, nor on the division of images and steps into calls.
    With `trace`, trace_counts and trace_states hold every step of this call. `report` receives the
    images done, from time to time, and all images. Raises DataError beyond update 2**20 if keys
    have 32 bits: from there on they would collide with keys of parts.
    """
    limit = engine.max_updates // engine.updates
    if not 1 <= steps <= limit - progress.step:
        raise DataError(f"{steps} steps from step {progress.step} leave 1..{limit}")
    n = len(progress)
    before = progress.rows
    rows = Rows(before.images, before.drive, *(array.copy() for array in before[2:]))
    record = blank(engine, n, steps, n if trace else 0)
    seed = engine.key(progress.seed)

    def part(first: int, last: int) -> None:
        share = Share(first, last, progress.step, steps, seed)
        engine.advance_rows(share, rows, record, *engine.network)

    if report is None:
        in_threads(part, n, threads)
    else:
        in_blocks(part, n, threads, report)
    return Progress(progress.step + steps, progress.seed, rows, record)


def blank(engine: Engine, n: int, steps: int, kept: int) -> Record:
    """Return a record of zeros for n images, of which `kept` have a trace."""
    shape = (kept, steps, len(engine.initial_state))
    return Record(
        spikes_per_step=np.zeros((n, steps), np.int64),
        saturated=np.zeros((n, steps, engine.saturations), np.int32),
        counts=np.zeros(shape, np.int32),
        states=np.zeros(shape, engine.initial_state.dtype),
    )


def joined(first: Record, second: Record) -> Record:
    """Return the record of two advances, one after the other."""
    return Record(*(np.concatenate(pair, axis=1) for pair in zip(first, second, strict=True)))


@kernel
def add_spikes(
    rows: Rows, record: Record, r: int, t: int, active: int, index: Array, count: Array
) -> None:
    """Add the spikes of an update of row r to counts_sum and to step t of the record."""
    counts_sum = rows.counts_sum
    spikes = 0
    for i in range(active):
        z = int(count[i])
        counts_sum[r, index[i]] += z
        spikes += z
    record.spikes_per_step[r, t] += spikes


@kernel
def keep_trace(
    rows: Rows, record: Record, r: int, t: int, active: int, index: Array, count: Array
) -> None:
    """Keep the counts of the last update of step t, and row r's potentials, if there is a trace."""
    if r < len(record.counts):
        counts = record.counts[r, t]
        record.states[r, t] = rows.state[r]
        for i in range(active):
            counts[index[i]] = int(count[i])


@kernel
def keep_counts(rows: Rows, r: int, active: int, index: Array, count: Array) -> None:
    """Set row r's counts to those of the last update."""
    counts = rows.counts[r]
    counts[:] = 0
    for i in range(active):
        counts[index[i]] = int(count[i])
