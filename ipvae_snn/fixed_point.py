"""Old path of `ipvae_snn.ir.fixed_point`, kept for one version."""

from ipvae_snn.arrays import Int64
from ipvae_snn.ir.fixed_point import (
    ACCUMULATOR_BITS,
    LN2,
    LN2_BITS,
    LOG2E,
    LOG2E_BITS,
    MULTIPLIER_BITS,
    PROBABILITY_BITS,
    RATE_BITS,
    RECIPROCAL_BITS,
    STATE_BITS,
    TABLE_BITS,
    exp2_negative,
    exp2_tables,
    multiply_shift,
    reciprocals,
    round_shift,
    signed_limit,
)

__all__ = [
    "ACCUMULATOR_BITS",
    "LN2",
    "LN2_BITS",
    "LOG2E",
    "LOG2E_BITS",
    "MULTIPLIER_BITS",
    "PROBABILITY_BITS",
    "RATE_BITS",
    "RECIPROCAL_BITS",
    "STATE_BITS",
    "TABLE_BITS",
    "Int64",
    "exp2_negative",
    "exp2_tables",
    "multiply_shift",
    "reciprocals",
    "round_shift",
    "signed_limit",
]
