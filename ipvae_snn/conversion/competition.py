"""Competition between neurons, as its stability is judged: as a matrix, or by their distance.

What a spike of one neuron takes from another, in any unit. A convolutional network's competition
depends on features and distance only. Its positions are part of a torus that is larger by the reach
of a kernel, so that no distance occurs twice. The eigenvalues of the torus are those of a small
matrix for each spatial frequency, and those of a part lie between the whole's (Cauchy's
interlacing theorem), so the smallest ones bound the network's from below.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from ipvae_snn.arrays import Float64
from ipvae_snn.conversion.stability import energy_margin, loop_gain, smallest_eigenvalue

GAIN_TOLERANCE = 1e-4
DIRECT = 600  # neurons up to which all eigenvalues are found directly


class Competition(Protocol):
    """Inhibition per spike between K neurons, self-inhibition included."""

    @property
    def own(self) -> Float64:
        """Self-inhibition (K,)."""

    def scaled(self, factor: float) -> "Competition":
        """Return the same competition in a unit 1 / factor times as large."""

    def smallest_eigenvalue(self) -> float:
        """Return a lower bound on the smallest eigenvalue of the symmetrised competition."""

    def energy_margin(self, threshold: Float64, rates: Float64) -> float:
        """Return a lower bound on `stability.energy_margin`; threshold, rates (K,)."""

    def loop_gain(self, rates: Float64) -> float:
        """Return `stability.loop_gain` at rates (K,)."""


@dataclass(frozen=True)
class MatrixCompetition:
    """A matrix (K, K)."""

    matrix: Float64

    @property
    def own(self) -> Float64:
        """The diagonal (K,)."""
        return np.diagonal(self.matrix)

    def scaled(self, factor: float) -> "MatrixCompetition":
        """Return the matrix times a factor."""
        return MatrixCompetition(self.matrix * factor)

    def smallest_eigenvalue(self) -> float:
        """Return the smallest eigenvalue of the symmetrised matrix."""
        return smallest_eigenvalue((self.matrix + self.matrix.T) / 2)

    def energy_margin(self, threshold: Float64, rates: Float64) -> float:
        """Return `stability.energy_margin`."""
        return energy_margin(self.matrix, threshold, rates)

    def loop_gain(self, rates: Float64) -> float:
        """Return `stability.loop_gain`."""
        return loop_gain(self.matrix, rates)


@dataclass(frozen=True)
class SharedCompetition:
    """By distance: kernel (F, F, 2 p + 1, 2 p + 1), positions (rows, columns).

    kernel[f, g, p + i, p + j] is what a spike of feature g takes from feature f whose position is
    i rows above and j columns to the left of g's.
    """

    kernel: Float64
    rows: int
    columns: int

    @property
    def reach(self) -> int:
        """Largest distance p."""
        return int(self.kernel.shape[2]) // 2

    @property
    def own(self) -> Float64:
        """Self-inhibition (K,), equal at all positions of a feature."""
        p = self.reach
        return np.repeat(np.diagonal(self.kernel[:, :, p, p]), self.rows * self.columns)

    def scaled(self, factor: float) -> "SharedCompetition":
        """Return the kernel times a factor."""
        return SharedCompetition(self.kernel * factor, self.rows, self.columns)

    def smallest_eigenvalue(self) -> float:
        """Return the smallest eigenvalue on the torus, which bounds the network's from below."""
        return float(np.linalg.eigvalsh(self._symbols)[:, 0].min())

    def energy_margin(self, threshold: Float64, rates: Float64) -> float:
        """Return the margin on the torus, at the largest rate and least threshold of a feature."""
        features = len(self.kernel)
        least = threshold.reshape(features, -1).min(axis=1)
        most = np.maximum(rates.reshape(features, -1).max(axis=1), 1e-9)
        shifted = self._symbols + np.diag(2 * least / most)
        return float(np.linalg.eigvalsh(shifted)[:, 0].min())

    def loop_gain(self, rates: Float64) -> float:
        """Return the largest eigenvalue of sqrt(r) C sqrt(r), to a share of GAIN_TOLERANCE."""
        root, k = np.sqrt(rates), len(rates)

        def scaled(vector: Float64) -> Float64:
            return root * self._symmetric.taken(root * vector.reshape(-1))

        operator = LinearOperator((k, k), matvec=scaled, dtype=np.float64)
        if k <= DIRECT:
            matrix = operator @ np.eye(k)
            return float(eigh(matrix, eigvals_only=True, subset_by_index=[k - 1, k - 1])[0])
        start = root / np.linalg.norm(root)  # fixed, so that the figure is the same every time
        found = eigsh(operator, k=1, which="LA", tol=GAIN_TOLERANCE, v0=start)[0]
        return float(found[0])

    def taken(self, spikes: Float64) -> Float64:
        """Return what spikes (K,) take from each neuron (K,)."""
        seen = spread(spikes, self.rows, self.columns, self.reach)
        return (self.kernel.reshape(len(self.kernel), -1) @ seen.T).reshape(-1)

    @cached_property
    def _symmetric(self) -> "SharedCompetition":
        """The symmetrised competition."""
        turned = self.kernel.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
        return SharedCompetition((self.kernel + turned) / 2, self.rows, self.columns)

    @cached_property
    def _symbols(self) -> Float64:
        """The symmetrised competition on the torus, (frequencies, F, F) Hermitian."""
        p, features = self.reach, len(self.kernel)
        sides = self.rows + p, self.columns + p
        torus = np.zeros((*sides, features, features))
        symmetric = self._symmetric.kernel
        for i, j in np.ndindex(2 * p + 1, 2 * p + 1):
            torus[(i - p) % sides[0], (j - p) % sides[1]] += symmetric[:, :, i, j]
        symbols = np.fft.fft2(torus, axes=(0, 1)).reshape(-1, features, features)
        return np.asarray((symbols + symbols.conj().transpose(0, 2, 1)) / 2)


def spread(values: Float64, rows: int, columns: int, reach: int) -> Float64:
    """Return what every position sees of values (..., K): (..., positions, F (2 p + 1)^2).

    Features come first, then rows and columns of the window; outside of the grid there is 0.
    """
    lead = values.shape[:-1]
    grid = values.reshape(*lead, -1, rows, columns)
    sides = [(0, 0)] * (len(lead) + 1) + [(reach, reach)] * 2
    window = 2 * reach + 1
    seen = np.lib.stride_tricks.sliding_window_view(
        np.pad(grid, sides), (window, window), axis=(-2, -1)
    )  # (..., F, rows, columns, window, window)
    first = len(lead)
    order = (*range(first), first + 1, first + 2, first, first + 3, first + 4)
    return seen.transpose(order).reshape(*lead, rows * columns, -1)
