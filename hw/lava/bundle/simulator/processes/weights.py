"""Integer synapses: exact, fast sums over active sources only."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

FLOAT32_EXACT: Final = 1 << 24  # float32 holds every integer up to here
FLOAT64_EXACT: Final = 1 << 53
INT32_MAX: Final = (1 << 31) - 1
SPARSE: Final = 4  # with fewer than one in 4 sources active, only their rows are read
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Synapses:
    """Weights by source, and the bound that selects an exact arithmetic for a message.

    columns: (sources, targets) float32. exponent: common left shift of the sums. fan_out
    (sources,): nonzero weights. reach: largest sum of the magnitudes of one target's weights.
    """

    columns: npt.NDArray[np.float32]
    exponent: int
    fan_out: npt.NDArray[np.intp]
    reach: int

    def sums(self, message: Integers) -> npt.NDArray[np.int32]:
        """Return weights @ message (sources,), shifted, for the targets; clipped to 32 bits.

        OverflowError beyond 53 bits.
        """
        active = np.flatnonzero(message)
        if not active.size:
            return np.zeros(self.columns.shape[1], np.int32)
        payload, rows = message, self.columns
        if active.size * SPARSE < len(message):
            payload, rows = message[active], rows[active]
        bound = self.reach * int(np.abs(payload).max())
        # Every partial sum is an integer up to that bound, so floats that hold it give the exact
        # sum in any order, and BLAS is ten times faster than NumPy's integers.
        if bound < FLOAT32_EXACT:
            total = (payload.astype(np.float32) @ rows).astype(np.int64)
        elif bound < FLOAT64_EXACT:
            total = (payload.astype(np.float64) @ rows.astype(np.float64)).astype(np.int64)
        else:
            raise OverflowError(f"a sum up to {bound} exceeds 53 bits; the weights are too large")
        if self.exponent > 0:
            total <<= self.exponent
        elif self.exponent < 0:
            total >>= -self.exponent
        if bound << max(self.exponent, 0) > INT32_MAX:
            total = np.clip(total, -INT32_MAX, INT32_MAX)
        sums: npt.NDArray[np.int32] = total.astype(np.int32)
        return sums

    def cost(self, message: Integers) -> tuple[int, int, int]:
        """Return messages, synaptic operations, and those by payload, of one message vector."""
        active = np.flatnonzero(message)
        fan_out = self.fan_out[active]
        weighted = int(fan_out @ np.abs(message[active].astype(np.int64)))
        return active.size, int(fan_out.sum()), weighted


def synapses_of(weights: Integers, exponent: int = 0) -> Synapses:
    """Return the synapses of weights (targets, sources), whose sums are shifted by `exponent`."""
    wide = weights.astype(np.int64)
    if exponent < 0 and not np.any(wide & 1):
        # Mixed signs are stored doubled: halving them is exact, and so is one shift less.
        wide, exponent = wide >> 1, exponent + 1
    return Synapses(
        columns=np.ascontiguousarray(wide.T.astype(np.float32)),
        exponent=exponent,
        fan_out=np.count_nonzero(wide, axis=0),
        reach=int(np.abs(wide).sum(axis=1).max(initial=0)),
    )
