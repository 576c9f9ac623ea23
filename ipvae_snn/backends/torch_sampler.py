"""Keyed generator and integer Poisson sampler on torch tensors, equal to the reference.

Most neurons do not spike at most steps. A float estimate with a wide margin identifies neurons that
cannot spike. Only the others go through the exact sampler, and only those at high rates draw
further parts, so that the time grows with the number of spikes rather than of neurons.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor

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
from ipvae_snn.ir.prng import PARITY, PART_SHIFT, ROTATIONS, ROUNDS, UNIFORM_BITS
from ipvae_snn.ir.sampler import MAX_PART_COUNT, SPIKE_BITS, SPLIT_OCTAVES

# Margin below the estimated probability of no spike from which a uniform goes to the exact sampler.
# It covers many times the estimate's float32 errors (below 1e-6) and the integer distribution's
# distance to Poisson (below 2e-6). It also covers e**-8, so that every neuron of more than one part
# goes to the exact sampler.
MARGIN: Final = 2.0**-11
PARTS_AT_ONCE: Final = 1 << 20  # bounds the memory of a network that has run away
_SIGN: Final = 1 << 31
_MASK: Final = (1 << 32) - 1


@dataclass(frozen=True)
class Tables:
    """The sampler's constants: coarse and fine (256,) int64 tensors, and 1 / k in 2**-30."""

    coarse: Tensor
    fine: Tensor
    reciprocal: tuple[int, ...]


@dataclass(frozen=True)
class Keys:
    """Keys of the draws of N rows: seed, image and step, each (N,) int64 and below 2**32.

    Each row of a batch has its own key, so rows of one batch may be at different steps.
    """

    seed: Tensor
    image: Tensor
    step: Tensor


def threefry2x32(key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Return both words of Threefry-2x32-20 as int32 bit patterns; int32 tensors that broadcast.

    Sums wrap and left shifts drop bits in int32 as in uint32. torch cannot shift uint32, so the
    sign bits from an arithmetic right shift are masked.
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ PARITY)
    second = counter[1] + schedule[1]
    first = torch.zeros_like(second).add_(counter[0] + schedule[0])
    high = torch.empty_like(second)
    for round_ in range(ROUNDS):
        rotation = ROTATIONS[round_ % 8]
        first.add_(second)
        torch.bitwise_left_shift(second, rotation, out=high)
        second.bitwise_right_shift_(32 - rotation).bitwise_and_((1 << rotation) - 1)
        second.bitwise_or_(high).bitwise_xor_(first)
        if round_ % 4 == 3:
            block = round_ // 4 + 1
            first.add_(schedule[block % 3])
            second.add_(schedule[(block + 1) % 3] + block)
    return first, second


