"""Compiled rounding of a matrix's rows, with error feedback to later columns (GPTQ's rule)."""

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import summing


@summing
def round_with_feedback(
    rows: Array,
    scale: Array,
    levels: int,
    factor: Array,
    kept: Array,
    pruned: Array,
    rounded: Array,
) -> None:
    """Set rounded (R, J) to whole numbers in +-levels so that scale * rounded approximates rows.

    Columns are rounded one after another. Each rounding error is compensated by adjusting the
    columns not yet rounded. factor (J, J): upper Cholesky factor of the Hessian's inverse, in the
    order of the columns. kept (R,): the column of a row that stays a real number, returned as
    such, or -1. pruned (R, J) bool: entries that become 0.
    """
    J = rows.shape[1]
    moved = np.empty(J)
    for i in range(rows.shape[0]):
        moved[:] = rows[i]
        for j in range(J):
            if j == kept[i]:
                rounded[i, j] = moved[j]
                continue
            level = 0.0
            if scale[i] > 0 and not pruned[i, j]:
                level = min(max(np.rint(moved[j] / scale[i]), -levels), levels)
            rounded[i, j] = level
            error = (moved[j] - level * scale[i]) / factor[j, j]
            feedback = factor[j]
            for later in range(j + 1, J):
                moved[later] -= error * feedback[later]


@summing
def _squared_error(row: Array, levels: float, scale: float, inverse: float) -> float:
    error = levels - levels
    for j in range(row.size):
        missed = row[j] - min(max(np.rint(row[j] * inverse), -levels), levels) * scale
        error += missed * missed
    return error


@summing
def round_rows(rows: Array, levels: float, ratios: Array, out: Array) -> None:
    """Set out (K, J) to `rows` rounded as in `straight_through.rounded_rows`; all of one type."""
    zero = levels - levels
    one = levels / levels
    for i in range(rows.shape[0]):
        row, target = rows[i], out[i]
        peak = zero
        for j in range(row.size):
            peak = max(peak, abs(row[j]))
        scale, least = zero, zero
        # A row of zeros has no scale and stays as it is.
        for r in range(ratios.size if peak > zero else 0):
            tried = peak * ratios[r] / levels
            error = _squared_error(row, levels, tried, one / tried)
            if r == 0 or error < least:
                scale, least = tried, error
        inverse = one / scale if scale > zero else zero
        for j in range(row.size):
            target[j] = min(max(np.rint(row[j] * inverse), -levels), levels) * scale
