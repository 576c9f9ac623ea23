"""Weights of which few are not 0, in compressed rows."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from ipvae_snn.arrays import AnyArray, Int8, Int16, Int32, Int64
from ipvae_snn.ir.rules import require, require_type
from ipvae_snn.ir.shapes import OfSources, OfTargets
from ipvae_snn.ir.weights.dense import bits_of, require_symmetric
from ipvae_snn.storage import memory


@dataclass(frozen=True, repr=False)
class Sparse:
    """Compressed rows: target i has the sources columns[starts[i]:starts[i + 1]], in rising order.

    starts int64 (targets + 1), columns int32 (n), values int8 or int16 (n). n_sources: of the
    population or image that sends.
    """

    kind: ClassVar[str] = "sparse"

    starts: Int64
    columns: Int32
    values: Int8 | Int16
    n_sources: int

    def __post_init__(self) -> None:
        """Check types, order and range."""
        require_type("starts", self.starts, np.int64, 1)
        require_type("columns", self.columns, np.int32, 1)
        require_symmetric("weights", self.values, 1)
        n = len(self.values)
        require(
            len(self.starts) >= 2 and self.n_sources >= 1,
            f"weights {len(self.starts) - 1}x{self.n_sources} connect nothing",
        )
        require(
            self.starts[0] == 0
            and self.starts[-1] == n
            and bool((np.diff(self.starts) >= 0).all()),
            f"starts do not divide {n} weights into rows",
        )
        require(
            len(self.columns) == n
            and (n == 0 or (self.columns.min() >= 0 and self.columns.max() < self.n_sources)),
            f"columns are not {n} numbers in 0..{self.n_sources - 1}",
        )
        rising = np.diff(self.columns.astype(np.int64)) > 0
        inner = self.starts[1:-1]
        first = inner[(inner > 0) & (inner < n)]
        rising[first - 1] = True  # from one row to the next the columns start again
        require(bool(rising.all()), "the columns of a row do not rise")

    @classmethod
    def of(cls, matrix: Int8 | Int16) -> "Sparse":
        """Return the weights of a matrix (targets, sources) that are not 0."""
        targets, columns = np.nonzero(matrix)
        values: Any = matrix[targets, columns]  # of the matrix's own type
        starts = np.searchsorted(targets, np.arange(len(matrix) + 1))
        return cls(
            starts.astype(np.int64),
            columns.astype(np.int32),
            np.ascontiguousarray(values),
            int(matrix.shape[1]),
        )

    def __repr__(self) -> str:
        """Return sizes, number of weights and bits."""
        return (
            f"Sparse({self.n_sources} -> {self.n_targets}, {len(self.values):,} weights, "
            f"{self.bits} bits)"
        )

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return len(self.starts) - 1

    @property
    def bits(self) -> int:
        """Bits that the largest weight needs, its sign included."""
        return bits_of(self.values)

    @property
    def stored_bits(self) -> int:
        """Bits of a weight as it is stored: 8, or 16 in a decoder."""
        return 8 * self.values.itemsize

    @property
    def n_bytes(self) -> int:
        """Bytes of the three arrays."""
        return self.starts.nbytes + self.columns.nbytes + self.values.nbytes

    def sums(self, payload: Annotated[Int64, "N sources"]) -> Annotated[Int64, "N targets"]:
        """Return the exact sums that a payload causes."""
        return np.ascontiguousarray((self._rows() @ payload.T).T)

    def worst_sums(self, low: int, high: int) -> tuple[OfTargets, OfTargets]:
        """Return the least and the largest sum per target, over payloads in [low, high]."""
        rows = self._rows()
        positive = np.asarray(rows.maximum(0).sum(axis=1), np.int64)
        negative = np.asarray(rows.minimum(0).sum(axis=1), np.int64)
        return positive * low + negative * high, positive * high + negative * low

    def fan_in(self) -> OfTargets:
        """Return the number of weights of each target that are not 0."""
        return np.asarray((self._rows() != 0).sum(axis=1), np.int64)

    def fan_out(self) -> OfSources:
        """Return the number of weights of each source that are not 0."""
        return np.asarray((self._rows() != 0).sum(axis=0), np.int64)

    def dense(self) -> Annotated[Int8 | Int16, "targets sources"]:
        """Return all weights as a matrix; MemoryLimitError where it would not fit."""
        size = self.n_targets * self.n_sources * self.values.itemsize
        memory.require(size, f"{self} as a matrix", "use a back end that keeps weights sparse")
        matrix = np.zeros((self.n_targets, self.n_sources), self.values.dtype)
        targets = np.repeat(np.arange(self.n_targets), np.diff(self.starts))
        matrix[targets, self.columns] = self.values
        return matrix

    def diagonal(self) -> OfSources:
        """Return the weight of each source to the target of its own index."""
        return np.asarray(self._rows().diagonal(), np.int64)

    def arrays(self) -> dict[str, AnyArray]:
        """Return what is stored, by name."""
        return {"starts": self.starts, "columns": self.columns, "values": self.values}

    def shared(self) -> dict[str, int]:
        """Return the number of sources, which no array shows."""
        return {"n_sources": self.n_sources}

    def _rows(self) -> Any:
        # Imported here: it takes a fifth of a second, which other networks need not pay.
        from scipy import sparse

        shape = (self.n_targets, self.n_sources)
        return sparse.csr_array((self.values.astype(np.int64), self.columns, self.starts), shape)
