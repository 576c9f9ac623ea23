"""Filling of cores one after another: in a given order, or with the neuron that fits best."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Float32, Int32, Int64
from ipvae_snn.hw.mapping.core_capacity import Room

DENSE_ELEMENTS: Final = 1 << 24  # up to here inputs are stored as float32 for matrix products
DENSE_SHARE: Final = 0.05  # of all pairs: from here on matrix products are faster
MOST_WORK: Final = 3e9  # most additions for choosing the best neuron; else the order decides


@dataclass(frozen=True)
class Task:
    """A population to be split: inputs (neurons, sources) sparse, bytes of state per neuron.

    axons_out (neurons,): expected number of cores that each sends to; 0 where there is no limit.
    """

    inputs: Any
    room: Room
    state_bytes: int
    axons_out: Int64

    @property
    def size(self) -> int:
        """Number of neurons."""
        return int(self.inputs.shape[0])

    def sources(self, neuron: int) -> Int32:
        """Return the sources of one neuron."""
        start, end = self.inputs.indptr[neuron : neuron + 2]
        result: Int32 = self.inputs.indices[start:end]
        return result

    def admits(self, neurons: Any, words: Any, axons_in: Any, axons_out: Any) -> Any:
        """Return whether a core may hold this load; scalars, or arrays over cores or choices.

        axons_out limits cores of several neurons only: a single neuron cannot be split.
        """
        room = self.room
        fits = np.asarray(words) >= 0
        if room.neurons is not None:
            fits = fits & (np.asarray(neurons) <= room.neurons)
        if room.words is not None:
            fits = fits & (np.asarray(words) <= room.words)
        if room.axons_in is not None:
            fits = fits & (np.asarray(axons_in) <= room.axons_in)
        if room.axons_out is not None:
            fits = fits & ((np.asarray(axons_out) <= room.axons_out) | (np.asarray(neurons) == 1))
        if room.memory_bytes is not None:
            used = np.asarray(words) * (room.word_bytes or 0.0)
            fits = fits & (used + np.asarray(neurons) * self.state_bytes <= room.memory_bytes)
        return fits


def in_order(task: Task, order: Int64) -> Int32:
    """Return the core of every neuron: in `order`, each goes on the open core if it fits."""
    core_of = np.empty(task.size, np.int32)
    core, neurons, words, axons, out = 0, 0, 0, 0, 0
    counts = np.zeros(task.inputs.shape[1], np.int64)
    for neuron in order:
        sources = task.sources(neuron)
        more = int(task.room.added_words(counts[sources]).sum())
        new = int(np.count_nonzero(counts[sources] == 0))
        sent = int(task.axons_out[neuron])
        if neurons and not task.admits(neurons + 1, words + more, axons + new, out + sent):
            core, neurons, words, axons, out = core + 1, 0, 0, 0, 0
            counts[:] = 0
            new, more = len(sources), len(sources) * (task.room.words_per_axon + 1)
        counts[sources] += 1
        core_of[neuron] = core
        neurons, words, axons, out = neurons + 1, words + more, axons + new, out + sent
    return core_of


def best_fit(task: Task, order: Int64) -> Int32 | None:
    """Return the core of every neuron: each core takes the neurons that share most with it.

    A core starts with the first remaining neuron of `order`. The next is, of all that fit, the one
    whose synapses take the fewest words there, relative to the words that they take alone. None
    where that would take too long.
    """
    fan_out = np.bincount(task.inputs.indices, minlength=task.inputs.shape[1]).astype(float)
    dense = _is_dense(task)
    work = 2.0 * task.size * np.prod(task.inputs.shape) if dense else float((fan_out**2).sum())
    if work > MOST_WORK * (2 if dense else 1):  # matrix products need less time per addition
        return None
    inputs = task.inputs[order]
    prices = _dense_prices(inputs) if dense else _sparse_prices(inputs)
    fan_in = np.diff(inputs.indptr).astype(np.float32)
    alone = np.maximum(fan_in * (task.room.words_per_axon + 1), 1)
    left = np.ones(task.size, bool)
    out = task.axons_out[order]
    core_of = np.empty(task.size, np.int32)
    core = 0
    while left.any():
        counts = np.zeros(inputs.shape[1], np.int64)
        words, axons, sent, neurons = 0.0, 0.0, 0, 0
        more, new = alone.copy(), fan_in.copy()
        choice = int(left.argmax())
        while True:
            sources = inputs.indices[inputs.indptr[choice] : inputs.indptr[choice + 1]]
            words, axons = words + float(more[choice]), axons + float(new[choice])
            sent, neurons = sent + int(out[choice]), neurons + 1
            left[choice], core_of[order[choice]] = False, core
            before = counts[sources]
            counts[sources] += 1
            more += prices(
                sources, task.room.added_words(before + 1) - task.room.added_words(before)
            )
            if task.room.axons_in is not None:
                new += prices(sources, -(before == 0).astype(np.int64))
            fits = left & task.admits(neurons + 1, words + more, axons + new, sent + out)
            if not fits.any():
                break
            choice = int(np.where(fits, more / alone, np.inf).argmin())
        core += 1
    return core_of


def _is_dense(task: Task) -> bool:
    pairs = float(np.prod(task.inputs.shape))
    return pairs <= DENSE_ELEMENTS and task.inputs.nnz > DENSE_SHARE * pairs


def _dense_prices(inputs: Any) -> Callable[[Int32, Int64], Float32]:
    """Return the function (sources, change of each) -> change of every neuron's total."""
    columns = np.ascontiguousarray(inputs.toarray().T.astype(np.float32))

    def change(sources: Int32, delta: Int64) -> Float32:
        vector = np.zeros(len(columns), np.float32)
        vector[sources] = delta
        total: Float32 = vector @ columns  # integers below 2**24: exact
        return total

    return change


def _sparse_prices(inputs: Any) -> Callable[[Int32, Int64], Float32]:
    """Return the same function for few synapses: it visits only neurons with a changed source."""
    readers = inputs.tocsc()
    ends, indices, n = readers.indptr, readers.indices, inputs.shape[0]

    def change(sources: Int32, delta: Int64) -> Float32:
        moved = np.flatnonzero(delta)
        if not len(moved):
            return np.zeros(n, np.float32)
        changed = sources[moved]
        reached = np.concatenate([indices[ends[s] : ends[s + 1]] for s in changed])
        weights = np.repeat(delta[moved], ends[changed + 1] - ends[changed])
        return np.bincount(reached, weights, n).astype(np.float32)

    return change
