"""Compiled draw of the integer network's spike counts (docs/ir.md), equal to the reference.

All neurons are drawn at once in float32 (kernels/count_law.py); what that does not decide, and the
parts of neurons with high rates, are drawn after them.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.ir.fixed_point import (
    LN2,
    LN2_BITS,
    LOG2E,
    LOG2E_BITS,
    PROBABILITY_BITS,
    RATE_BITS,
    RECIPROCAL_BITS,
    TABLE_BITS,
)
from ipvae_snn.ir.prng import PART_SHIFT
from ipvae_snn.ir.sampler import MAX_PART_COUNT, SPLIT_OCTAVES
from ipvae_snn.kernels.compiled import inner, kernel, scalar
from ipvae_snn.kernels.count_law import NEAR, TERMS, Law, begin, compare, law_scratch, set_law
from ipvae_snn.kernels.threefry import first_uniforms, uniforms_at

WAITING: Final = 256  # parts that are drawn at once
COMPARED: Final = 2 * TERMS  # one part in thirty or fewer counts more, and is computed exactly
# Status of a neuron, a sum: part 0 spikes; has further parts, or (with OPEN) part 0 is undecided.
SPIKING: Final = 1
OPEN: Final = 2
UNDECIDED: Final = 6
_ONE: Final = 1 << PROBABILITY_BITS
_FRACTION: Final = (1 << RATE_BITS) - 1
_FINE: Final = RATE_BITS - 2 * TABLE_BITS
_LN2_SHIFT: Final = LN2_BITS + RATE_BITS - PROBABILITY_BITS


class Sampling(NamedTuple):
    """Constants of the draw. first: index of the first neuron's uniform; bits: of a potential."""

    first: int
    bits: int
    max_count: int
    coarse: Array
    fine: Array
    reciprocal: Array


class Pairs(NamedTuple):
    """Uniforms of even and odd neurons, (n,) int32 each."""

    even: Array
    odd: Array


class Parts(NamedTuple):
    """Up to WAITING parts, (WAITING,) each: whose they are, which they are, and their uniforms.

    neuron, place among the spiking (int64), part, uniform (int32). low, block: words of their
    counters (uint32). pairs: both uniforms at the counters.
    """

    neuron: Array
    place: Array
    part: Array
    uniform: Array
    low: Array
    block: Array
    pairs: Pairs
    law: Law


class Draw(NamedTuple):
    """Scratch arrays for the draw of one row of K neurons.

    pairs, uniform (K,): uniforms of part 0. potential, halvings (K,) int32: the potential of each
    of the neuron's 2**halvings parts. status (K,) int32: see OPEN. counts (K,) int32: the neurons'
    counts; at first of part 0, and 0 where it is undecided. The first entries of neurons (K + 1,)
    int64 and spikes (K + 1,) int32 are the neurons that spike and their counts; those of open
    (K + 1,) int64 say which of these have more parts.
    """

    pairs: Pairs
    uniform: Array
    potential: Array
    halvings: Array
    status: Array
    counts: Array
    neurons: Array
    spikes: Array
    open: Array
    law: Law
    parts: Parts


@kernel
def draw_scratch(K: int, first: int) -> Draw:
    """Return scratch arrays for the draw of K neurons whose uniforms start at `first`."""
    n = (first + K + 1) // 2
    parts = Parts(
        np.empty(WAITING, np.int64),
        np.empty(WAITING, np.int64),
        np.empty(WAITING, np.int32),
        np.empty(WAITING, np.int32),
        np.empty(WAITING, np.uint32),
        np.empty(WAITING, np.uint32),
        Pairs(np.empty(WAITING, np.int32), np.empty(WAITING, np.int32)),
        law_scratch(WAITING),
    )
    return Draw(
        Pairs(np.empty(n, np.int32), np.empty(n, np.int32)),
        np.empty(K, np.int32),
        np.empty(K, np.int32),
        np.empty(K, np.int32),
        np.empty(K, np.int32),
        np.empty(K, np.int32),
        np.empty(K + 1, np.int64),
        np.empty(K + 1, np.int32),
        np.empty(K + 1, np.int64),
        law_scratch(K),
        parts,
    )


