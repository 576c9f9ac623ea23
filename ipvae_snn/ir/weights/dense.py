"""Weights as a matrix."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np

from ipvae_snn.arrays import AnyArray, Int8, Int64
from ipvae_snn.ir.rules import require, require_type
from ipvae_snn.ir.shapes import OfSources, OfTargets

WEIGHT_MIN: Final = -127  # a symmetric int8
BLOCK_ELEMENTS: Final = 1 << 22  # weights that a check looks at together; bounds its memory


@dataclass(frozen=True, repr=False)
class Dense:
    """A matrix (targets, sources) int8, of weights in -127..127."""

    kind: ClassVar[str] = "dense"

    matrix: Int8

    def __post_init__(self) -> None:
        """Check type, size and range."""
        require_type("weights", self.matrix, np.int8, 2)
        targets, sources = self.matrix.shape
        require(targets >= 1 and sources >= 1, f"weights {targets}x{sources} connect nothing")
        lowest = int(self.matrix.min())
        require(
            lowest >= WEIGHT_MIN, f"weights reach {lowest}; a symmetric int8 stops at {WEIGHT_MIN}"
        )

    def __repr__(self) -> str:
        """Return sizes and bits."""
        return f"Dense({self.n_sources} -> {self.n_targets}, {self.bits} bits)"

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return int(self.matrix.shape[0])

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return int(self.matrix.shape[1])

    @property
    def bits(self) -> int:
        """Bits that the largest weight needs, its sign included."""
        return max(-int(self.matrix.min()), int(self.matrix.max())).bit_length() + 1

    @property
    def n_bytes(self) -> int:
        """Bytes of the matrix."""
        return self.matrix.nbytes

    def sums(self, payload: Annotated[Int64, "N sources"]) -> Annotated[Int64, "N targets"]:
        """Return the exact sums that a payload causes."""
        return np.asarray(payload @ self.matrix.astype(np.int64).T)

    def worst_sums(self, low: int, high: int) -> tuple[OfTargets, OfTargets]:
        """Return the least and the largest sum per target, over payloads in [low, high]."""
        positive, negative = np.zeros((2, self.n_targets), np.int64)
        for rows in row_blocks(self.matrix):
            block = self.matrix[rows]
            positive[rows] = np.maximum(block, 0).sum(axis=1, dtype=np.int64)
            negative[rows] = np.minimum(block, 0).sum(axis=1, dtype=np.int64)
        return positive * low + negative * high, positive * high + negative * low

    def fan_in(self) -> OfTargets:
        """Return the number of weights of each target that are not 0."""
        blocks = [np.count_nonzero(self.matrix[rows], axis=1) for rows in row_blocks(self.matrix)]
        return np.concatenate(blocks).astype(np.int64)

    def fan_out(self) -> OfSources:
        """Return the number of weights of each source that are not 0."""
        total = np.zeros(self.n_sources, np.int64)
        for rows in row_blocks(self.matrix):
            total += np.count_nonzero(self.matrix[rows], axis=0)
        return total

    def dense(self) -> Annotated[Int8, "targets sources"]:
        """Return the matrix itself."""
        return self.matrix

    def arrays(self) -> dict[str, AnyArray]:
        """Return the matrix by the name of its tensor."""
        return {"weights": self.matrix}


def row_blocks(weights: Annotated[AnyArray, "targets sources"]) -> Iterator[slice]:
    """Yield the rows of weights in blocks whose temporaries stay small."""
    rows = max(1, BLOCK_ELEMENTS // max(1, weights.shape[1]))
    for start in range(0, len(weights), rows):
        yield slice(start, start + rows)
