"""A second relaxed sample per step, which enters the loss alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels import spike_products as products
from ipvae_snn.kernels.relaxed_sample import Relaxation, Sample, sample_rows
from ipvae_snn.kernels.training import Gradients, second_backward_rows
from ipvae_snn.training.competition import Competition, Counts
from ipvae_snn.training.unrolling import Unrolling


@dataclass(frozen=True)
class SecondSamples:
    """Samples y with their slopes and lateral = y G, (T, B, K), one for each step.

    share: of their fit in the loss. sparse: whether each y is mostly 0. Without a second sample
    the arrays are (0, B, K) and every method does nothing.
    """

    share: float
    z: Array
    slope: Array
    lateral: Array
    sparse: list[bool] = field(default_factory=list)

    @classmethod
    def empty(cls, unrolling: Unrolling, like: Array) -> "SecondSamples":
        """Return arrays for the samples of an unrolling on rows like those of `like` (B, K)."""
        steps = unrolling.steps * (unrolling.samples - 1)
        share = unrolling.shares[-1] if steps else 0.0
        z, slope, lateral = (np.empty((steps, *like.shape), like.dtype) for _ in range(3))
        return cls(share, z, slope, lateral)

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return len(self.z) > 0

    def drawn(
        self,
        step: int,
        key: np.uint64,
        relaxation: Relaxation,
        u: Array,
        exact: Competition,
        sparse: bool,
    ) -> Callable[[int, int], None]:
        """Return the function that draws the sample after step 0 .. T - 1, for a range of rows.

        u (B, K): log rates. exact: competition of the loss. sparse: as the counts before it were.
        """
        self.sparse.append(sparse)
        counts = self._counts(step)
        sample = Sample(counts.z, counts.slope, np.empty(len(u), np.int64))

        def rows(first: int, last: int) -> None:
            sample_rows(first, last, key, relaxation, u, sample)
            exact.forward(counts, self.lateral[step], first, last)

        return rows

    def add_fit(self, step: int, drive: Array, fit: Array) -> float:
        """Return the share of z.Gz / 2 - z.b, summed over rows; fit (B,) is scratch."""
        products.fit_rows(0, len(fit), self.z[step], self.lateral[step], drive, fit)
        return self.share * float(fit.sum(dtype=np.float64))

    def backward(
        self, step: int, weight: float, drive: Array, grads: Gradients, first: int, last: int
    ) -> None:
        """Add the gradients to potentials and drive for a range of rows; weight of the fit."""
        sample = Sample(self.z[step], self.slope[step], np.zeros(0, np.int64))
        scaled = drive.dtype.type(weight * self.share)
        second_backward_rows(first, last, scaled, sample, drive, self.lateral[step], grads)

    def add_gradient(
        self, weights: Sequence[float], exact: Competition, threads: int, total: Array
    ) -> None:
        """Add the gradient to the weights of competition; weights of the fit after each step."""
        counts = [self._counts(step) for step in range(len(self.z))]
        scale = np.array(weights, self.z.dtype) * self.z.dtype.type(0.5 * self.share)
        total += exact.gradient(counts, self.z * scale[:, None, None], threads)

    def _counts(self, step: int) -> Counts:
        return Counts(self.z[step], self.slope[step], self.sparse[step])
