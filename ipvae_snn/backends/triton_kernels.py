"""Triton kernels of a step: one draws counts, the next adds their sums and updates potentials.

Whole numbers alone, as docs/ir.md says, so that no result depends on the division into blocks.
Imported by `triton_circuit` alone, at the first run: importing Triton takes a second.
"""

from typing import Final

import triton
import triton.language as tl

from ipvae_snn.ir import fixed_point, prng, sampler

DIGIT: Final = 7  # bits of a count that one product of int8 takes

_RATE = tl.constexpr(fixed_point.RATE_BITS)
_PROBABILITY = tl.constexpr(fixed_point.PROBABILITY_BITS)
# Written out, since Triton's interpreter does not shift a whole number by a constant of these.
_ONE = tl.constexpr(1 << fixed_point.PROBABILITY_BITS)
_FRACTION = tl.constexpr((1 << fixed_point.RATE_BITS) - 1)
_COARSE = tl.constexpr(fixed_point.RATE_BITS - fixed_point.TABLE_BITS)
_FINE = tl.constexpr(fixed_point.RATE_BITS - 2 * fixed_point.TABLE_BITS)
_INDEX = tl.constexpr((1 << fixed_point.TABLE_BITS) - 1)
_LEFT = tl.constexpr((1 << (fixed_point.RATE_BITS - 2 * fixed_point.TABLE_BITS)) - 1)
_DIGIT_ONES = tl.constexpr((1 << DIGIT) - 1)
_LN2 = tl.constexpr(fixed_point.LN2)
_LN2_SHIFT = tl.constexpr(
    fixed_point.LN2_BITS + fixed_point.RATE_BITS - fixed_point.PROBABILITY_BITS
)
_LOG2E = tl.constexpr(fixed_point.LOG2E)
_LOG2E_BITS = tl.constexpr(fixed_point.LOG2E_BITS)
_RECIPROCAL = tl.constexpr(fixed_point.RECIPROCAL_BITS)
_PARITY = tl.constexpr(prng.PARITY)
_PART = tl.constexpr(prng.PART_SHIFT)
_DOWN = tl.constexpr(32 - prng.UNIFORM_BITS)
_LARGEST = tl.constexpr(sampler.MAX_PART_COUNT)
_SPLIT = tl.constexpr(sampler.SPLIT_OCTAVES)
_DIGIT = tl.constexpr(DIGIT)


@triton.jit
def _turn(a, b, rotation: tl.constexpr):
    a = a + b
    return a, ((b << rotation) | (b >> (32 - rotation))) ^ a


@triton.jit
def _four(a, b, first, second, odd: tl.constexpr):
    """Four rounds of Threefry-2x32, and the next words of the key schedule."""
    if odd:
        a, b = _turn(a, b, 17)
        a, b = _turn(a, b, 29)
        a, b = _turn(a, b, 16)
        a, b = _turn(a, b, 24)
    else:
        a, b = _turn(a, b, 13)
        a, b = _turn(a, b, 15)
        a, b = _turn(a, b, 26)
        a, b = _turn(a, b, 6)
    return a + first, b + second


@triton.jit
def _uniform(seed, image, low, neuron):
    """Return the uniforms (int64) of neurons under the key (seed, image), all words uint32."""
    third = seed ^ image ^ _PARITY
    a, b = low + seed, (neuron >> 1) + image
    a, b = _four(a, b, image, third + 1, False)
    a, b = _four(a, b, third, seed + 2, True)
    a, b = _four(a, b, seed, image + 3, False)
    a, b = _four(a, b, image, third + 4, True)
    a, b = _four(a, b, third, seed + 5, False)
    return (tl.where((neuron & 1) != 0, b, a) >> _DOWN).to(tl.int64)


@triton.jit
def _exp2_negative(exponent, coarse, fine):
    """Return 2**-x in 2**-31 for x = exponent / 2**28; int64."""
    fraction = exponent & _FRACTION
    high = tl.load(coarse + (fraction >> _COARSE))
    middle = tl.load(fine + ((fraction >> _FINE) & _INDEX))
    rest = _ONE - (((fraction & _LEFT) * _LN2) >> _LN2_SHIFT)
    return ((((high * middle) >> _PROBABILITY) * rest) >> _PROBABILITY) >> (exponent >> _RATE)


