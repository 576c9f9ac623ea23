"""Compiled products of spike counts with weights that all positions share; zeros cost nothing.

The counterparts of spike_products for convolutional dictionaries. The neurons (B, K) are in order
of position: neuron (row * columns + column) * F + feature. So what a spike gives to a row of
neighbours, and what a neuron takes from it, is one stretch of weights and one of neurons. Time
grows with the spikes and the neighbours in reach, not with K^2. Every sum has one order, whatever
rows or features a thread computes.
"""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, summing
from ipvae_snn.kernels.spike_products import SharedGram

# Numbers of a block of images in add_outer_products: 128 KB of float32, which a core's cache holds
# beside the sums.
_BLOCK: Final = 32768


@kernel
def _in_reach(at: int, reach: int, size: int) -> tuple[int, int]:
    """Return the first distance, counted from -reach, that leads from `at` into 0 .. size - 1.

    And the one after the last.
    """
    return max(reach - at, 0), min(reach + size - at, 2 * reach + 1)


@summing
def _add_stretches(
    weight: Array, start: Array, count: int, shift: int, values: Array, out: Array
) -> None:
    """Add the sum over i < count of weight[i] * values[start[i] + shift :] to out (n,).

    Three zeros, with valid starts, must follow the weights. The stretches are slices, as LLVM makes
    no vector code of values[start + k] (ten times as slow, measured).
    """
    n, values = out.size, values[shift:]
    whole = count // 8 * 8
    for i in range(0, whole, 8):
        w0, w1, w2, w3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        w4, w5, w6, w7 = weight[i + 4], weight[i + 5], weight[i + 6], weight[i + 7]
        v0, v1 = values[start[i] :][:n], values[start[i + 1] :][:n]
        v2, v3 = values[start[i + 2] :][:n], values[start[i + 3] :][:n]
        v4, v5 = values[start[i + 4] :][:n], values[start[i + 5] :][:n]
        v6, v7 = values[start[i + 6] :][:n], values[start[i + 7] :][:n]
        for k in range(n):
            out[k] += ((w0 * v0[k] + w1 * v1[k]) + (w2 * v2[k] + w3 * v3[k])) + (
                (w4 * v4[k] + w5 * v5[k]) + (w6 * v6[k] + w7 * v7[k])
            )
    for i in range(whole, count, 4):
        w0, w1, w2, w3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        v0, v1 = values[start[i] :][:n], values[start[i + 1] :][:n]
        v2, v3 = values[start[i + 2] :][:n], values[start[i + 3] :][:n]
        for k in range(n):
            out[k] += (w0 * v0[k] + w1 * v1[k]) + (w2 * v2[k] + w3 * v3[k])


@summing
def _add_four_products(values: Array, rows: Array, row: Array, shift: int, sums: Array) -> None:
    """Add values . rows[r, shift :] to sums[i] for the four rows r = row[i]."""
    n = values.size
    r0, r1 = rows[row[0]][shift:][:n], rows[row[1]][shift:][:n]
    r2, r3 = rows[row[2]][shift:][:n], rows[row[3]][shift:][:n]
    zero = values[0] - values[0]
    s0, s1, s2, s3 = zero, zero, zero, zero
    for k in range(n):
        v = values[k]
        s0 += v * r0[k]
        s1 += v * r1[k]
        s2 += v * r2[k]
        s3 += v * r3[k]
    sums[0] += s0
    sums[1] += s1
    sums[2] += s2
    sums[3] += s3


