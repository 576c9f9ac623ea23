"""Compiled matrix products with sparse spike counts; zeros cost nothing.

A dense product of the linear-algebra library does more operations per second. These products are
faster if fewer than about half of the counts are non-zero (measured; see DENSE_SHARE). Each row of
a product depends on one row of counts alone, so that threads and processes can share the rows.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, summing

# Above this share of non-zero counts the dense product is the faster one.
DENSE_SHARE: Final = 0.45


class SharedGram(NamedTuple):
    """Competition of a convolutional dictionary, by the distance of two neurons.

    weights (F, 2 a + 1, 2 b + 1, F): what a spike of the first feature takes from the last one, i -
    a rows below and j - b columns to the right. rows, columns: positions of each feature; neuron
    (feature * rows + row) * columns + column.
    """

    weights: Array
    rows: int
    columns: int


@summing
def _add_rows(weight: Array, rows: Array, row: Array, count: int, out: Array) -> None:
    """Add the sum over i < count of weight[i] * rows[row[i]] to out (K,)."""
    whole = count // 8 * 8
    for i in range(0, whole, 8):
        w0, w1, w2, w3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        w4, w5, w6, w7 = weight[i + 4], weight[i + 5], weight[i + 6], weight[i + 7]
        r0, r1, r2, r3 = row[i], row[i + 1], row[i + 2], row[i + 3]
        r4, r5, r6, r7 = row[i + 4], row[i + 5], row[i + 6], row[i + 7]
        for k in range(out.size):
            out[k] += (
                (w0 * rows[r0, k] + w1 * rows[r1, k]) + (w2 * rows[r2, k] + w3 * rows[r3, k])
            ) + ((w4 * rows[r4, k] + w5 * rows[r5, k]) + (w6 * rows[r6, k] + w7 * rows[r7, k]))
    for i in range(whole, count):
        w, r = weight[i], row[i]
        for k in range(out.size):
            out[k] += w * rows[r, k]


@summing
def _four_products(values: Array, rows: Array, row: Array, first: int, out: Array) -> None:
    """Set out[r] to values . rows[r] for the four r = row[first], row[first + 1], ..."""
    r0, r1, r2, r3 = row[first], row[first + 1], row[first + 2], row[first + 3]
    zero = values[0] - values[0]
    s0, s1, s2, s3 = zero, zero, zero, zero
    for k in range(values.size):
        v = values[k]
        s0 += v * rows[r0, k]
        s1 += v * rows[r1, k]
        s2 += v * rows[r2, k]
        s3 += v * rows[r3, k]
    out[r0], out[r1], out[r2], out[r3] = s0, s1, s2, s3


@kernel
def nonzero(values: Array) -> int:
    """Return how many of the values (n,) are not 0."""
    count = 0
    for value in values:
        count += value != 0
    return count


@kernel
def competition_rows(first: int, last: int, z: Array, G: Array, lateral: Array) -> None:
    """Set rows first .. last - 1 of lateral = z G, for counts z (B, K) and G (K, K)."""
    K = z.shape[1]
    active, weight = np.empty(K, np.int32), np.empty(K, z.dtype)
    for r in range(first, last):
        count, counts, out = 0, z[r], lateral[r]
        for k in range(K):
            active[count], weight[count] = k, counts[k]
            count += counts[k] != 0
        out[:] = 0
        _add_rows(weight, G, active, count, out)


@summing
def fit_rows(first: int, last: int, z: Array, lateral: Array, b: Array, fit: Array) -> None:
    """Set fit (B,) in rows first .. last - 1 to z.Gz / 2 - z.b, for lateral = z G and b (B, K)."""
    half = fit.dtype.type(0.5)
    for r in range(first, last):
        total = fit.dtype.type(0)
        for k in range(z.shape[1]):
            total += z[r, k] * (half * lateral[r, k] - b[r, k])
        fit[r] = total


@kernel
def needed_competition_rows(
    first: int, last: int, values: Array, slope: Array, G: Array, product: Array
) -> None:
    """Set rows first .. last - 1 of product = values G^T where slope is not 0, and 0 elsewhere.

    All are (B, K) except G (K, K). The entries left out would only be multiplied by a slope of 0.
    """
    K = values.shape[1]
    active = np.zeros(K + 3, np.int32)
    for r in range(first, last):
        count, slopes, out = 0, slope[r], product[r]
        for k in range(K):
            active[count] = k
            count += slopes[k] != 0
        out[:] = 0
        active[count : count + 3] = active[0]  # four at a time: the last four may repeat one
        for i in range(0, count, 4):
            _four_products(values[r], G, active, i, out)


@kernel
def add_outer_products(first: int, last: int, z: Array, factor: Array, total: Array) -> None:
    """Add rows first .. last - 1 of z^T factor to total (K, K), for z and factor (B, K)."""
    B = z.shape[0]
    active, weight = np.empty(B, np.int32), np.empty(B, z.dtype)
    for k in range(first, last):
        count = 0
        for r in range(B):
            active[count], weight[count] = r, z[r, k]
            count += z[r, k] != 0
        _add_rows(weight, factor, active, count, total[k])


@summing
def compete(G: Array, active: int, index: Array, count: Array, lateral: Array) -> None:
    """Set lateral (K,) to the sum of count * G[index] over the active neurons."""
    K = lateral.size
    lateral[:] = 0
    i = 0
    while i + 4 <= active:
        c0, c1, c2, c3 = count[i], count[i + 1], count[i + 2], count[i + 3]
        g0, g1, g2, g3 = G[index[i]], G[index[i + 1]], G[index[i + 2]], G[index[i + 3]]
        for k in range(K):
            lateral[k] += (c0 * g0[k] + c1 * g1[k]) + (c2 * g2[k] + c3 * g3[k])
        i += 4
    while i < active:
        c, g = count[i], G[index[i]]
        for k in range(K):
            lateral[k] += c * g[k]
        i += 1


@summing
def compete_shared(
    shared: SharedGram, active: int, index: Array, count: Array, lateral: Array
) -> None:
    """Set lateral (K,) as `compete` does, for a convolutional dictionary."""
    weights, rows, columns = shared
    features, a, b = weights.shape[0], weights.shape[1] // 2, weights.shape[2] // 2
    # Features side by side, as the weights have them; the neurons' order comes at the end.
    sums = np.zeros((rows, columns, features), lateral.dtype)
    for i in range(active):
        feature, place = divmod(index[i], rows * columns)
        row, column = divmod(place, columns)
        c = count[i]
        for r in range(max(row - a, 0), min(row + a + 1, rows)):
            for s in range(max(column - b, 0), min(column + b + 1, columns)):
                out, one = sums[r, s], weights[feature, r - row + a, s - column + b]
                for k in range(features):
                    out[k] += c * one[k]
    for r in range(rows):
        for s in range(columns):
            one = sums[r, s]
            for k in range(features):
                lateral[(k * rows + r) * columns + s] = one[k]
