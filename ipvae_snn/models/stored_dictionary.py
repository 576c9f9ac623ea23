"""Protocol of a dictionary in NumPy arrays, as a trained network holds it; and the dense one.

The convolutional one is in `models.shared_kernels`. Shapes: N images, M pixels, K neurons.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, final

import numpy as np

from ipvae_snn.arrays import Array, Float32, Float64, Floats
from ipvae_snn.config.settings import DictionaryKind
from ipvae_snn.image_shape import ImageShape


class StoredWeights(NamedTuple):
    """Weights of inference that are not formed from the decoder.

    feedforward (K, M): drive per pixel. lateral (K, K): row i is what a spike of each neuron takes
    from the drive of neuron i; its diagonal is self-inhibition. start (K, M): what a pixel adds to
    the first potentials, nats; None where they are the same for all images.
    """

    feedforward: Float32
    lateral: Float32
    start: Float32 | None = None

    @property
    def arrays(self) -> dict[str, Float32]:
        """The weights that there are, by name."""
        return {name: array for name, array in self._asdict().items() if array is not None}


class StoredDictionary(Protocol):
    """Linear decoder phi (M, K) of a trained network; a new kind is one such class.

    Values may be shared: by the neurons of a feature, and by the pixels of a channel. A network
    holds log rates and noise per neuron and pixel; `shared_neurons` and `shared_pixels` return the
    values as a file holds them, `each_neuron` and `each_pixel` spread them again.
    """

    @property
    def kind(self) -> DictionaryKind:
        """The value of `model.dictionary`."""

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""

    @property
    def population(self) -> tuple[int, ...]:
        """Shape of the K neurons in C order: (K,), or (features, rows, columns)."""

    @property
    def size_text(self) -> str:
        """The size in words, for messages; equal if and only if the sizes are."""

    @property
    def settings_text(self) -> str:
        """The settings and images of a run that has this size, for messages."""

    @property
    def own(self) -> StoredWeights | None:
        """Weights with which inference runs, where they are not phi^T / sigma^2 and its Gram."""

    @property
    def tensors(self) -> Mapping[str, Float32]:
        """The arrays by their names in a file: the decoder's, then those of `own`."""

    def decode(self, z: Floats) -> Array:
        """Return phi z (N, M) of latents z (N, K), in the type of z."""

    def project(self, e: Floats) -> Array:
        """Return phi^T e (N, K) of pixels e (N, M), in the type of e."""

    def strengths(self, precision: Float64) -> Float64:
        """Return what a spike takes from its own drive, (K,), for a precision (M,).

        It is phi_k^T diag(precision) phi_k where inference has no weights of its own.
        """

    def competition_by_distance(self, precision: Float64) -> Float64 | None:
        """Return phi^T diag(precision) phi by distance, (F, 2 a + 1, 2 b + 1, F).

        None where it depends on more than features and distance. precision (M,). Raises
        ConversionError where it differs within a channel, MemoryLimitError.
        """

    def dense(self) -> Float32:
        """Return phi (M, K); raises MemoryLimitError where it does not fit into memory."""

    def elements(self, image_shape: ImageShape) -> tuple[Float32, ImageShape]:
        """Return the distinct elements (m, E) and their shape, for pictures.

        They are the K columns of phi, or the F kernels.
        """

    def by_element(self, values: Array) -> Array:
        """Return values (..., K) summed over the neurons of each element, (..., E)."""

    def shared_neurons(self, values: Array) -> Array:
        """Return what is stored of values (K,); ConversionError if neurons that share differ."""

    def shared_pixels(self, values: Array) -> Array:
        """Return what is stored of values (M,); ConversionError if pixels that share differ."""

    def each_neuron(self, values: Array) -> Array:
        """Return stored values as (K,); ValueError for another shape."""

    def each_pixel(self, values: Array) -> Array:
        """Return stored values as (M,); ValueError for another shape."""