@scalar
def _exp2_negative(exponent: int, coarse: Array, fine: Array) -> int:
    fraction = exponent & _FRACTION
    rest = _ONE - (((fraction & ((1 << _FINE) - 1)) * LN2) >> _LN2_SHIFT)
    middle = fine[(fraction >> _FINE) & ((1 << TABLE_BITS) - 1)]
    product = (coarse[fraction >> (RATE_BITS - TABLE_BITS)] * middle) >> PROBABILITY_BITS
    result: int = ((product * rest) >> PROBABILITY_BITS) >> (exponent >> RATE_BITS)
    return result


@inner
def part_count(sampling: Sampling, potential: int, uniform: int) -> int:
    """Return the exact count of one part, at a potential of at most SPLIT_OCTAVES octaves."""
    coarse, fine, reciprocal = sampling.coarse, sampling.fine, sampling.reciprocal
    below = (SPLIT_OCTAVES << sampling.bits) - potential
    rate = _exp2_negative(below << (RATE_BITS - sampling.bits), coarse, fine)
    probability = _exp2_negative((rate * LOG2E) >> LOG2E_BITS, coarse, fine)
    cumulative, count = probability, 0
    while cumulative <= uniform and count < MAX_PART_COUNT:
        scaled = (probability * rate) >> RATE_BITS
        probability = (scaled * reciprocal[count + 1]) >> RECIPROCAL_BITS
        if probability == 0:  # probability lost in the shifts goes to no later count
            break
        count += 1
        cumulative += probability
    return count


@inner
def draw(
    sampling: Sampling, seed: np.uint32, image: np.uint32, step: np.uint32, state: Array, row: Draw
) -> int:
    """Set row.counts (K,), and row.neurons and row.spikes to those of it above 0; return how many.

    state (K,) int32.
    """
    first_uniforms(seed, image, step, row.pairs.even, row.pairs.odd)
    _in_order(sampling.first, row.pairs, row.uniform)
    _first_parts(sampling, state, row)
    spiking, opened = _listed(row)
    if opened == 0:
        return spiking
    _further_parts(sampling, seed, image, step, row, opened)
    highest = np.int32(sampling.max_count)
    for i in range(opened):
        place = row.open[i]
        row.spikes[place] = min(row.spikes[place], highest)
        row.counts[row.neurons[place]] = row.spikes[place]
    return _without_silent(spiking, row.neurons, row.spikes)


