"""Counts of many parts at once, by float32 cumulative probabilities where these decide.

A count is the number of cumulative probabilities that do not exceed the uniform (docs/ir.md). In
float32 they are wrong by less than NEAR, so that a uniform farther from all of them has the exact
count; others are left to the exact computation. Errors: a product or sum adds 2**-24 of itself.
With rates up to 8, cumulative sums of p_j that each passed about 3 j + 10 operations are off by at
most sum_j p_j (3 j + 10) 2**-24 <= 34 * 2**-24 = 2.1e-6; the rate's own error, 3 operations, moves
them by at most .4 * 8 * 3 * 2**-24 = 6e-7; roundings of uniform and integers are below 1e-7.
All operations are IEEE ones in a fixed order and none are fused: results are equal everywhere.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, plain

NEAR: Final = np.float32(4e-6)
TERMS: Final = 7  # cumulative probabilities compared by one call of `compare`
MAX_TERMS: Final = 28  # = ir.sampler.MAX_PART_COUNT, four calls
_UNIT: Final = np.float32(2.0**-31)
_ONE: Final = np.float32(1.0)
_MINUS_LOG2E: Final = np.float32(-1.4426950408889634)
_MAGIC: Final = np.float32(12582912.0)  # 1.5 * 2**23: adding it rounds to an integer
_BIAS: Final = np.int32(127)
_MANTISSA: Final = np.int32(23)
# Taylor series of 2**x to the seventh order: |x| <= 1/2 leaves 5e-9.
_C1, _C2, _C3, _C4, _C5, _C6, _C7 = (
    np.float32(0.6931471805599453**n / f)
    for n, f in zip(range(1, 8), (1, 2, 6, 24, 120, 720, 5040), strict=True)
)


class Law(NamedTuple):
    """Scratch of N parts, (N,) each: integers that are exponents of `power`, and float32.

    counted int32: cumulative probabilities not above the uniform, of those compared so far. near:
    the distance of the uniform to the nearest of them.
    """

    exponent: Array
    power: Array
    rate: Array
    chance: Array
    sum: Array
    uniform: Array
    near: Array
    counted: Array


@kernel
def law_scratch(n: int) -> Law:
    """Return scratch arrays for n parts."""
    exponent = np.empty(n, np.int32)
    return Law(
        exponent,
        exponent.view(np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.float32),
        np.empty(n, np.int32),
    )


@plain
def _exp2(x: np.float32) -> np.float32:
    """Return 2**x for |x| <= 1/2."""
    high = _C4 + x * (_C5 + x * (_C6 + x * _C7))
    return _ONE + x * (_C1 + x * (_C2 + x * (_C3 + x * high)))


@kernel
def begin(n: int, bits: int, potential: Array, uniform: Array, law: Law) -> None:
    """Set rate, chance (of count 0) and uniform of the first n parts; nothing is compared yet.

    potential (N,) int32 in 2**-bits octaves, at most 3 octaves; uniform (N,) int32 in 2**-31.
    """
    exponent, power, rate, chance = law.exponent, law.power, law.rate, law.chance
    half, shift = np.int32((1 << bits) >> 1), np.int32(bits)
    unit = np.float32(1.0) / np.float32(1 << bits)
    for i in range(n):
        whole = np.int32((potential[i] + half) >> shift)
        chance[i] = np.float32(np.int32(potential[i] - np.int32(whole << shift))) * unit
        exponent[i] = np.int32(np.int32(whole + _BIAS) << _MANTISSA)
    for i in range(n):
        rate[i] = power[i] * _exp2(chance[i])
    for i in range(n):
        power[i] = rate[i] * _MINUS_LOG2E + _MAGIC
        chance[i] = rate[i] * _MINUS_LOG2E - (power[i] - _MAGIC)
    for i in range(n):
        exponent[i] = np.int32(np.int32(exponent[i] << _MANTISSA) + np.int32(_BIAS << _MANTISSA))
    for i in range(n):
        chance[i] = power[i] * _exp2(chance[i])
    for i in range(n):
        law.uniform[i] = np.float32(uniform[i]) * _UNIT
        law.sum[i] = np.float32(0.0)
        law.near[i] = _ONE
        law.counted[i] = 0


@kernel
def compare(n: int, compared: int, law: Law) -> None:
    """Compare the next TERMS cumulative probabilities with the uniforms of the first n parts.

    compared: how many were before.
    """
    i1 = _ONE / np.float32(compared + 1)
    i2 = _ONE / np.float32(compared + 2)
    i3 = _ONE / np.float32(compared + 3)
    i4 = _ONE / np.float32(compared + 4)
    i5 = _ONE / np.float32(compared + 5)
    i6 = _ONE / np.float32(compared + 6)
    i7 = _ONE / np.float32(compared + 7)
    rates, chances, sums = law.rate, law.chance, law.sum
    uniforms, nears, counts = law.uniform, law.near, law.counted
    for i in range(n):
        rate, p, c, u = rates[i], chances[i], sums[i], uniforms[i]
        near, count = nears[i], counts[i]
        c, near, count = _term(c + p, u, near, count)
        p = p * (rate * i1)
        c, near, count = _term(c + p, u, near, count)
        p = p * (rate * i2)
        c, near, count = _term(c + p, u, near, count)
        p = p * (rate * i3)
        c, near, count = _term(c + p, u, near, count)
        p = p * (rate * i4)
        c, near, count = _term(c + p, u, near, count)
        p = p * (rate * i5)
        c, near, count = _term(c + p, u, near, count)
        p = p * (rate * i6)
        c, near, count = _term(c + p, u, near, count)
        p = p * (rate * i7)
        chances[i], sums[i], nears[i], counts[i] = p, c, near, count


@plain
def _term(
    c: np.float32, u: np.float32, near: np.float32, count: np.int32
) -> tuple[np.float32, np.float32, np.int32]:
    """Return the cumulative probability, and what one comparison changes."""
    return c, min(near, abs(c - u)), np.int32(count + np.int32(c <= u))
