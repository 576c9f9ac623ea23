"""Compiled synaptic sums of any kind of weights, event by event: only what sends is looked at.

Payloads are rows (N, sources) int32, totals (N, targets) int32, which no sum of a valid network
leaves (docs/ir.md). Every function adds to `totals` in place, for rows first .. last - 1.
"""

from typing import NamedTuple

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel


class Columns(NamedTuple):
    """Weights by source: matrix (sources, targets) int8."""

    matrix: Array


class SparseColumns(NamedTuple):
    """Source j reaches targets[starts[j]:starts[j + 1]] with values there."""

    starts: Array
    targets: Array
    values: Array


class Places(NamedTuple):
    """A kernel (features, channels, height, width) int8 and how it moves; see weights/geometry."""

    kernel: Array
    channels: int
    height: int
    width: int
    rows: int
    columns: int
    stride: int
    padding: int
    pixels_last: bool


@kernel
def add_columns(first: int, last: int, payloads: Array, totals: Array, weights: Columns) -> None:
    """Add the sums of a matrix."""
    matrix = weights.matrix
    for r in range(first, last):
        total = totals[r]
        for j in range(payloads.shape[1]):
            payload = payloads[r, j]
            if payload != 0:
                column = matrix[j]
                for i in range(total.size):
                    total[i] += payload * column[i]


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


@kernel
def add_convolution(first: int, last: int, payloads: Array, totals: Array, weights: Places) -> None:
    """Add the sums of a convolution: a pixel reaches the features whose kernel covers it."""
    w = weights
    features, _, high, wide = w.kernel.shape
    plane = w.rows * w.columns
    for r in range(first, last):
        total = totals[r]
        for y in range(w.height):
            for x in range(w.width):
                for c in range(w.channels):
                    last_place = (y * w.width + x) * w.channels + c
                    planar_place = (c * w.height + y) * w.width + x
                    payload = payloads[r, last_place if w.pixels_last else planar_place]
                    if payload == 0:
                        continue
                    for i in range(high):
                        down = y + w.padding - i
                        row = down // w.stride
                        if down < 0 or row * w.stride != down or row >= w.rows:
                            continue
                        for j in range(wide):
                            across = x + w.padding - j
                            column = across // w.stride
                            if across < 0 or column * w.stride != across or column >= w.columns:
                                continue
                            place = row * w.columns + column
                            for f in range(features):
                                total[f * plane + place] += payload * w.kernel[f, c, i, j]


@kernel
def add_transposed(first: int, last: int, payloads: Array, totals: Array, weights: Places) -> None:
    """Add the sums of a transposed convolution: a feature reaches the pixels that it covers."""
    w = weights
    features, _, high, wide = w.kernel.shape
    for r in range(first, last):
        total = totals[r]
        for f in range(features):
            for row in range(w.rows):
                for column in range(w.columns):
                    payload = payloads[r, (f * w.rows + row) * w.columns + column]
                    if payload == 0:
                        continue
                    for c in range(w.channels):
                        for i in range(high):
                            y = row * w.stride + i - w.padding
                            if y < 0 or y >= w.height:
                                continue
                            for j in range(wide):
                                x = column * w.stride + j - w.padding
                                if x < 0 or x >= w.width:
                                    continue
                                last_place = (y * w.width + x) * w.channels + c
                                planar_place = (c * w.height + y) * w.width + x
                                place = last_place if w.pixels_last else planar_place
                                total[place] += payload * w.kernel[f, c, i, j]


class Scale(NamedTuple):
    """multiplier, shift, half (targets,) int64."""

    multiplier: Array
    shift: Array
    half: Array


@kernel
def add_scaled(first: int, last: int, totals: Array, scaled: Array, scale: Scale) -> None:
    """Add (total * multiplier + half) >> shift to scaled (N, targets) int64."""
    for r in range(first, last):
        for i in range(totals.shape[1]):
            product = totals[r, i] * scale.multiplier[i] + scale.half[i]
            scaled[r, i] += product >> scale.shift[i]
