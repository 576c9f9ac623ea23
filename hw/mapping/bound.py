"""Proven lower bound on the number of cores of any split (docs/mapping.md, The bound)."""

from typing import Any

import numpy as np

from ipvae_snn.arrays import Float64, Floats, Integers
from ipvae_snn.hw.mapping.core_capacity import Room

SLACK = 1e-6  # of a word: rounding must not increase the bound


def least_words(targets: Floats, most: int, room: Room) -> Float64:
    """Return the convex lower envelope of the words per axon, at `targets` in [0, most].

    `most` is the largest number of targets of an axon on one core. The words are
    words_per_axon + ceil(t / synapses_per_word); the envelope's corners are 0, the last whole
    number of words, and `most`.
    """
    whole = room.synapses_per_word * (most // room.synapses_per_word)
    at_most = float(room.axon_words(np.array([most]))[0])
    at_whole = float(room.axon_words(np.array([whole]))[0])
    if whole == 0 or at_most * whole <= at_whole * most:
        return np.asarray(targets * (at_most / most), np.float64)
    rise = (at_most - at_whole) / max(most - whole, 1)
    below = targets * (at_whole / whole)
    return np.asarray(np.where(targets <= whole, below, at_whole + (targets - whole) * rise))


def most_neurons(fan_in: Integers, sources: int, room: Room, cap: int) -> int:
    """Return an upper bound on the neurons of one core; at least 1.

    The n neurons of smallest fan-in have D synapses. Spread evenly over all sources (Jensen), their
    axons take at least sources * least_words(D / sources) words.
    """
    total = np.cumsum(np.sort(np.asarray(fan_in, np.int64)))
    most = 1
    if room.axons_in is not None:
        sources = min(sources, room.axons_in)
    for n in range(1, min(cap, len(total)) + 1):
        if room.words is not None and sources:
            share = np.array([min(total[n - 1] / sources, float(n))])
            if sources * least_words(share, n, room)[0] > room.words + SLACK:
                continue
        most = n
    return most


def least_cores(inputs: Any, room: Room, state_bytes: int) -> int:
    """Return the bound for a population with inputs (neurons, sources), a sparse bool matrix.

    Every neuron must fit on a core alone. For C cores, it is best to spread each source's targets
    evenly over them (Jensen), so C is possible only if the envelope's words fit on C cores.
    """
    n = int(inputs.shape[0])
    fan_in = np.diff(inputs.indptr)
    fan_out = np.bincount(inputs.indices, minlength=inputs.shape[1])
    fan_out = fan_out[fan_out > 0]
    cap = min(room.max_neurons(state_bytes) or n, n)
    most = most_neurons(fan_in, len(fan_out), room, cap)
    axons = int((-(-fan_out // most)).sum())

    def enough(cores: int) -> bool:
        words = float(least_words(fan_out / cores, most, room).sum())
        neurons = n / cores
        return (
            neurons <= most
            and (room.words is None or words <= room.words + SLACK)
            and (room.axons_in is None or axons <= cores * room.axons_in)
            and (
                room.memory_bytes is None
                or words * (room.word_bytes or 0.0) + neurons * state_bytes
                <= room.memory_bytes + SLACK
            )
        )

    low, high = max(1, -(-n // most)), n
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
