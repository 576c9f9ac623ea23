"""Sums of int8 rows times spike counts, exact, in 16 bits as far as these suffice."""

import math
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Array, Int8
from ipvae_snn.kernels.compiled import inner
from ipvae_snn.kernels.vector_ir import LARGEST
from ipvae_snn.kernels.vector_rows import BLOCK, HIGHEST, LANES, add_block, add_lanes

ROWS: Final = 16  # rows that are read side by side, each from its start to its end
ALIGNED: Final = 64  # bytes of a cache line, which no vector then straddles


def padded(columns: Int8) -> Int8:
    """Return columns (sources, targets) with zeros up to a multiple of LANES targets, aligned."""
    sources, targets = columns.shape
    result = aligned((sources, -(-targets // LANES) * LANES), np.int8)
    result[:, :targets] = columns
    return result


def aligned(shape: tuple[int, ...], kind: type[np.integer[Any]]) -> Array:
    """Return zeros that begin at a cache line."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    room = np.zeros(size + ALIGNED, np.uint8)
    start = -room.ctypes.data % ALIGNED
    return room[start : start + size].view(kind).reshape(shape)


@inner
def add_counts(
    columns: Array,
    highest: Array,
    active: int,
    index: Array,
    counts: Array,
    narrow: Array,
    total: Array,
) -> None:
    """Set total (targets,) int32 to the sum of counts * columns[index] over the first `active`.

    columns and highest as in kernels/integer.Synapses; total has room for the padding. index and
    counts have a place more than `active`, which is overwritten. Counts are above 0, and no total
    leaves 32 bits (docs/ir.md). narrow: scratch as long as total, int16, 0 before and after.
    """
    total[:] = 0
    index[active], counts[active] = 0, 0  # rows are added in pairs
    first = 0
    while first < active:
        last, used = first, 0
        while last < active:
            one, other = counts[last], counts[last + 1]
            used += one * highest[index[last]] + other * highest[index[last + 1]]
            if used > LARGEST or max(one, other) > HIGHEST:
                break
            last += 2
        if last == first:
            _add_wide(columns[index[first]], counts[first], total)
            _add_wide(columns[index[first + 1]], counts[first + 1], total)
            first += 2
            continue
        while first < last:
            end = min(first + ROWS, last)
            _add_narrow(columns, index, counts, narrow, first, end)
            first = end
        for j in range(total.size):
            total[j] += np.int32(narrow[j])
            narrow[j] = 0


@inner
def _add_narrow(
    columns: Array, index: Array, counts: Array, narrow: Array, first: int, last: int
) -> None:
    """Add rows first .. last - 1 to narrow, a block of targets after another."""
    target = 0
    while target + BLOCK <= narrow.size:
        add_block(columns, index, counts, narrow, target, first, last)
        target += BLOCK
    while target < narrow.size:
        add_lanes(columns, index, counts, narrow, target, first, last)
        target += LANES


@inner
def _add_wide(row: Array, count: int, total: Array) -> None:
    """Add a row with a count of any size."""
    for j in range(total.size):
        total[j] += np.int32(count * row[j])


@inner
def add_signed(columns: Array, active: int, index: Array, payload: Array, total: Array) -> None:
    """Set total (targets,) int32 to the sum of payload * columns[index], with payloads of any sign.

    As `add_counts`, in 32 bits.
    """
    total[:] = 0
    J = total.size
    i = 0
    while i + 4 <= active:
        c0, c1, c2, c3 = payload[i], payload[i + 1], payload[i + 2], payload[i + 3]
        w0, w1 = columns[index[i]], columns[index[i + 1]]
        w2, w3 = columns[index[i + 2]], columns[index[i + 3]]
        for j in range(J):
            total[j] += np.int32(
                np.int32(np.int32(c0 * w0[j]) + np.int32(c1 * w1[j]))
                + np.int32(np.int32(c2 * w2[j]) + np.int32(c3 * w3[j]))
            )
        i += 4
    while i < active:
        c, w = payload[i], columns[index[i]]
        for j in range(J):
            total[j] += np.int32(c * w[j])
        i += 1
