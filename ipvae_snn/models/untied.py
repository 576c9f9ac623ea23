"""Dictionaries whose inference has weights of its own, untied from the decoder.

In the iP-VAE the decoder phi determines inference: the feed-forward weights are phi^T / sigma^2 and
lateral competition is their Gram matrix, as in the paper. Both matrices are nearly dense. Weights
of their own can be sparse, and learn through the dynamics that run to make up for what is missing,
as the untied weights of learnt iterative shrinkage do (Gregor and LeCun, ICML 2010). An entry that
is 0 is no synapse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import torch
from torch import Tensor, nn

from ipvae_snn.arrays import Array, Float32, Float64, Floats
from ipvae_snn.config.settings import DictionaryKind, ModelConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.parameters import bounded
from ipvae_snn.models.protocol import Dictionary, OwnWeights
from ipvae_snn.models.stored_dictionary import DenseMatrix, StoredDictionary, StoredWeights

# Learning rates relative to that of phi and psi: a run starts from a trained network, so that its
# potentials and thresholds, of size 1, have as far to go as weights a hundredth of that.
RATES: Final[Mapping[str, float]] = {"u0": 10.0, "log_bias": 10.0, "lateral": 3.0, "log_sigma": 3.0}
DETAILS: Final[Mapping[str, Any]] = {"kind": "untied"}


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


@dataclass(frozen=True)
class UntiedParameters:
    """Parameters with weights of inference of their own: `parameters.ModelParameters`.

    phi (M, K), feedforward (K, M), lateral (K, K) as in `StoredWeights`, log_sigma (1, M) after its
    bound, u0 (1, K), log_bias (1, K), log_lr ().
    """

    phi: Tensor
    feedforward: Tensor
    lateral: Tensor
    log_sigma: Tensor
    u0: Tensor
    log_bias: Tensor
    log_lr: Tensor

    @property
    def dictionary(self) -> Dictionary:
        """The decoder, with the weights of inference."""
        own = OwnWeights(self.feedforward, self.lateral.T)
        return DenseDictionary(self.phi, self.log_sigma, own=own)

    @property
    def stored(self) -> Mapping[str, Tensor]:
        """The tensors as they are."""
        return vars(self)

    @property
    def details(self) -> Mapping[str, Any]:
        """The kind."""
        return DETAILS


class UntiedPoissonVAE(nn.Module):
    """Module of the parameters, which start as a dense dictionary's.

    The feed-forward weights are held as psi^T with feedforward = psi^T / sigma^2, so that psi has
    the size of phi, and one learning rate fits both. sigma has no gradient through them.
    """

    def __init__(self, n_pixels: int, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        K = config.n_latents
        self.config = config
        self.rates: Mapping[str, float] = RATES
        spread = config.u0_high - config.u0_low
        self.phi = nn.Parameter(torch.randn(n_pixels, K, generator=generator) * config.phi_std)
        self.psi = nn.Parameter(self.phi.detach().T.clone())
        self.lateral = nn.Parameter(self.phi.detach().T @ self.phi.detach())
        self.log_sigma = nn.Parameter(torch.zeros(1, n_pixels))
        self.u0 = nn.Parameter(torch.rand(1, K, generator=generator) * spread + config.u0_low)
        self.log_bias = nn.Parameter(torch.full((1, K), config.log_bias))
        self.log_lr = nn.Parameter(torch.tensor(config.log_lr))

    def view(self) -> UntiedParameters:
        """Return the parameters for the formulas, differentiable."""
        log_sigma = bounded(self.log_sigma, self.config.log_sigma_limit)
        return UntiedParameters(
            phi=self.phi,
            feedforward=self.psi * linear_gaussian.precision(log_sigma.detach()),
            lateral=self.lateral,
            log_sigma=log_sigma,
            u0=self.u0,
            log_bias=self.log_bias,
            log_lr=self.log_lr,
        )


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
