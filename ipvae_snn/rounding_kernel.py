"""Compiled rounding of a matrix's rows that passes each error on to the columns still to come."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ipvae_snn.compiled import summing

Array = npt.NDArray[Any]


@summing
def round_with_feedback(
    rows: Array, scale: Array, levels: int, factor: Array, kept: Array, pruned: Array,
    rounded: Array,
) -> None:  # fmt: skip
    """Set rounded (R, J) to whole numbers in +-levels so that scale * rounded stands for rows.

    factor (J, J): upper Cholesky factor of the Hessian's inverse, in the order of the columns.
    kept (R,): the column of a row that stays a real number, returned as such, or -1. pruned
    (R, J) bool: entries that become 0.
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
