"""The scale of synaptic sums, and the bounds of all partial ones."""

from typing import Annotated

import numpy as np

from ipvae_snn.arrays import Int32, Int64
from ipvae_snn.ir.shapes import OfTargets
from ipvae_snn.ir.weights import Weights


def worst_partial_sum(weights: Weights, low: int, high: int) -> OfTargets:
    """Return per target a bound on the magnitude of every partial sum, in any order of arrival.

    low, high: least and largest payload. A partial sum takes each input or not, so payload 0 is
    always among the possible ones.
    """
    least, most = weights.worst_sums(min(low, 0), max(high, 0))
    return np.maximum(-least, most)


def scale_sum(
    total: Annotated[Int64, "*N targets"],
    multiplier: Annotated[Int32, "targets"],
    shift: Annotated[Int32, "targets"],
) -> Annotated[Int64, "*N targets"]:
    """Return (total * multiplier + half) >> shift."""
    wide = shift.astype(np.int64)
    half = np.left_shift(np.int64(1), wide - 1)
    return np.asarray((total * multiplier.astype(np.int64) + half) >> wide)