@kernel
def competition_rows(first: int, last: int, z: Array, shared: SharedGram, lateral: Array) -> None:
    """Set rows first .. last - 1 of lateral (B, K) to the competition of the counts z (B, K)."""
    weights, rows, columns = shared
    features, high, wide, _ = weights.shape
    a, b, values = high // 2, wide // 2, weights.reshape(-1)
    weight, start = np.zeros(features + 3, z.dtype), np.zeros(features + 3, np.int64)
    for n in range(first, last):
        out = lateral[n]
        out[:] = 0
        for row in range(rows):
            top, bottom = _in_reach(row, a, rows)
            for column in range(columns):
                counts = z[n, (row * columns + column) * features :][:features]
                count = 0
                for k in range(features):
                    weight[count], start[count] = counts[k], k * high * wide * features
                    count += counts[k] != 0
                if count == 0:
                    continue
                weight[count : count + 3] = 0
                start[count : count + 3] = 0
                left, right = _in_reach(column, b, columns)
                size = (right - left) * features
                for i in range(top, bottom):
                    place = (row + i - a) * columns + column + left - b
                    reached = out[place * features :][:size]
                    shift = (i * wide + left) * features
                    _add_stretches(weight, start, count, shift, values, reached)


@kernel
def needed_competition_rows(
    first: int, last: int, values: Array, slope: Array, shared: SharedGram, product: Array
) -> None:
    """Set rows first .. last - 1 of product to the transposed competition of values; all (B, K).

    It is computed where slope is not 0, and 0 elsewhere: those entries would only be multiplied by
    a slope of 0.
    """
    weights, rows, columns = shared
    features, high, wide, _ = weights.shape
    a, b, of_feature = high // 2, wide // 2, weights.reshape(features, -1)
    active, sums = np.zeros(features + 3, np.int64), np.zeros(features + 3, values.dtype)
    for n in range(first, last):
        product[n] = 0
        for row in range(rows):
            top, bottom = _in_reach(row, a, rows)
            for column in range(columns):
                here = (row * columns + column) * features
                slopes, out = slope[n, here:][:features], product[n, here:][:features]
                count = 0
                for k in range(features):
                    active[count] = k
                    count += slopes[k] != 0
                if count == 0:
                    continue
                active[count : count + 3] = active[0]  # four at a time: the last ones may repeat
                sums[:] = 0
                left, right = _in_reach(column, b, columns)
                size = (right - left) * features
                for i in range(top, bottom):
                    place = (row + i - a) * columns + column + left - b
                    reached = values[n, place * features :][:size]
                    shift = (i * wide + left) * features
                    for j in range(0, count, 4):
                        _add_four_products(reached, of_feature, active[j:], shift, sums[j:])
                for j in range(count):
                    out[active[j]] = sums[j]


@kernel
def add_outer_products(
    first: int, last: int, z: Array, factor: Array, places: tuple[int, int], total: Array
) -> None:
    """Add features first .. last - 1 of the gradient to total (F, 2 a + 1, 2 b + 1, F).

    total[f, i, j, g] gains the sum over rows and positions of z of feature f times `factor` of
    feature g, i - a rows below and j - b columns to the right. z, factor: (B, K). places: rows and
    columns of positions.
    """
    rows, columns = places
    features, high, wide, _ = total.shape
    a, b = high // 2, wide // 2
    # A block of images, each with `a` rows of zeros below and every row with b zeros at its end,
    # which are also those above the next image and before the next row.
    line = (columns + b) * features
    image = (rows + a) * line
    lead = a * line + b * features
    images = max(1, _BLOCK // image)
    block = np.zeros(images * image + 2 * lead, z.dtype)
    most = images * rows * columns + 3
    weight = np.zeros((last - first, most), z.dtype)
    start = np.zeros((last - first, most), np.int32)
    counts = np.zeros(last - first, np.int64)
    for begin in range(0, len(z), images):
        counts[:] = 0
        for n in range(begin, min(begin + images, len(z))):
            for row in range(rows):
                corner = (n - begin) * image + row * line
                here = row * columns * features
                size = columns * features
                block[lead + corner :][:size] = factor[n, here:][:size]
                for column in range(columns):
                    at = z[n, here + column * features :][:features]
                    for f in range(first, last):
                        k = f - first
                        weight[k, counts[k]] = at[f]
                        start[k, counts[k]] = corner + column * features
                        counts[k] += at[f] != 0
        for k in range(last - first):
            weight[k, counts[k] : counts[k] + 3] = 0
            for i in range(high):
                gained = total[first + k, i].reshape(-1)
                _add_stretches(weight[k], start[k], counts[k], i * line, block, gained)
