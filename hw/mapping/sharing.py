"""Synapse words where a chip stores equal lists of synapses once (docs/mapping.md, Sharing).

An axon then points to a list, and adds the number of its first neuron on the core. Two axons share
a list if their weights are equal and their targets differ by one offset. Neurons have their numbers
on a core in the order of the population.
"""

import numpy as np
from scipy import sparse

from ipvae_snn.arrays import Int32, Int64
from ipvae_snn.hw.mapping.core_capacity import Room
from ipvae_snn.hw.mapping.populations import Shared


def numbers_on_cores(core_of: Int32) -> Int64:
    """Return the number that each neuron (n,) has on its core, from 0."""
    order = np.argsort(core_of, kind="stable")
    cores = core_of[order].astype(np.int64)
    first = np.searchsorted(cores, cores)
    numbers = np.empty(len(core_of), np.int64)
    numbers[order] = np.arange(len(core_of)) - first
    return numbers


def words_of_lists(shared: Shared, core_of: Int32, cores: int, room: Room) -> Int64:
    """Return the words (cores,) of all different lists of a projection on each core.

    shared (targets, sources): the weights; core_of (targets,) in 0 .. cores - 1.
    """
    by_source = sparse.csc_array(shared)
    by_source.sort_indices()
    source = np.repeat(np.arange(by_source.shape[1]), np.diff(by_source.indptr))
    core = core_of[by_source.indices]
    # Stable: of one core and source, targets stay in their order, which is that of their numbers.
    order = np.lexsort((source, core))
    core, source = core[order].astype(np.int64), source[order]
    number = numbers_on_cores(core_of)[by_source.indices[order]]
    weight = by_source.data[order].astype(np.int64)
    starts = np.flatnonzero(np.diff(core, prepend=-1) | np.diff(source, prepend=-1))
    ends = np.append(starts[1:], len(core))
    offsets = number - np.repeat(number[starts], ends - starts)
    synapses = (offsets << 8) | (weight & 0xFF)  # a synapse: the target's offset, and its weight
    lists = {
        (int(core[start]), synapses[start:end].tobytes())
        for start, end in zip(starts, ends, strict=True)
    }
    on = np.array([where for where, _ in lists], np.int64)
    targets = np.array([len(data) // synapses.itemsize for _, data in lists], np.int64)
    return np.bincount(on, room.axon_words(targets), cores).astype(np.int64)