@final
@dataclass(frozen=True, eq=False)
class DenseMatrix:
    """A matrix phi (M, K): every pixel has a weight from every neuron.

    own: weights with which inference runs in place of those formed from phi, if there are any; the
    dictionary is then "untied".
    """

    phi: Float32
    own: StoredWeights | None = None

    def __post_init__(self) -> None:
        """Check the shapes of inference's own weights; ValueError."""
        if self.own is None:
            return
        m, k = self.phi.shape
        wanted = {"feedforward": (k, m), "lateral": (k, k), "start": (k, m)}
        for name, array in self.own.arrays.items():
            if array.shape != wanted[name]:
                raise ValueError(
                    f"{name} has shape {array.shape}, but phi {(m, k)} needs {wanted[name]}"
                )

    @property
    def kind(self) -> DictionaryKind:
        """ "dense", or "untied" where inference has weights of its own."""
        return "dense" if self.own is None else "untied"

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return int(self.phi.shape[0])

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return int(self.phi.shape[1])

    @property
    def population(self) -> tuple[int, ...]:
        """(K,)."""
        return (self.n_neurons,)

    @property
    def size_text(self) -> str:
        """(M, K)."""
        return str((self.n_pixels, self.n_neurons))

    @property
    def settings_text(self) -> str:
        """model.n_latents and the pixels."""
        return f"model.n_latents={self.n_neurons} and use images of {self.n_pixels} pixels"

    @property
    def tensors(self) -> Mapping[str, Float32]:
        """The matrix as "phi", and inference's own weights."""
        return {"phi": self.phi} if self.own is None else {"phi": self.phi, **self.own.arrays}

    def decode(self, z: Floats) -> Array:
        """Return phi z (N, M)."""
        product: Array = z @ self.phi.astype(z.dtype, copy=False).T
        return product

    def project(self, e: Floats) -> Array:
        """Return phi^T e (N, K)."""
        product: Array = e @ self.phi.astype(e.dtype, copy=False)
        return product

    def strengths(self, precision: Float64) -> Float64:
        """Return the diagonal of phi^T diag(precision) phi, or of inference's own weights, (K,)."""
        if self.own is not None:
            return np.diagonal(self.own.lateral).astype(np.float64)
        return np.asarray(np.einsum("mk,mk,m->k", self.phi, self.phi, precision), np.float64)

    def competition_by_distance(self, precision: Float64) -> Float64 | None:
        """Return None: every pair of neurons has its own weight."""
        return None

    def dense(self) -> Float32:
        """Return the matrix itself."""
        return self.phi

    def elements(self, image_shape: ImageShape) -> tuple[Float32, ImageShape]:
        """Return phi and the shape of the image."""
        return self.phi, image_shape

    def by_element(self, values: Array) -> Array:
        """Return the values: every neuron is an element."""
        return values

    def shared_neurons(self, values: Array) -> Array:
        """Return the values: every neuron has its own."""
        return values

    def shared_pixels(self, values: Array) -> Array:
        """Return the values: every pixel has its own."""
        return values

    def each_neuron(self, values: Array) -> Array:
        """Return values (K,)."""
        return _of_length(values, self.n_neurons)

    def each_pixel(self, values: Array) -> Array:
        """Return values (M,)."""
        return _of_length(values, self.n_pixels)


def started(dictionary: StoredDictionary, log_sigma: Float32) -> dict[str, Array]:
    """Return phi, psi and lateral of `UntiedPoissonVAE` for a dictionary with noise (M,), float64.

    They compute what the dictionary computes; an untied one has its own weights, and its start if
    it has one.
    """
    phi, precision = dictionary.dense().astype(np.float64), np.exp(-2.0 * log_sigma.astype(float))
    own = dictionary.own
    if own is None:
        return {"phi": phi, "psi": phi.T, "lateral": (phi.T * precision) @ phi}
    psi, lateral = own.feedforward / precision, own.lateral.astype(np.float64)
    started: dict[str, Array] = {} if own.start is None else {"start": own.start}
    return {"phi": phi, "psi": psi, "lateral": lateral, **started}


def _of_length(values: Array, length: int) -> Array:
    flat = values.reshape(-1)
    if len(flat) != length:
        raise ValueError(f"{len(flat)} values, but phi needs {length}")
    return flat