@inner
def _in_order(first: int, pairs: Pairs, uniform: Array) -> None:
    """Set uniform (K,) to those of the neurons from `first` on."""
    even, odd, K = pairs.even, pairs.odd, uniform.size
    if first:
        for k in range(K):
            place = first + k
            uniform[k] = odd[place // 2] if place % 2 else even[place // 2]
        return
    for pair in range(K // 2):  # the same, in a loop that becomes vector code
        uniform[2 * pair] = even[pair]
        uniform[2 * pair + 1] = odd[pair]
    if K % 2:
        uniform[K - 1] = even[K // 2]


@inner
def _first_parts(sampling: Sampling, state: Array, row: Draw) -> None:
    """Set potential, halvings, law, status and count of all neurons, by part 0 of each."""
    potential, halvings, law = row.potential, row.halvings, row.law
    status, count, bits = row.status, row.counts, sampling.bits
    beyond, none = np.int32(((1 << bits) - 1) - (SPLIT_OCTAVES << bits)), np.int32(0)
    shift = np.int32(bits & 31)  # the compiler sees that no shift is too far
    for k in range(state.size):
        v = state[k]
        octaves = np.int32(np.int32(v + beyond) >> shift)
        octaves = octaves if octaves > none else none
        halvings[k] = octaves
        potential[k] = np.int32(v - np.int32(octaves << shift))
    set_law(state.size, bits, potential, law)
    begin(state.size, row.uniform, law)
    near, counted = law.near, law.counted
    spiking, opened, undecided = np.int32(SPIKING), np.int32(OPEN), np.int32(UNDECIDED)
    highest = np.int32(sampling.max_count)
    for k in range(state.size):
        known = (near[k] >= NEAR) & (counted[k] < TERMS)
        count[k] = min(counted[k], highest) if known else none
        first = spiking if counted[k] > 0 else none
        status[k] = np.int32(first | (opened if halvings[k] > 0 else none)) | (
            none if known else undecided
        )


@inner
def _listed(row: Draw) -> tuple[int, int]:
    """List the neurons that spike or are open; return how many, and how many are open."""
    status, count, neurons = row.status, row.counts, row.neurons
    spikes, opened = row.spikes, row.open
    spiking, some = 0, 0
    for k in range(status.size):
        neurons[spiking], spikes[spiking], opened[some] = k, count[k], spiking
        some += (status[k] >> 1) & 1
        spiking += status[k] != 0
    return spiking, some


@inner
def _further_parts(
    sampling: Sampling, seed: np.uint32, image: np.uint32, step: np.uint32, row: Draw, opened: int
) -> None:
    """Add the counts of the open neurons' parts that are not drawn yet to row.spikes."""
    parts, waiting = row.parts, 0
    neuron, place, number = parts.neuron, parts.place, parts.part
    for i in range(opened):
        at = row.open[i]
        k = row.neurons[at]
        decided = 0 if row.status[k] >= UNDECIDED else 1
        for part in range(decided, 1 << row.halvings[k]):
            neuron[waiting], place[waiting], number[waiting] = k, at, part
            waiting += 1
            if waiting == WAITING:
                _add_parts(sampling, seed, image, step, row, waiting)
                waiting = 0
    _add_parts(sampling, seed, image, step, row, waiting)


@inner
def _add_parts(
    sampling: Sampling, seed: np.uint32, image: np.uint32, step: np.uint32, row: Draw, n: int
) -> None:
    """Add the counts of the first n parts to row.spikes."""
    parts, law, spikes, first = row.parts, row.parts.law, row.spikes, sampling.first
    neuron, number, uniform, pairs = parts.neuron, parts.part, parts.uniform, parts.pairs
    for i in range(n):
        parts.block[i] = np.uint32((first + neuron[i]) >> 1)
        parts.low[i] = step + np.uint32(np.uint32(number[i]) << np.uint32(PART_SHIFT))
    uniforms_at(seed, image, parts.low[:n], parts.block, pairs.even, pairs.odd)
    for i in range(n):
        law.rate[i] = row.law.rate[neuron[i]]
        law.chance[i] = row.law.chance[neuron[i]]
        uniform[i] = row.uniform[neuron[i]]
    for i in range(n):
        later = pairs.odd[i] if (first + neuron[i]) & 1 else pairs.even[i]
        uniform[i] = later if number[i] else uniform[i]  # part 0's is given
    begin(n, uniform, law)
    for compared in range(TERMS, COMPARED, TERMS):
        compare(n, compared, law)
    near, count = law.near, law.counted
    for i in range(n):
        drawn = int(count[i])
        if near[i] < NEAR or drawn == COMPARED:
            drawn = part_count(sampling, row.potential[neuron[i]], uniform[i])
        spikes[parts.place[i]] += drawn


@inner
def _without_silent(spiking: int, neurons: Array, spikes: Array) -> int:
    """Remove the neurons whose count is 0; return how many remain."""
    least = np.int32(1)
    for i in range(spiking):
        least = min(least, spikes[i])
    if least > 0:
        return spiking
    kept = 0
    for i in range(spiking):
        neurons[kept], spikes[kept] = neurons[i], spikes[i]
        kept += spikes[kept] > 0
    return kept