@triton.jit(do_not_specialize=["seed", "step"])
def draw(
    state,
    counts,
    totals,
    images,
    hits,
    tables,
    seed,
    step,
    K,
    max_count,
    bits: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Set counts (N, K) int32 to those drawn at state (N, K) int32, and add them to totals (N, K).

    Program (n, i) draws BLOCK neurons of row n. images (N,) int64: keys. tables int64: coarse and
    fine (256 each), then reciprocals. totals int64. Adds spikes and saturated counts to hits (N, 2)
    int64 of this step.
    """
    row = tl.program_id(0)
    neuron = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = neuron < K
    place = row.to(tl.int64) * K + neuron
    potential = tl.load(state + place, mask=inside, other=-(1 << 24)).to(tl.int64)
    halvings = tl.maximum((potential - (_SPLIT << bits) + ((1 << bits) - 1)) >> bits, 0)
    below = (_SPLIT << bits) - (potential - (halvings << bits))
    # Rates below 2**-12 are none: outside of the block alone.
    below = tl.minimum(below, (12 + _SPLIT) << bits)
    coarse, fine, reciprocal = tables, tables + 256, tables + 512
    rate = _exp2_negative(below << (_RATE - bits), coarse, fine)
    silent = _exp2_negative((rate * _LOG2E) >> _LOG2E_BITS, coarse, fine)
    parts = tl.where(inside, tl.full((BLOCK,), 1, tl.int64) << halvings, 0)
    most = tl.max(parts, axis=0)
    key = tl.load(images + row).to(tl.uint32)
    count = tl.zeros((BLOCK,), tl.int64)
    part = tl.zeros((), tl.int64)
    while part < most:
        low = (step + (part << _PART)).to(tl.uint32)
        uniform = _uniform(seed.to(tl.uint32), key, low, neuron.to(tl.uint32))
        probability, cumulative = silent, silent
        above = (cumulative <= uniform) & (part < parts)
        k = tl.zeros((), tl.int64)
        while (k < _LARGEST) & (tl.max(above.to(tl.int32), axis=0) > 0):
            k += 1
            factor = tl.load(reciprocal + k)
            probability = (((probability * rate) >> _RATE) * factor) >> _RECIPROCAL
            counted = above & (probability > 0)
            count += counted.to(tl.int64)
            cumulative += probability
            above = counted & (cumulative <= uniform)
        part += 1
    count = tl.minimum(count, max_count)
    tl.store(counts + place, count.to(tl.int32), mask=inside)
    tl.store(totals + place, tl.load(totals + place, mask=inside, other=0) + count, mask=inside)
    tl.atomic_add(hits + row * 2, tl.sum(count, axis=0))
    full = inside & (count >= max_count)
    tl.atomic_add(hits + row * 2 + 1, tl.sum(full.to(tl.int64), axis=0))


@triton.jit
def update(
    state,
    counts,
    held,
    hits,
    weights,
    neurons,
    N,
    K,
    limits,
    extra: tl.constexpr,
    DIGITS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Update state (N, K) int32 by the counts (N, K) int32 of a step and the input current held.

    Program (i, j) updates ROWS images and BLOCK neurons. held (N, K) int64; weights (K, K) int8 by
    source; neurons (5, K) int64: multiplier, shift, half, self-inhibition, own inhibition; limits
    int64: highest and lowest change, largest and least potential. Adds what saturated to hits
    (N, 3) int64 of this step: excitation, inhibition, potential.
    """
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    neuron = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = (row < N)[:, None] & (neuron < K)[None, :]
    line = row.to(tl.int64)[:, None] * K
    total = tl.zeros((ROWS, BLOCK), tl.int32)
    for start in range(0, K, BLOCK):
        source = start + tl.arange(0, BLOCK)
        given = (row < N)[:, None] & (source < K)[None, :]
        sent = tl.load(counts + line + source[None, :], mask=given, other=0)
        used = (source < K)[:, None] & (neuron < K)[None, :]
        columns = tl.load(weights + source[:, None] * K + neuron[None, :], mask=used, other=0)
        for digit in tl.static_range(DIGITS):
            piece = ((sent >> (digit * _DIGIT)) & _DIGIT_ONES).to(tl.int8)
            total += tl.dot(piece, columns, out_dtype=tl.int32) << (digit * _DIGIT)
    multiplier = tl.load(neurons + neuron, mask=neuron < K, other=0)[None, :]
    shift = tl.load(neurons + K + neuron, mask=neuron < K, other=1)[None, :]
    half = tl.load(neurons + 2 * K + neuron, mask=neuron < K, other=0)[None, :]
    inhibition = tl.load(neurons + 3 * K + neuron, mask=neuron < K, other=0)[None, :]
    own = tl.load(neurons + 4 * K + neuron, mask=neuron < K, other=0)[None, :]
    place = line + neuron[None, :]
    count = tl.load(counts + place, mask=inside, other=0).to(tl.int64)
    drive = (total.to(tl.int64) * multiplier + half) >> shift
    drive += tl.load(held + place, mask=inside, other=0) - inhibition * count
    highest, lowest = tl.load(limits), tl.load(limits + 1)
    top, bottom = tl.load(limits + 2), tl.load(limits + 3)
    bounded = tl.minimum(drive, highest - own * count)
    change = tl.maximum(bounded, lowest)
    before = tl.load(state + place, mask=inside, other=0).to(tl.int64)
    after = before + ((change + ((1 << extra) >> 1)) >> extra)
    tl.store(state + place, tl.minimum(tl.maximum(after, bottom), top).to(tl.int32), mask=inside)
    where = hits + row * 3
    excited = (inside & (bounded != drive)).to(tl.int64)
    tl.atomic_add(where, tl.sum(excited, axis=1), mask=row < N)
    inhibited = (inside & (change != bounded)).to(tl.int64)
    tl.atomic_add(where + 1, tl.sum(inhibited, axis=1), mask=row < N)
    capped = (inside & (after > top)).to(tl.int64)
    tl.atomic_add(where + 2, tl.sum(capped, axis=1), mask=row < N)
