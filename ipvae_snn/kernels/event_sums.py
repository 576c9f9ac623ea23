"""Compiled synaptic sums of any kind of weights, event by event: only what sends is looked at.

Payloads are rows (N, sources) int32, totals (N, targets) int32, which no sum of a valid network
leaves (docs/ir.md). Every function adds to `totals` in place, for rows first .. last - 1.
"""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import inner, kernel
from ipvae_snn.kernels.count_sums import add_counts, add_signed


class Columns(NamedTuple):
    """Weights by source: matrix (sources, targets) int8, padded as kernels/integer.Synapses."""

    matrix: Array
    highest: Array


class SparseColumns(NamedTuple):
    """Source j reaches targets[starts[j]:starts[j + 1]] with values there."""

    starts: Array
    targets: Array
    values: Array


@kernel
def add_columns(first: int, last: int, payloads: Array, totals: Array, weights: Columns) -> None:
    """Add the sums of a matrix."""
    sources, length = weights.matrix.shape
    index, sent = np.empty(sources + 1, np.int64), np.empty(sources + 1, np.int32)
    narrow, total = np.zeros(length, np.int16), np.empty(length, np.int32)
    for r in range(first, last):
        active, least = listed(payloads[r], index, sent)
        if least < 0:
            add_signed(weights.matrix, active, index, sent, total)
        else:
            add_counts(weights.matrix, weights.highest, active, index, sent, narrow, total)
        for i in range(totals.shape[1]):
            totals[r, i] += total[i]


@inner
def listed(payload: Array, index: Array, sent: Array) -> tuple[int, int]:
    """List the sources whose payload is not 0; return how many, and the least payload, or 0."""
    active, least = 0, np.int32(0)
    for j in range(payload.size):
        index[active], sent[active] = j, payload[j]
        active += payload[j] != 0
        least = min(least, payload[j])
    return active, int(least)


@kernel
def add_sparse(
    first: int, last: int, payloads: Array, totals: Array, weights: SparseColumns
) -> None:
    """Add the sums of sparse weights."""
    for r in range(first, last):
        total = totals[r]
        for j in range(payloads.shape[1]):
            payload = payloads[r, j]
            if payload != 0:
                for place in range(weights.starts[j], weights.starts[j + 1]):
                    total[weights.targets[place]] += payload * weights.values[place]


class Scale(NamedTuple):
    """multiplier (targets,) int32; shift, half (targets,) int64."""

    multiplier: Array
    shift: Array
    half: Array


@kernel
def add_scaled(first: int, last: int, totals: Array, scaled: Array, scale: Scale) -> None:
    """Add (total * multiplier + half) >> shift to scaled (N, targets) int64."""
    multiplier, shift, half = scale.multiplier, scale.shift, scale.half
    for r in range(first, last):
        total, result = totals[r], scaled[r]
        for i in range(total.size):
            result[i] += (total[i] * multiplier[i] + half[i]) >> shift[i]