def uniforms(keys: Keys, n_neurons: int, start: int = 0) -> Tensor:
    """Return part 0's uniforms of the neurons from index `start` on.

    They are (N, n_neurons) int32 in [0, 2**UNIFORM_BITS).
    """
    last = (start + n_neurons + 1) // 2
    blocks = torch.arange(start // 2, last, dtype=torch.int32, device=keys.image.device)
    seed, image, step = (_bits(part).unsqueeze(1) for part in (keys.seed, keys.image, keys.step))
    words = torch.stack(threefry2x32((seed, image), (step, blocks.unsqueeze(0))), dim=-1)
    odd = start % 2  # a block holds the uniforms of two neurons
    return _upper(words.flatten(1)[:, odd : odd + n_neurons])


def part_uniforms(keys: Keys, row: Tensor, neuron: Tensor, part: Tensor) -> Tensor:
    """Return S uniforms (S,) int32: of `part` of the neuron `neuron` of row `row`, each (S,)."""
    counter = _bits(_at(keys.step, row) + (part << PART_SHIFT))
    seed, image = _bits(_at(keys.seed, row)), _bits(_at(keys.image, row))
    even, odd = threefry2x32((seed, image), (counter, (neuron >> 1).to(torch.int32)))
    return _upper(torch.where((neuron & 1).bool(), odd, even))


def exp2_negative(exponent: Tensor, tables: Tables) -> Tensor:
    """Return 2**-x in 2**-31 for x = exponent / 2**28, int64 (S,), as fixed_point does."""
    fraction = exponent & ((1 << RATE_BITS) - 1)
    low_bits = RATE_BITS - 2 * TABLE_BITS
    high = _at(tables.coarse, fraction >> (RATE_BITS - TABLE_BITS))
    middle = _at(tables.fine, (fraction >> low_bits) & ((1 << TABLE_BITS) - 1))
    low = fraction & ((1 << low_bits) - 1)
    rest = (1 << PROBABILITY_BITS) - ((low * LN2) >> (LN2_BITS + RATE_BITS - PROBABILITY_BITS))
    product = (high * middle) >> PROBABILITY_BITS
    return ((product * rest) >> PROBABILITY_BITS) >> (exponent >> RATE_BITS)


def part_count(rate: Tensor, uniform: Tensor, tables: Tables) -> Tensor:
    """Return the counts (S,) int64 of one part at rates (S,) int64, uniforms (S,) int64.

    Neurons leave the loop as soon as their count is final, since inversion continues for few.
    """
    probability = exp2_negative((rate * LOG2E) >> LOG2E_BITS, tables)
    cumulative = probability
    count = torch.zeros_like(rate)
    where = torch.arange(len(rate), device=rate.device)
    for k in range(1, MAX_PART_COUNT + 1):
        above = (cumulative <= uniform).nonzero().squeeze(1)
        if not len(above):
            break
        where, rate, uniform = _at(where, above), _at(rate, above), _at(uniform, above)
        probability = (_at(probability, above) * rate) >> RATE_BITS
        probability = (probability * tables.reciprocal[k]) >> RECIPROCAL_BITS
        cumulative = _at(cumulative, above) + probability
        count.index_add_(0, where, (probability > 0).long())
    return count


def part_rates(potential: Tensor, fraction_bits: int, tables: Tables) -> tuple[Tensor, Tensor]:
    """Return (j, rate of one of 2**j parts in 2**-28) at potentials (S,) int64, as sampler does."""
    top = SPLIT_OCTAVES << fraction_bits
    parts_log2 = ((potential - top).neg_() >> fraction_bits).neg_().clamp_(0)
    below_eight = top - potential + (parts_log2 << fraction_bits)
    return parts_log2, exp2_negative(below_eight << (RATE_BITS - fraction_bits), tables)


def spike_rates(potential: Tensor, fraction_bits: int, max_count: int, tables: Tables) -> Tensor:
    """Return the rates (N, K) int64 at potentials (N, K) int64, in 2**-12 spikes per step."""
    parts_log2, rate = part_rates(potential.reshape(-1), fraction_bits, tables)
    shift = RATE_BITS - SPIKE_BITS
    rate = ((rate << parts_log2) + (1 << (shift - 1))) >> shift
    return rate.clamp_(max=max_count << SPIKE_BITS).view_as(potential)


def spike_counts(
    potential: Tensor,
    keys: Keys,
    fraction_bits: int,
    max_count: int,
    tables: Tables,
    start: int = 0,
) -> Tensor:
    """Return the spike counts (N, K) int64 drawn at membrane potentials (N, K) int64.

    start: neuron index of the first of them, under which it draws.
    """
    n_neurons = potential.shape[1]
    first = uniforms(keys, n_neurons, start)
    rate = torch.exp2(potential.float().mul_(2.0**-fraction_bits))
    none = rate.neg_().exp_().sub_(MARGIN)
    maybe = (first.float().mul_(2.0**-UNIFORM_BITS) >= none).view(-1).nonzero().squeeze(1)
    v = _at(potential.reshape(-1), maybe)
    parts_log2, rate = part_rates(v, fraction_bits, tables)
    drawn = part_count(rate, _at(first.reshape(-1), maybe).long(), tables)
    more = (parts_log2 > 0).nonzero().squeeze(1)
    if len(more):
        extra = (1 << _at(parts_log2, more)) - 1
        for piece in _pieces(extra):
            owner, part = _parts(extra[piece])
            which = _at(more[piece], owner)
            index = _at(maybe, which)
            neuron = index % n_neurons + start
            uniform = part_uniforms(keys, index // n_neurons, neuron, part)
            drawn.index_add_(0, which, part_count(_at(rate, which), uniform.long(), tables))
    count = torch.zeros_like(potential).view(-1)
    count.index_copy_(0, maybe, drawn.clamp_(max=max_count))
    return count.view_as(potential)


def _pieces(extra: Tensor) -> list[slice]:
    """Return slices of neurons with `extra` (S,) parts each, of about PARTS_AT_ONCE parts.

    Only a network that has run away needs more than one.
    """
    ends = extra.cumsum(0)
    total = int(ends[-1])
    if total <= PARTS_AT_ONCE:
        return [slice(0, len(extra))]
    marks = torch.arange(PARTS_AT_ONCE, total, PARTS_AT_ONCE, device=extra.device)
    cuts = [0, *torch.searchsorted(ends, marks).tolist(), len(extra)]
    return [slice(start, stop) for start, stop in pairwise(cuts) if start < stop]


def _parts(extra: Tensor) -> tuple[Tensor, Tensor]:
    """Return (owner, part), one entry per part: owner i has the parts 1 .. extra[i]."""
    owner = torch.repeat_interleave(extra)
    first = extra.cumsum(0) - extra
    return owner, torch.arange(len(owner), device=extra.device) - _at(first, owner) + 1


def _bits(words: Tensor) -> Tensor:
    """Return numbers in [0, 2**32) as int32 with the same bits, without an overflowing cast."""
    return (((words + _SIGN) & _MASK) - _SIGN).to(torch.int32)


def _at(values: Tensor, index: Tensor) -> Tensor:
    """Return values[index], both flat, in a third of the time of indexing by brackets."""
    return values.index_select(0, index)


def _upper(words: Tensor) -> Tensor:
    return (words >> (32 - UNIFORM_BITS)) & ((1 << UNIFORM_BITS) - 1)
