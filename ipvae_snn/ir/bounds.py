"""Worst-case bounds of synaptic sums, from arrays and numbers alone."""

from collections.abc import Iterator
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import AnyArray, Int8, Int32, Int64
from ipvae_snn.ir.shapes import OfTargets

Weights = Annotated[Int8, "targets sources"]
BLOCK_ELEMENTS: Final = 1 << 22  # weights that a check looks at together; bounds its memory


def row_blocks(weights: Annotated[AnyArray, "targets sources"]) -> Iterator[slice]:
    """Yield the rows of weights in blocks whose temporaries stay small."""
    rows = max(1, BLOCK_ELEMENTS // max(1, weights.shape[1]))
    for start in range(0, len(weights), rows):
        yield slice(start, start + rows)


def worst_sums(weights: Weights, low: int, high: int) -> tuple[OfTargets, OfTargets]:
    """Return per neuron the least and largest sum over all inputs with payloads in [low, high]."""
    positive, negative = np.zeros((2, len(weights)), np.int64)
    for rows in row_blocks(weights):
        block = weights[rows]
        positive[rows] = np.maximum(block, 0).sum(axis=1, dtype=np.int64)
        negative[rows] = np.minimum(block, 0).sum(axis=1, dtype=np.int64)
    return positive * low + negative * high, positive * high + negative * low


def worst_partial_sum(weights: Weights, low: int, high: int) -> OfTargets:
    """Return per neuron a bound on the magnitude of every partial sum, in any order of arrival.

    A partial sum takes each input or not, so payload 0 is always among the possible ones.
    """
    least, most = worst_sums(weights, min(low, 0), max(high, 0))
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
