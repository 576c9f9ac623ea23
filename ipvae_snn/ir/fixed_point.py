"""Integer arithmetic of the network: widths, rounding, shifts and the exponential.

All functions work on int64 arrays whose values fit the stated widths, so that NumPy never wraps.
The widths are those of a 24-bit or 32-bit machine with a multiply-and-shift.
"""

from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Int64
from ipvae_snn.ir.shapes import Elements, Table

STATE_BITS: Final = 24  # membrane potential and input current (hardware: "24 b in practice")
ACCUMULATOR_BITS: Final = 24  # synaptic sums, before and after any shift
MULTIPLIER_BITS: Final = 15  # unsigned; product with an accumulator stays inside 24 + 15 bits
PROBABILITY_BITS: Final = 31  # probabilities and exponentials are in units of 2**-31
RATE_BITS: Final = 28  # rates and exponents are in units of 2**-28
TABLE_BITS: Final = 8  # entries of either exponential table: 2**8
RECIPROCAL_BITS: Final = 30
LOG2E_BITS: Final = 30
LOG2E: Final = 1549082005  # round(2**30 * log2(e))
LN2_BITS: Final = 30
LN2: Final = 744261118  # round(2**30 * ln 2)


def signed_limit(bits: int) -> int:
    """Return the largest value of a symmetric signed number of `bits` bits."""
    return (1 << (bits - 1)) - 1


def round_shift(value: Int64, shift: Int64 | int) -> Int64:
    """Return value / 2**shift, rounded half up (add half, arithmetic shift); shift >= 1."""
    half = np.left_shift(np.int64(1), np.asarray(shift, dtype=np.int64) - 1)
    return np.asarray(np.right_shift(value + half, shift), dtype=np.int64)


def multiply_shift(value: Int64, factor: Int64 | int, shift: int) -> Int64:
    """Return (value * factor) >> shift for non-negative operands below 2**32 (floor)."""
    return np.asarray((value * np.int64(1) * factor) >> shift, dtype=np.int64)


@lru_cache(maxsize=1)
def exp2_tables() -> tuple[Table, Table]:
    """Return the two tables of round(2**31 * 2**-x), x = i / 2**8 and i / 2**16.

    Computed with 60 decimal digits, so the entries are the same on every machine.
    """
    with localcontext() as context:
        context.prec = 60
        two = Decimal(2)
        scale = two**PROBABILITY_BITS

        def entries(step: int) -> Table:
            values = [scale * two ** (Decimal(-i) / Decimal(1 << step)) for i in range(256)]
            table = np.array([int(v.to_integral_value()) for v in values], dtype=np.int64)
            table.flags.writeable = False  # all callers share it
            return table

        return entries(TABLE_BITS), entries(2 * TABLE_BITS)


def exp2_negative(exponent: Elements, coarse: Table, fine: Table) -> Elements:
    """Return 2**-x in units of 2**-31, for x = exponent / 2**28, 0 <= x < 16.

    The fraction's upper 8 bits index `coarse`, the next 8 index `fine`, and the lowest 12 enter
    linearly: 2**-y = 1 - y ln 2 with an error below (y ln 2)**2 / 2 < 6e-11.
    """
    fraction = exponent & ((1 << RATE_BITS) - 1)
    high = coarse[fraction >> (RATE_BITS - TABLE_BITS)]
    middle = fine[(fraction >> (RATE_BITS - 2 * TABLE_BITS)) & ((1 << TABLE_BITS) - 1)]
    low = fraction & ((1 << (RATE_BITS - 2 * TABLE_BITS)) - 1)
    rest = (1 << PROBABILITY_BITS) - multiply_shift(
        low, LN2, LN2_BITS + RATE_BITS - PROBABILITY_BITS
    )
    product = multiply_shift(high, middle, PROBABILITY_BITS)
    return multiply_shift(product, rest, PROBABILITY_BITS) >> (exponent >> RATE_BITS)


def reciprocals(count: int) -> Annotated[Int64, "{count}+1"]:
    """Return round(2**30 / k) for k from 0 to `count`, with 0 at k = 0, which is never used."""
    k = np.arange(1, count + 1, dtype=np.int64)
    return np.concatenate([[0], ((1 << RECIPROCAL_BITS) + k // 2) // k]).astype(np.int64)
