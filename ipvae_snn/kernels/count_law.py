"""Counts of many parts at once, by float32 cumulative probabilities where these decide.

A count is the number of cumulative probabilities that do not exceed the uniform (docs/ir.md). In
float32 they are wrong by less than NEAR, so that a uniform farther from all of them has the exact
count; others are left to the exact computation. Errors: a product or sum adds 2**-24 of itself.
With rates up to 8, cumulative sums of p_j that each passed about 3 j + 10 operations are off by at
most sum_j p_j (3 j + 10) 2**-24 <= 34 * 2**-24 = 2.1e-6; the rate's own error, 3 operations and the
series' 2**-23, moves them by at most .4 * 8 * 5 * 2**-24 = 1e-6; roundings of uniform and integers
are below 1e-7. Multiplications may be fused with additions, which rounds less often: what float32
decides is exact either way, so that counts are equal everywhere.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import fused, inner, kernel, plain, scalar

NEAR: Final = np.float32(4e-6)
TERMS: Final = 7  # cumulative probabilities compared by one call of `compare`
MAX_TERMS: Final = 28  # = ir.sampler.MAX_PART_COUNT, four calls
_UNIT: Final = np.float32(2.0**-31)
_ONE: Final = np.float32(1.0)
_ZERO: Final = np.float32(0.0)
_NONE: Final = np.int32(0)
_MINUS_LOG2E: Final = np.float32(-1.4426950408889634)
_MAGIC: Final = np.float32(12582912.0)  # 1.5 * 2**23: adding it rounds to an integer
_BIAS: Final = np.int32(127)
_MANTISSA: Final = np.int32(23)
# Taylor series of 2**x to the sixth order: |x| <= 1/2 leaves 1.2e-7 = 2**-23.
_C1, _C2, _C3, _C4, _C5, _C6 = (
    np.float32(0.6931471805599453**n / f)
    for n, f in zip(range(1, 7), (1, 2, 6, 24, 120, 720), strict=True)
)


Factors = tuple[np.float32, np.float32, np.float32, np.float32, np.float32, np.float32, np.float32]


class Law(NamedTuple):
    """Scratch of N parts, (N,) each: integers that are exponents of `power`, and float32.

    chance: of count 0. counted int32: cumulative probabilities not above the uniform, of those
    compared so far. near: the distance of the uniform to the nearest of them. term, sum: the next
    probability, and the cumulative one before it.
    """

    exponent: Array
    power: Array
    rate: Array
    chance: Array
    term: Array
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
        np.empty(n, np.float32),
        np.empty(n, np.int32),
    )


@scalar
def _exp2(x: np.float32) -> np.float32:
    """Return 2**x for |x| <= 1/2."""
    high = _C4 + x * (_C5 + x * _C6)
    return _ONE + x * (_C1 + x * (_C2 + x * (_C3 + x * high)))


@fused
def set_law(n: int, bits: int, potential: Array, law: Law) -> None:
    """Set rate and chance of the first n parts.

    potential (N,) int32 in 2**-bits octaves, at most 3 octaves.
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


@inner
def begin(n: int, uniform: Array, law: Law) -> None:
    """Compare the first TERMS cumulative probabilities with the uniforms of the first n parts.

    uniform (N,) int32 in 2**-31.
    """
    factors = _factors(0)
    rates, chances, uniforms = law.rate, law.chance, law.uniform
    for i in range(n):
        uniforms[i] = np.float32(uniform[i]) * _UNIT
        law.term[i], law.sum[i], law.near[i], law.counted[i] = _terms(
            rates[i], chances[i], _ZERO, uniforms[i], _ONE, _NONE, factors
        )


@inner
def compare(n: int, compared: int, law: Law) -> None:
    """Compare the next TERMS cumulative probabilities; compared: how many were before."""
    factors = _factors(compared)
    rates, uniforms = law.rate, law.uniform
    for i in range(n):
        law.term[i], law.sum[i], law.near[i], law.counted[i] = _terms(
            rates[i], law.term[i], law.sum[i], uniforms[i], law.near[i], law.counted[i], factors
        )


@plain
def _factors(compared: int) -> Factors:
    """Return what the terms after count `compared` are multiplied with, beside the rate."""
    return (
        _ONE / np.float32(compared + 1),
        _ONE / np.float32(compared + 2),
        _ONE / np.float32(compared + 3),
        _ONE / np.float32(compared + 4),
        _ONE / np.float32(compared + 5),
        _ONE / np.float32(compared + 6),
        _ONE / np.float32(compared + 7),
    )


@plain
def _terms(
    rate: np.float32,
    p: np.float32,
    c: np.float32,
    u: np.float32,
    near: np.float32,
    count: np.int32,
    factors: Factors,
) -> tuple[np.float32, np.float32, np.float32, np.int32]:
    """Return the next probability and cumulative one after TERMS more, and what they change.

    Written out: a loop does not become vector code.
    """
    f1, f2, f3, f4, f5, f6, f7 = factors
    c, near, count = _term(c + p, u, near, count)
    p = p * (rate * f1)
    c, near, count = _term(c + p, u, near, count)
    p = p * (rate * f2)
    c, near, count = _term(c + p, u, near, count)
    p = p * (rate * f3)
    c, near, count = _term(c + p, u, near, count)
    p = p * (rate * f4)
    c, near, count = _term(c + p, u, near, count)
    p = p * (rate * f5)
    c, near, count = _term(c + p, u, near, count)
    p = p * (rate * f6)
    c, near, count = _term(c + p, u, near, count)
    return p * (rate * f7), c, near, count


@plain
def _term(
    c: np.float32, u: np.float32, near: np.float32, count: np.int32
) -> tuple[np.float32, np.float32, np.int32]:
    """Return the cumulative probability, and what one comparison changes."""
    return c, min(near, abs(c - u)), np.int32(count + np.int32(c <= u))
