"""Lateral competition of unrolled inference on the CPU: with a matrix, or shared by positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import Array
from ipvae_snn.kernels import shared_products
from ipvae_snn.kernels import spike_products as products
from ipvae_snn.kernels.spike_products import SharedGram
from ipvae_snn.training.row_products import dense_product, for_rows, mostly_zero
from ipvae_snn.training.unrolling import Rounded


class Counts(NamedTuple):
    """Relaxed counts z and their slopes dz/du, (B, K). sparse: as `Competition.sparse` says."""

    z: Array
    slope: Array
    sparse: bool


class Competition(Protocol):
    """What neurons take from each other."""

    def sparse(self, z: Array) -> bool:
        """Return whether products with counts z (B, K) had better skip their zeros."""

    def forward(self, counts: Counts, lateral: Array, first: int, last: int) -> None:
        """Set rows first .. last - 1 of lateral (B, K) to the competition of the counts."""

    def backward(self, drive: Array, counts: Counts, product: Array, first: int, last: int) -> None:
        """Set rows first .. last - 1 of product to the transposed competition of drive, (B, K).

        Where the counts' slope is 0, entries may be left 0.
        """

    def gradient(self, counts: Sequence[Counts], factors: Array, threads: int) -> Array:
        """Return the gradient to the weights: the sum over updates of z^T factor.

        factors: (N + 1, B, K), one for each of the counts.
        """


class Products(NamedTuple):
    """Competition of the loss (exact) and of inference (seen), and inference's drive (F, B, K).

    exact and seen are one object unless inference sees rounded weights.
    """

    exact: Competition
    seen: Competition
    drive: Array


class Form(Protocol):
    """Form of the weights of competition."""

    def products(self, weights: Array, drive: Array) -> Products:
        """Return the products with `weights`, for the feed-forward drive (F, B, K)."""


@dataclass(frozen=True)
class Dense:
    """Weights are a matrix G (K, K), taken as symmetric. rounded: what inference sees instead."""

    rounded: Rounded | None = None

    def products(self, weights: Array, drive: Array) -> Products:
        """Return the products with the matrix, and with the rounded one if there is any."""
        exact = _Matrix(weights, weights)
        if self.rounded is None:
            return Products(exact, exact, drive)
        seen = _Matrix(array(self.rounded.competition), array(self.rounded.back))
        return Products(exact, seen, array(self.rounded.drive))


@dataclass(frozen=True)
class Shared:
    """Weights by distance, (F, 2 a + 1, 2 b + 1, F), of neurons in order of position.

    As in `kernels.shared_products`, for rows x columns positions of F features.
    """

    rows: int
    columns: int

    def products(self, weights: Array, drive: Array) -> Products:
        """Return the products with the shared weights."""
        competition = _ByDistance(SharedGram(weights, self.rows, self.columns))
        return Products(competition, competition, drive)


def array(tensor: Tensor) -> Array:
    """Return a tensor's values, without a copy if they are contiguous."""
    return tensor.detach().contiguous().numpy()


@dataclass(frozen=True)
class _Matrix:
    """Matrix G (K, K) and its transpose `back`: a `Competition`."""

    G: Array
    back: Array

    def sparse(self, z: Array) -> bool:
        return mostly_zero(z)

    def forward(self, counts: Counts, lateral: Array, first: int, last: int) -> None:
        if counts.sparse:
            products.competition_rows(first, last, counts.z, self.G, lateral)
        else:
            dense_product(counts.z, self.G, lateral, first, last)

    def backward(self, drive: Array, counts: Counts, product: Array, first: int, last: int) -> None:
        if counts.sparse:
            products.needed_competition_rows(first, last, drive, counts.slope, self.G, product)
        else:
            dense_product(drive, self.back, product, first, last)

    def gradient(self, counts: Sequence[Counts], factors: Array, threads: int) -> Array:
        total = np.zeros_like(self.G)

        def rows(first: int, last: int) -> None:
            share = torch.from_numpy(total[first:last])
            for (z, _, sparse), factor in zip(counts, factors, strict=True):
                if sparse:
                    products.add_outer_products(first, last, z, factor, total)
                else:
                    share.addmm_(torch.from_numpy(z[:, first:last]).T, torch.from_numpy(factor))

        for_rows(rows, len(total), threads)
        return total


@dataclass(frozen=True)
class _ByDistance:
    """Competition by the distance of two neurons: a `Competition`.

    It always skips zeros: dense convolutions are at most twice as fast with counts that are all
    above 0, and slower below a share of about half. So the order of its sums never changes.
    """

    shared: SharedGram

    def sparse(self, z: Array) -> bool:
        return True

    def forward(self, counts: Counts, lateral: Array, first: int, last: int) -> None:
        shared_products.competition_rows(first, last, counts.z, self.shared, lateral)

    def backward(self, drive: Array, counts: Counts, product: Array, first: int, last: int) -> None:
        shared_products.needed_competition_rows(
            first, last, drive, counts.slope, self.shared, product
        )

    def gradient(self, counts: Sequence[Counts], factors: Array, threads: int) -> Array:
        places = self.shared.rows, self.shared.columns
        total = np.zeros_like(self.shared.weights)

        def features(first: int, last: int) -> None:
            for (z, _, _), factor in zip(counts, factors, strict=True):
                shared_products.add_outer_products(first, last, z, factor, places, total)

        for_rows(features, len(total), threads)
        return total
