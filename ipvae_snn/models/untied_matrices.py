"""Dictionary with weights of inference of its own, in NumPy arrays, as a trained network holds it.

`models.untied` tells why, and has what trains them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from ipvae_snn.arrays import Array, Float32, Float64, Floats
from ipvae_snn.config.settings import DictionaryKind
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.stored_dictionary import DenseMatrix, StoredDictionary, StoredWeights


@final
@dataclass(frozen=True, eq=False)
class UntiedMatrices:
    """phi (M, K) and the weights of inference in NumPy: a `stored_dictionary.StoredDictionary`."""

    phi: Float32
    own: StoredWeights
    kind: DictionaryKind = "untied"

    def __post_init__(self) -> None:
        """Check the shapes; ValueError."""
        m, k = self.phi.shape
        for name, wanted in (("feedforward", (k, m)), ("lateral", (k, k))):
            shape = getattr(self.own, name).shape
            if shape != wanted:
                raise ValueError(f"{name} has shape {shape}, but phi {(m, k)} needs {wanted}")

    @property
    def _decoder(self) -> DenseMatrix:
        return DenseMatrix(self.phi)

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return self._decoder.n_pixels

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self._decoder.n_neurons

    @property
    def population(self) -> tuple[int, ...]:
        """(K,)."""
        return self._decoder.population

    @property
    def size_text(self) -> str:
        """(M, K)."""
        return self._decoder.size_text

    @property
    def settings_text(self) -> str:
        """model.n_latents and the pixels."""
        return self._decoder.settings_text

    @property
    def tensors(self) -> Mapping[str, Float32]:
        """phi, feedforward and lateral."""
        return {"phi": self.phi, **self.own._asdict()}

    def decode(self, z: Floats) -> Array:
        """Return phi z (N, M)."""
        return self._decoder.decode(z)

    def project(self, e: Floats) -> Array:
        """Return phi^T e (N, K)."""
        return self._decoder.project(e)

    def strengths(self, precision: Float64) -> Float64:
        """Return the self-inhibition (K,), which no precision changes."""
        return np.diagonal(self.own.lateral).astype(np.float64)

    def competition_by_distance(self, precision: Float64) -> Float64 | None:
        """Return None: every pair of neurons has its own weight."""
        return None

    def dense(self) -> Float32:
        """Return phi."""
        return self.phi

    def elements(self, image_shape: ImageShape) -> tuple[Float32, ImageShape]:
        """Return phi and the shape of the image."""
        return self._decoder.elements(image_shape)

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
        return self._decoder.each_neuron(values)

    def each_pixel(self, values: Array) -> Array:
        """Return values (M,)."""
        return self._decoder.each_pixel(values)


def started(dictionary: StoredDictionary, log_sigma: Float32) -> dict[str, Array]:
    """Return phi, psi and lateral of `UntiedPoissonVAE` for a dictionary with noise (M,), float64.

    They compute what the dictionary computes; an untied one has its own weights.
    """
    phi, precision = dictionary.dense().astype(np.float64), np.exp(-2.0 * log_sigma.astype(float))
    own = dictionary.own
    if own is None:
        return {"phi": phi, "psi": phi.T, "lateral": (phi.T * precision) @ phi}
    psi, lateral = own.feedforward / precision, own.lateral.astype(np.float64)
    return {"phi": phi, "psi": psi, "lateral": lateral}
