"""Scalar functions that LLVM can vectorise: exp, log, bits of numbers, counter-based uniforms.

Numba calls the C library once per element for exp and log, which is not vectorised. The float32
versions here are the Cephes polynomials (Moshier 1992) without a branch; float64 calls the C
library, for checks. The uniforms are SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
"""

import math
from collections.abc import Callable
from typing import Any, Final, cast

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from ipvae_snn.kernels.compiled import scalar

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_30: Final = np.uint64(30)
_27: Final = np.uint64(27)
_31: Final = np.uint64(31)
_40: Final = np.uint64(40)
_8: Final = np.uint32(8)
_23: Final = np.int32(23)
_127: Final = np.int32(127)
_MANTISSA: Final = np.int32(0x007FFFFF)
_HALF_BITS: Final = np.int32(0x3F000000)

# exp: argument reduction by ln 2 in two parts, and the polynomial on [-ln 2 / 2, ln 2 / 2].
_LOG2_E: Final = np.float32(1.44269504088896341)
_LN2_HIGH: Final = np.float32(0.693359375)
_LN2_LOW: Final = np.float32(-2.12194440e-4)
_EXP_LOW: Final = np.float32(-87.0)
_EXP_HIGH: Final = np.float32(88.0)
_ROUND: Final = np.float32(12582912.0)  # 1.5 * 2^23: adding it rounds to an integer
_E: Final = tuple(
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)
_L: Final = tuple(
    np.float32(c)
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)
_SQRT_HALF: Final = np.float32(0.70710678118654752440)
_ONE: Final = np.float32(1.0)
_HALF: Final = np.float32(0.5)
_ZERO: Final = np.float32(0.0)
_2_TO_MINUS_24: Final = np.float32(2.0**-24)

Codegen = tuple[Any, Callable[..., Any]]


@intrinsic
def _float_of_bits(_context: Any, bits: Any) -> Codegen:
    """Return the float32 with the bits of an int32."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _context.get_value_type(types.float32))

    return types.float32(types.int32), codegen


@intrinsic
def _bits_of_float(_context: Any, value: Any) -> Codegen:
    """Return the bits of a float32 as an int32."""

    def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _context.get_value_type(types.int32))

    return types.int32(types.float32), codegen


float_of_bits = cast(Callable[[np.int32], np.float32], _float_of_bits)
bits_of_float = cast(Callable[[np.float32], np.int32], _bits_of_float)


@scalar
def exp_float32(x: np.float32) -> np.float32:
    """Return e^x in float32, within 2 units in the last place for x in [-87, 88]; it saturates."""
    x = min(max(x, _EXP_LOW), _EXP_HIGH)
    n = (x * _LOG2_E + _ROUND) - _ROUND
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = _E[0]
    p = p * r + _E[1]
    p = p * r + _E[2]
    p = p * r + _E[3]
    p = p * r + _E[4]
    p = p * r + _E[5]
    p = p * (r * r) + r + _ONE
    return p * float_of_bits((np.int32(n) + _127) << _23)


@scalar
def log_float32(x: np.float32) -> np.float32:
    """Return ln x in float32, within 2 units in the last place, for normal x > 0."""
    bits = bits_of_float(x)
    e = np.float32((bits >> _23) - np.int32(126))
    m = float_of_bits((bits & _MANTISSA) | _HALF_BITS)
    small = m < _SQRT_HALF
    e = e - _ONE if small else e
    m = (m + m if small else m) - _ONE
    squared = m * m
    p = _L[0]
    p = p * m + _L[1]
    p = p * m + _L[2]
    p = p * m + _L[3]
    p = p * m + _L[4]
    p = p * m + _L[5]
    p = p * m + _L[6]
    p = p * m + _L[7]
    p = p * m + _L[8]
    y = p * m * squared + e * _LN2_LOW - _HALF * squared
    return m + y + e * _LN2_HIGH


def exp_of(x: float | np.floating[Any]) -> float:
    """Return e^x in the type of x; for use in compiled functions only."""
    return math.exp(x)


def log_of(x: float | np.floating[Any]) -> float:
    """Return ln x in the type of x; for use in compiled functions only."""
    return math.log(x)


@overload(exp_of)
def _exp_of(x):  # type: ignore[no-untyped-def]  # numba compares the two signatures
    if x == types.float32:
        return lambda x: exp_float32(x)
    return lambda x: math.exp(x)


@overload(log_of)
def _log_of(x):  # type: ignore[no-untyped-def]  # numba compares the two signatures
    if x == types.float32:
        return lambda x: log_float32(x)
    return lambda x: math.log(x)


@scalar
def mixed(state: np.uint64) -> np.uint64:
    """Return SplitMix64's output for a state, uint64."""
    state = (state ^ (state >> _30)) * _MIX_1
    state = (state ^ (state >> _27)) * _MIX_2
    return state ^ (state >> _31)


@scalar
def fraction(bits: np.uint32) -> np.float32:
    """Return a float32 uniform in [0, 1) from the upper 24 bits of 32; exact."""
    return np.float32(np.int32(bits >> _8)) * _2_TO_MINUS_24


@scalar
def open_uniform(bits: np.uint64) -> np.float32:
    """Return a float32 uniform in (0, 1] from the upper 24 bits; exact, and never 0."""
    return _ONE - np.float32(np.int32(bits >> _40)) * _2_TO_MINUS_24
