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
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.count_law import MAX_TERMS, NEAR, TERMS, Law, begin, compare, law_scratch
from ipvae_snn.kernels.threefry import first_uniforms, uniforms_at

WAITING: Final = 256  # parts that are drawn at once
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


class Parts(NamedTuple):
    """Up to WAITING parts, (WAITING,) each: potential, uniform (int32), place among the spiking.

    low, block: words of their counters (uint32). even, odd: uniforms at the counters.
    """

    potential: Array
    uniform: Array
    place: Array
    low: Array
    block: Array
    even: Array
    odd: Array
    law: Law


class Draw(NamedTuple):
    """Scratch arrays for the draw of one row of K neurons.

    even, odd (ceil((first + K) / 2),) and uniform, reduced (K,) int32: uniforms and potentials of
    part 0; later: whether a neuron is drawn on its own. The first entries of neurons (K + 1,) int64
    and spikes (K + 1,) int32 are the neurons that spike and their counts.
    """

    even: Array
    odd: Array
    uniform: Array
    reduced: Array
    later: Array
    neurons: Array
    spikes: Array
    law: Law
    parts: Parts


@kernel
def draw_scratch(K: int, first: int) -> Draw:
    """Return scratch arrays for the draw of K neurons whose uniforms start at `first`."""
    pairs = (first + K + 1) // 2
    parts = Parts(
        np.empty(WAITING, np.int32),
        np.empty(WAITING, np.int32),
        np.empty(WAITING, np.int64),
        np.empty(WAITING, np.uint32),
        np.empty(WAITING, np.uint32),
        np.empty(WAITING, np.int32),
        np.empty(WAITING, np.int32),
        law_scratch(WAITING),
    )
    return Draw(
        np.empty(pairs, np.int32),
        np.empty(pairs, np.int32),
        np.empty(K, np.int32),
        np.empty(K, np.int32),
        np.empty(K, np.bool_),
        np.empty(K + 1, np.int64),
        np.empty(K + 1, np.int32),
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


@kernel
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


@kernel
def draw(
    sampling: Sampling, seed: np.uint32, image: np.uint32, step: np.uint32, state: Array, row: Draw
) -> int:
    """Set row.neurons and row.spikes to the neurons that spike and their counts; return how many.

    state (K,) int32.
    """
    first_uniforms(seed, image, step, row.even, row.odd)
    _in_order(sampling.first, row.even, row.odd, row.uniform)
    _first_counts(sampling.bits, state, row.uniform, row.reduced, row.later, row.law)
    uniform, later, drawn = row.uniform, row.later, row.law.counted
    neurons, spikes = row.neurons, row.spikes
    bits, first, split = sampling.bits, sampling.first, SPLIT_OCTAVES << sampling.bits
    potential, given, place = row.parts.potential, row.parts.uniform, row.parts.place
    low, block = row.parts.low, row.parts.block
    spiking, waiting, some = 0, 0, False
    for k in range(state.size):
        neurons[spiking], spikes[spiking] = k, drawn[k]
        if later[k]:
            some = True
            spikes[spiking] = 0
            over = state[k] - split
            halvings: int = max(-((-over) >> bits), 0)
            for part in range(1 << halvings):
                potential[waiting] = state[k] - (halvings << bits)
                given[waiting] = uniform[k]
                place[waiting] = spiking
                low[waiting] = step + np.uint32(np.uint32(part) << np.uint32(PART_SHIFT))
                block[waiting] = (first + k) >> 1
                waiting += 1
                if waiting == WAITING:
                    _add_parts(sampling, seed, image, step, row, waiting)
                    waiting = 0
            spiking += 1
        else:
            spiking += drawn[k] > 0
    if some:
        _add_parts(sampling, seed, image, step, row, waiting)
        spiking = _without_silent(spiking, neurons, spikes)
    for i in range(spiking):
        spikes[i] = min(spikes[i], sampling.max_count)
    return spiking


@kernel
def _in_order(first: int, even: Array, odd: Array, uniform: Array) -> None:
    """Set uniform (K,) to those of the neurons from `first` on."""
    K = uniform.size
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


@kernel
def _first_counts(
    bits: int, state: Array, uniform: Array, reduced: Array, later: Array, law: Law
) -> None:
    """Set law.counted to the counts of neurons with one part, and later where it is not decided."""
    split = np.int32(SPLIT_OCTAVES << bits)
    for k in range(state.size):
        reduced[k] = min(state[k], split)
    begin(state.size, bits, reduced, uniform, law)
    compare(state.size, 0, law)
    near, count = law.near, law.counted
    for k in range(state.size):
        later[k] = (state[k] > split) | (near[k] < NEAR) | (count[k] == TERMS)


@kernel
def _add_parts(
    sampling: Sampling, seed: np.uint32, image: np.uint32, step: np.uint32, row: Draw, n: int
) -> None:
    """Add the counts of the first n parts to row.spikes."""
    parts, law = row.parts, row.parts.law
    potential, uniform, place, spikes = parts.potential, parts.uniform, parts.place, row.spikes
    low, even, odd, neurons = parts.low, parts.even, parts.odd, row.neurons
    uniforms_at(seed, image, low[:n], parts.block, even, odd)
    for i in range(n):
        if low[i] != step:  # a later part than part 0, whose uniform is given
            uniform[i] = odd[i] if (sampling.first + neurons[place[i]]) & 1 else even[i]
    begin(n, sampling.bits, potential, uniform, law)
    for compared in range(0, MAX_TERMS, TERMS):
        compare(n, compared, law)
    near, count = law.near, law.counted
    for i in range(n):
        drawn = int(count[i])
        if near[i] < NEAR or drawn == MAX_TERMS:
            drawn = part_count(sampling, potential[i], uniform[i])
        spikes[place[i]] += drawn


@kernel
def _without_silent(spiking: int, neurons: Array, spikes: Array) -> int:
    """Remove the neurons whose count is 0; return how many remain."""
    kept = 0
    for i in range(spiking):
        neurons[kept], spikes[kept] = neurons[i], spikes[i]
        kept += spikes[kept] > 0
    return kept
