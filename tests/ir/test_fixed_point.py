"""Rounding, shifts and the exponential against exact arithmetic."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.ir.fixed_point import (
    LN2,
    LOG2E,
    exp2_negative,
    exp2_tables,
    multiply_shift,
    reciprocals,
    round_shift,
    signed_limit,
)

COARSE, FINE = exp2_tables()


def one(value: int) -> np.ndarray:
    """Return a one-element int64 array."""
    return np.array([value], dtype=np.int64)


def test_constants_are_the_rounded_reals() -> None:
    """2**30 log2 e = 1549082004.75.. and 2**30 ln 2 = 744261117.95.. (bc, scale 30)."""
    assert round((1 << 30) * 1.4426950408889634) == LOG2E
    assert round((1 << 30) * 0.6931471805599453) == LN2


def test_round_shift_rounds_half_up_for_both_signs() -> None:
    """-5 / 2 = -2.5 goes up to -2, 5 / 2 = 2.5 up to 3, -6 / 4 = -1.5 to -1."""
    assert round_shift(one(-5), 1) == -2
    assert round_shift(one(5), 1) == 3
    assert round_shift(one(-6), 2) == -1


@given(st.integers(-(2**38), 2**38), st.integers(1, 40))
def test_round_shift_is_floor_of_x_plus_half(value: int, shift: int) -> None:
    """The definition, in exact rationals."""
    exact = Fraction(value, 1 << shift) + Fraction(1, 2)
    assert round_shift(one(value), shift)[0] == exact.numerator // exact.denominator


@given(st.integers(0, 2**31), st.integers(0, 2**31), st.integers(0, 40))
def test_multiply_shift_is_the_floor(a: int, b: int, shift: int) -> None:
    """No product of two 32-bit operands wraps."""
    assert multiply_shift(one(a), one(b), shift)[0] == (a * b) >> shift


def test_tables_begin_and_end_where_they_must() -> None:
    """2^31; 2^31 / sqrt 2 = 1518500249.98..; 2^31 2^(-255/256) = 1076560...: monotone, positive."""
    assert COARSE[0] == FINE[0] == 1 << 31
    assert COARSE[128] == 1518500250
    assert (np.diff(COARSE) < 0).all()
    assert (np.diff(FINE) < 0).all()
    assert COARSE[255] > 1 << 30
    assert COARSE[1] < FINE[255]


@given(st.integers(0, (16 << 28) - 1))
def test_exponential_is_exact_to_four_units(exponent: int) -> None:
    """Against 2**-x in double precision; floors lose under 4 units, and add under 2."""
    exact = 2.0 ** (31 - exponent / 2**28)
    result = int(exp2_negative(one(exponent), COARSE, FINE)[0])
    assert exact - 4 <= result <= exact + 2


def test_reciprocals() -> None:
    """Rounded to nearest: 2^30 / 3 = 357913941.33, 2^30 / 7 = 153391689.14."""
    assert reciprocals(7).tolist()[:4] == [0, 1 << 30, 1 << 29, 357913941]
    assert reciprocals(7)[7] == 153391689


def test_signed_limit() -> None:
    """A symmetric 24-bit number ends at 8388607."""
    assert signed_limit(24) == 8388607
