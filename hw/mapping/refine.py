"""Refinement of a split: emptying cores into others, then moves of neurons that save traffic."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from ipvae_snn.arrays import Bool, Float64, Int32, Int64
from ipvae_snn.hw.mapping.fill import Task

MOST_WORK: Final = 1e9  # most pairs of a synapse and a core per pass
PASSES: Final = 3
WORTH_A_PASS: Final = 0.002  # of all events: least saving of a pass that allows another
LEAST_GAIN: Final = 1e-9  # events per step


@dataclass(frozen=True)
class Traffic:
    """Cost of moves: events per step of each source, and the position of the own neurons.

    first_own: the column of inputs where the population's own neurons start, or None if it does
    not send to itself.
    """

    rates: Float64
    first_own: int | None


class Tally:
    """Load of each core from a population, updated while neurons move."""

    def __init__(self, task: Task, core_of: Int32) -> None:
        self.task, self.core_of = task, core_of.astype(np.int64)
        cores, n_sources = int(core_of.max()) + 1, task.inputs.shape[1]
        self.targets = np.zeros((n_sources, cores), np.int32)
        rows = np.repeat(np.arange(task.size), np.diff(task.inputs.indptr))
        np.add.at(self.targets, (task.inputs.indices, self.core_of[rows]), 1)
        self.neurons = np.bincount(self.core_of, minlength=cores)
        self.words = np.zeros(cores, np.int64)
        for core in range(cores):  # by core: a copy of all targets could be large
            self.words[core] = task.room.axon_words(self.targets[:, core]).sum()
        self.axons = np.count_nonzero(self.targets, axis=0).astype(np.int64)
        self.out = np.bincount(self.core_of, task.axons_out, cores).astype(np.int64)

    @property
    def cores(self) -> int:
        """Number of cores."""
        return len(self.neurons)

    def cores_for(self, neuron: int, cores: Int64) -> tuple[Bool, Int64]:
        """Return which of some other cores can take a neuron, and the words it adds there."""
        targets = self.targets[np.ix_(self.task.sources(neuron), cores)]
        words = self.task.room.added_words(targets).sum(axis=0)
        axons = np.count_nonzero(targets == 0, axis=0)
        fits: Bool = self.task.admits(
            self.neurons[cores] + 1,
            self.words[cores] + words,
            self.axons[cores] + axons,
            self.out[cores] + self.task.axons_out[neuron],
        )
        return fits, words

    def move(self, neuron: int, core: int) -> None:
        """Move a neuron to another core."""
        self._change(neuron, int(self.core_of[neuron]), -1)
        self._change(neuron, core, 1)
        self.core_of[neuron] = core

    def _change(self, neuron: int, core: int, by: int) -> None:
        sources, room = self.task.sources(neuron), self.task.room
        before = self.targets[sources, core]
        self.targets[sources, core] = after = before + by
        self.words[core] += int((room.axon_words(after) - room.axon_words(before)).sum())
        self.axons[core] += np.count_nonzero(after) - np.count_nonzero(before)
        self.neurons[core] += by
        self.out[core] += by * int(self.task.axons_out[neuron])


def dissolve(task: Task, core_of: Int32) -> Int32:
    """Return a split in which no small core can be emptied into the others."""
    while int(core_of.max()) > 0:
        fewer = _without_smallest(task, core_of)
        if fewer is None:
            return core_of
        core_of = fewer
    return core_of


def _without_smallest(task: Task, core_of: Int32) -> Int32 | None:
    tally = Tally(task, core_of)
    smallest = int(tally.neurons.argmin())
    fan_in = np.diff(task.inputs.indptr)
    members = np.flatnonzero(core_of == smallest)
    others = np.delete(np.arange(tally.cores), smallest)
    for neuron in members[np.argsort(-fan_in[members], kind="stable")]:
        fits, words = tally.cores_for(int(neuron), others)
        if not fits.any():
            return None
        tally.move(int(neuron), int(others[np.where(fits, words, np.iinfo(np.int64).max).argmin()]))
    moved = tally.core_of
    return np.where(moved > smallest, moved - 1, moved).astype(np.int32)


def reduce_traffic(task: Task, core_of: Int32, traffic: Traffic) -> Int32:
    """Return the split after moves that each lower the events per step between cores.

    Cores are neither added nor emptied, and no limit is violated. A source sends one message to
    each core with targets of it; the message to its own core does not use the mesh.
    """
    cores = int(core_of.max()) + 1
    if cores == 1 or float(task.inputs.nnz) * cores > MOST_WORK:
        return core_of
    tally = Tally(task, core_of)
    for _ in range(PASSES):
        gain = sum(_improve(tally, neuron, traffic) for neuron in range(task.size))
        if gain < WORTH_A_PASS * float(np.count_nonzero(tally.targets, axis=1) @ traffic.rates):
            break
    return tally.core_of.astype(np.int32)


def _improve(tally: Tally, neuron: int, traffic: Traffic) -> float:
    """Move a neuron to the core where it saves most traffic, if any; return the saving."""
    here = int(tally.core_of[neuron])
    if tally.neurons[here] == 1:
        return 0.0
    gain = _gains(tally, neuron, traffic)
    worth = np.flatnonzero(gain > LEAST_GAIN)
    if not len(worth):
        return 0.0
    fits, _ = tally.cores_for(neuron, worth)
    if not fits.any():
        return 0.0
    best = int(worth[np.where(fits, gain[worth], -np.inf).argmax()])
    tally.move(neuron, best)
    return float(gain[best])


def _gains(tally: Tally, neuron: int, traffic: Traffic) -> Float64:
    """Return the events per step (cores,) saved by moving a neuron there; 0 at its own core."""
    here = int(tally.core_of[neuron])
    sources = tally.task.sources(neuron)
    rates, targets = traffic.rates[sources], tally.targets[sources]
    gain: Float64 = float(rates[targets[:, here] == 1].sum()) - rates @ (targets == 0)
    first = traffic.first_own
    if first is not None:
        # Messages to the sender's own core cost nothing.
        own = (sources >= first) & (sources < first + tally.task.size)
        homes, own_rates, targets = tally.core_of[sources[own] - first], rates[own], targets[own]
        np.add.at(gain, homes, own_rates * (targets[np.arange(len(homes)), homes] == 0))
        gain -= float(own_rates[(targets[:, here] == 1) & (homes == here)].sum())
        reached = tally.targets[first + neuron] > 0
        gain += traffic.rates[first + neuron] * (reached.astype(float) - float(reached[here]))
    gain[here] = 0.0
    return gain
