"""Weights as a matrix, and the rules of all weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np

from ipvae_snn.arrays import AnyArray, Int8, Int16, Int64
from ipvae_snn.ir.rules import require, require_type
from ipvae_snn.ir.shapes import OfSources, OfTargets

BLOCK_ELEMENTS: Final = 1 << 22  # weights that a check looks at together; bounds its memory


@dataclass(frozen=True, repr=False)
class Dense:
    """A matrix (targets, sources) int8, of weights in -127..127; int16 in a decoder."""

    kind: ClassVar[str] = "dense"

    matrix: Int8 | Int16

    def __post_init__(self) -> None:
        """Check type, size and range."""
        require_symmetric("weights", self.matrix, 2)
        targets, sources = self.matrix.shape
        require(targets >= 1 and sources >= 1, f"weights {targets}x{sources} connect nothing")

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
        return bits_of(self.matrix)

    @property
    def stored_bits(self) -> int:
        """Bits of a weight as it is stored: 8, or 16 in a decoder."""
        return 8 * self.matrix.itemsize

    @property
    def n_bytes(self) -> int:
        """Bytes of the matrix."""
        return self.matrix.nbytes

    def sums(self, payload: Annotated[Int64, "N sources"]) -> Annotated[Int64, "N targets"]:
        """Return the exact sums that a payload causes.

        Whole numbers far below 2**53 are exact in float64, whose products are fast.
        """
        sums = payload.astype(np.float64) @ self.matrix.T.astype(np.float64)
        return np.asarray(sums.astype(np.int64))

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

    def dense(self) -> Annotated[Int8 | Int16, "targets sources"]:
        """Return the matrix itself."""
        return self.matrix

    def diagonal(self) -> OfSources:
        """Return the weight of each source to the target of its own index."""
        return np.diagonal(self.matrix).astype(np.int64)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the matrix by the name of its tensor."""
        return {"weights": self.matrix}

    def shared(self) -> dict[str, int]:
        """Return nothing: the matrix shows its size."""
        return {}


def bits_of(values: AnyArray) -> int:
    """Return the bits that the largest weight needs, its sign included."""
    if not values.size:
        return 1
    return max(-int(values.min()), int(values.max())).bit_length() + 1


def require_symmetric(name: str, values: AnyArray, axes: int) -> None:
    """Raise ProgramError unless values are int8 or int16 of `axes` axes, in a symmetric range."""
    wide = getattr(values, "dtype", None) == np.int16
    require_type(name, values, np.int16 if wide else np.int8, axes)
    least = -int(np.iinfo(np.int16 if wide else np.int8).max)
    lowest = int(values.min(initial=0))
    require(lowest >= least, f"{name} reach {lowest}; a symmetric {values.dtype} stops at {least}")


def row_blocks(weights: Annotated[AnyArray, "targets sources"]) -> Iterator[slice]:
    """Yield the rows of weights in blocks whose temporaries stay small."""
    rows = max(1, BLOCK_ELEMENTS // max(1, weights.shape[1]))
    for start in range(0, len(weights), rows):
        yield slice(start, start + rows)
