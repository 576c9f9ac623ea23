"""A convolutional dictionary in NumPy arrays: F kernels, each at every position of the image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ipvae_snn.arrays import Array, Float32, Float64, Floats
from ipvae_snn.config.settings import DictionaryKind
from ipvae_snn.errors import ConversionError
from ipvae_snn.image_shape import ImageShape, shape_text
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.storage import memory

PATCH_BYTES: Final = 1 << 26  # of the patches that one product reads


@final
@dataclass(frozen=True, eq=False)
class SharedKernels:
    """Kernels (F, height, width, C) at the given positions: a `stored_dictionary.StoredDictionary`.

    Decoding is a transposed convolution, projection a convolution; neither makes a matrix (M, K).
    """

    kernels: Float32
    positions: KernelPositions
    kind: DictionaryKind = "convolutional"
    own: None = None

    def __post_init__(self) -> None:
        """Check the shape; ValueError if the positions are those of other kernels."""
        p = self.positions
        wanted = (p.features, *p.kernel, p.channels)
        if self.kernels.shape != wanted:
            raise ValueError(f"kernels have shape {self.kernels.shape}, but {wanted} is needed")

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return self.positions.n_pixels

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.positions.n_neurons

    @property
    def population(self) -> tuple[int, ...]:
        """(features, rows, columns)."""
        return self.positions.population

    @property
    def size_text(self) -> str:
        """Features, kernel, stride and image."""
        return self.positions.what

    @property
    def settings_text(self) -> str:
        """model.features, model.kernel, model.stride and the image."""
        p = self.positions
        return (
            f"model.features={p.features}, model.kernel={p.kernel[0]}, model.stride={p.stride} and "
            f"use images of {shape_text(p.image_shape)}"
        )

    @property
    def tensors(self) -> Mapping[str, Float32]:
        """The kernels as "kernels"."""
        return {"kernels": self.kernels}

    def decode(self, z: Floats) -> Array:
        """Return phi z (N, M): every count adds its kernel at its position."""
        p, n = self.positions, len(z)
        flat = self.kernels.reshape(p.features, -1).astype(z.dtype, copy=False)
        out = np.zeros((n, *p.image_shape[:2], p.channels), z.dtype)
        for part in _parts(n, p, z.dtype.itemsize):
            counts = z[part].reshape(-1, p.features, p.rows * p.columns).transpose(0, 2, 1)
            patches = (counts @ flat).reshape(-1, p.rows, p.columns, *p.kernel, p.channels)
            for i, j in np.ndindex(p.kernel):
                out[part, _taps(i, p.rows, p), _taps(j, p.columns, p)] += patches[:, :, :, i, j]
        return out.reshape(n, p.n_pixels)

    def project(self, e: Floats) -> Array:
        """Return phi^T e (N, K): every neuron sums its patch with its kernel."""
        p, n = self.positions, len(e)
        flat = self.kernels.reshape(p.features, -1).astype(e.dtype, copy=False)
        images = e.reshape(n, *p.image_shape[:2], p.channels)
        out = np.empty((n, p.features, p.rows * p.columns), e.dtype)
        for part in _parts(n, p, e.dtype.itemsize):
            windows = sliding_window_view(images[part], p.kernel, axis=(1, 2))
            windows = windows[:, :: p.stride, :: p.stride]  # (n, rows, columns, C, height, width)
            patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(len(windows), -1, flat.shape[1])
            out[part] = (patches @ flat.T).transpose(0, 2, 1)
        return out.reshape(n, p.n_neurons)

    def strengths(self, precision: Float64) -> Float64:
        """Return phi_k^T diag(precision) phi_k, (K,), for a precision (M,) of any kind."""
        squares = SharedKernels(np.square(self.kernels), self.positions)
        strengths: Float64 = squares.project(precision[None])[0]
        return strengths

    def competition_by_distance(self, precision: Float64) -> Float64 | None:
        """Return the competition (F, 2 a + 1, 2 b + 1, F), with (a, b) = positions.reach."""
        (a, b), features = self.positions.reach, self.positions.features
        memory.require(
            8 * 2 * features * features * (2 * a + 1) * (2 * b + 1),
            f"the competition of {features} features over distances up to {a} x {b} positions",
            "use a network of fewer features or a larger stride",
        )
        return shared_gram(
            self.kernels.astype(np.float64), self.positions, self.shared_pixels(precision)
        )

    def dense(self) -> Float32:
        """Return phi (M, K), whose columns are the kernels at their positions."""
        p = self.positions
        memory.require(
            4 * p.n_pixels * p.n_neurons,
            f"a dense dictionary of {p.n_pixels} pixels and {p.n_neurons} neurons",
            "use a network of fewer features or smaller images",
        )
        phi = np.zeros((*p.image_shape[:2], p.channels, *p.population), np.float32)
        values = self.kernels.transpose(1, 2, 3, 0)  # (height, width, C, F)
        for row, column in np.ndindex(p.rows, p.columns):
            top, left = row * p.stride, column * p.stride
            phi[top : top + p.kernel[0], left : left + p.kernel[1], :, :, row, column] = values
        return phi.reshape(p.n_pixels, p.n_neurons)

    def elements(self, image_shape: ImageShape) -> tuple[Float32, ImageShape]:
        """Return the kernels (m, F) and their shape, with channels if the image has them."""
        p = self.positions
        height, width = p.kernel
        coloured: ImageShape = (height, width, p.channels)
        shape: ImageShape = coloured if len(image_shape) == 3 else (height, width)
        return np.ascontiguousarray(self.kernels.reshape(p.features, -1).T), shape

    def by_element(self, values: Array) -> Array:
        """Return values (..., K) summed over the positions of each feature, (..., F)."""
        sums: Array = values.reshape(*values.shape[:-1], self.positions.features, -1).sum(-1)
        return sums

    def shared_neurons(self, values: Array) -> Array:
        """Return (F,) of values (K,) that are equal at all positions of a feature."""
        p = self.positions
        return _equal(values.reshape(p.features, -1).T, "neurons of a feature")

    def shared_pixels(self, values: Array) -> Array:
        """Return (C,) of values (M,) that are equal at all pixels of a channel."""
        return _equal(values.reshape(-1, self.positions.channels), "pixels of a channel")

    def each_neuron(self, values: Array) -> Array:
        """Return values (F,) as (K,)."""
        p = self.positions
        return np.repeat(_of_length(values, p.features, "features"), p.rows * p.columns)

    def each_pixel(self, values: Array) -> Array:
        """Return values (C,) as (M,)."""
        p = self.positions
        values = _of_length(values, p.channels, "channels")
        return np.tile(values, p.n_pixels // p.channels)


def shared_gram(kernels: Float64, positions: KernelPositions, precision: Float64) -> Float64:
    """Return the competition of neurons by their distance, (F, 2 a + 1, 2 b + 1, F).

    kernels (F, height, width, C), precision (C,), (a, b) = positions.reach. Entry [f, a + i, b + j,
    g] is the overlap, weighted by the precision, of feature f's kernel with that of feature g
    whose position is i rows below and j columns to the right. It is phi^T diag(precision) phi.
    """
    a, b = positions.reach
    features, stride = positions.features, positions.stride
    weighted = kernels * precision
    out = np.empty((features, 2 * a + 1, 2 * b + 1, features), kernels.dtype)
    for i, j in np.ndindex(2 * a + 1, 2 * b + 1):
        down, right = stride * (i - a), stride * (j - b)
        one = weighted[:, max(down, 0) :, max(right, 0) :]
        other = kernels[:, max(-down, 0) :, max(-right, 0) :]
        height, width = (min(one.shape[k], other.shape[k]) for k in (1, 2))
        first = one[:, :height, :width].reshape(features, -1)
        out[:, i, j] = first @ other[:, :height, :width].reshape(features, -1).T
    return out


def _taps(first: int, count: int, positions: KernelPositions) -> slice:
    """Return the pixels, along one side, that pixel `first` of the kernels meets."""
    return slice(first, first + positions.stride * (count - 1) + 1, positions.stride)


def _parts(n: int, p: KernelPositions, item: int) -> list[slice]:
    """Return slices of n images whose patches take about PATCH_BYTES."""
    each = item * p.rows * p.columns * p.kernel[0] * p.kernel[1] * p.channels
    size = max(1, PATCH_BYTES // each)
    return [slice(first, first + size) for first in range(0, n, size)]


def _equal(groups: Array, what: str) -> Array:
    """Return the first row of groups (n, G), which must all be equal (NaN equals NaN)."""
    if not np.array_equal(groups, np.broadcast_to(groups[0], groups.shape), equal_nan=True):
        raise ConversionError(
            f"{what} share their values in a convolutional dictionary, but here they differ; "
            "change them per feature and per channel"
        )
    values: Array = groups[0].copy()
    return values


def _of_length(values: Any, length: int, what: str) -> Array:
    flat: Array = values.reshape(-1)
    if len(flat) != length:
        raise ValueError(f"{len(flat)} values for {length} {what}")
    return flat
