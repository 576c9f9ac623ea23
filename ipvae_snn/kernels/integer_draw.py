"""Compiled draw of the integer network's spike counts (docs/ir.md), equal to the reference.

Most neurons do not spike in a step; one comparison with a bound excludes most of these.
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
from ipvae_snn.ir.sampler import MAX_PART_COUNT, SPLIT_OCTAVES
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.threefry import first_uniforms, part_uniform

_ONE: Final = 1 << PROBABILITY_BITS
_FRACTION: Final = (1 << RATE_BITS) - 1
_FINE: Final = RATE_BITS - 2 * TABLE_BITS
_LN2_SHIFT: Final = LN2_BITS + RATE_BITS - PROBABILITY_BITS


class Sampling(NamedTuple):
    """Constants of the draw.

    first: index of the first neuron's uniform. least: for each bucket of 2^bucket_shift potentials
    from state_min up, the smallest uniform that can give a spike (0 where a step has several
    parts).
    """

    first: int
    state_min: int
    bits: int
    max_count: int
    bucket_shift: int
    least: Array
    coarse: Array
    fine: Array
    reciprocal: Array


class Draw(NamedTuple):
    """Scratch arrays for the draw of one row of K neurons.

    even, odd (ceil((first + K) / 2),) and uniform (K,) int32: uniforms of part 0. The
    first entries of neurons (K + 1,) int64 and spikes (K,) int32 are the neurons that spike and
    their counts.
    """

    even: Array
    odd: Array
    uniform: Array
    neurons: Array
    spikes: Array


@kernel
def draw_scratch(K: int, first: int) -> Draw:
    """Return scratch arrays for the draw of K neurons whose uniforms start at `first`."""
    pairs = (first + K + 1) // 2
    return Draw(
        np.empty(pairs, np.int32),
        np.empty(pairs, np.int32),
        np.empty(K, np.int32),
        np.empty(K + 1, np.int64),
        np.empty(K, np.int32),
    )


@scalar
def _exp2_negative(exponent: int, coarse: Array, fine: Array) -> int:
    fraction = exponent & _FRACTION
    rest = _ONE - (((fraction & ((1 << _FINE) - 1)) * LN2) >> _LN2_SHIFT)
    middle = fine[(fraction >> _FINE) & ((1 << TABLE_BITS) - 1)]
    product = (coarse[fraction >> (RATE_BITS - TABLE_BITS)] * middle) >> PROBABILITY_BITS
    result: int = ((product * rest) >> PROBABILITY_BITS) >> (exponent >> RATE_BITS)
    return result


@scalar
def _part_count(rate: int, first: int, uniform: int, reciprocal: Array) -> int:
    """Return the count of one part; `first` is P(0) in 2^-31."""
    probability, cumulative, count = first, first, 0
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
    K = state.size
    even, odd, uniform, index, count = row.even, row.odd, row.uniform, row.neurons, row.spikes
    first_uniforms(seed, image, step, even, odd)
    if sampling.first:
        for k in range(K):
            place = sampling.first + k
            uniform[k] = odd[place // 2] if place % 2 else even[place // 2]
    else:  # the same, in a loop that becomes vector code
        for pair in range(K // 2):
            uniform[2 * pair] = even[pair]
            uniform[2 * pair + 1] = odd[pair]
        if K % 2:
            uniform[K - 1] = even[K // 2]
    asked = 0
    for k in range(K):
        index[asked] = k
        asked += (
            uniform[k] >= sampling.least[(state[k] - sampling.state_min) >> sampling.bucket_shift]
        )
    active = 0
    for i in range(asked):
        k = index[i]
        over = int(state[k]) - (SPLIT_OCTAVES << sampling.bits)
        halvings: int = max(-((-over) >> sampling.bits), 0)
        below = (halvings << sampling.bits) - over
        rate = _exp2_negative(below << (RATE_BITS - sampling.bits), sampling.coarse, sampling.fine)
        none = _exp2_negative((rate * LOG2E) >> LOG2E_BITS, sampling.coarse, sampling.fine)
        total = _part_count(rate, none, int(uniform[k]), sampling.reciprocal)
        for part in range(1, 1 << halvings):
            more = int(part_uniform(seed, image, step, part, sampling.first + k))
            total += _part_count(rate, none, more, sampling.reciprocal)
        index[active], count[active] = k, min(total, sampling.max_count)
        active += total > 0
    return active
