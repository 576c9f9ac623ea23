"""Parameters of models, and those of an iP-VAE with a dense dictionary as a torch module."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.poisson import LatentParameters, PoissonLatents
from ipvae_snn.models.protocol import Decoder, Dictionary, LatentModel, LatentSettings


class ModelParameters(Protocol):
    """All parameters of a network, in the form that the formulas take; differentiable."""

    @property
    def dictionary(self) -> Decoder:
        """The decoder with its pixel noise."""

    @property
    def stored(self) -> Mapping[str, Tensor]:
        """The tensors of a checkpoint by name."""

    @property
    def details(self) -> Mapping[str, Any]:
        """What a checkpoint states of the dictionary, besides its tensors; JSON."""

    def latents(self, settings: LatentSettings) -> LatentModel[Any]:
        """Return the distribution over latents and its updates."""


class PoissonParameters(ModelParameters, LatentParameters, Protocol):
    """Parameters of an iP-VAE with a linear decoder."""

    @property
    def dictionary(self) -> Dictionary:
        """The linear decoder with its pixel noise."""


class TrainableModule(nn.Module):
    """Module of the parameters of one model; computations are pure functions of its view."""

    rates: Mapping[str, float]  # learning rates by parameter, relative to the run's; 1 where absent

    def view(self) -> ModelParameters:
        """Return the parameters for the formulas, differentiable."""
        raise NotImplementedError

    def constrain(self) -> None:
        """Bring the parameters back to what they must satisfy, after each iteration."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of a network with a dense dictionary: `PoissonParameters`.

    phi (M, K), log_sigma (1, M) after its bound, u0 (1, K), log_bias (1, K), log_lr ().
    """

    phi: Tensor
    log_sigma: Tensor
    u0: Tensor
    log_bias: Tensor
    log_lr: Tensor

    @property
    def dictionary(self) -> Dictionary:
        """The matrix with its pixel noise."""
        return DenseDictionary(self.phi, self.log_sigma)

    @property
    def stored(self) -> Mapping[str, Tensor]:
        """The tensors as they are."""
        return vars(self)

    @property
    def details(self) -> Mapping[str, Any]:
        """Nothing: a file without a description is dense."""
        return {}

    def latents(self, settings: LatentSettings) -> PoissonLatents:
        """Return Poisson latents."""
        return PoissonLatents.of(self, settings)


@dataclass(frozen=True)
class NetworkParameters:
    """Parameters of a model that its settings describe in full: `ModelParameters`.

    build: settings to latents, of the parameters of a module.
    """

    dictionary: Decoder
    stored: Mapping[str, Tensor]
    build: Callable[[LatentSettings], LatentModel[Any]]

    @property
    def details(self) -> Mapping[str, Any]:
        """Nothing: the settings in the file describe the decoder."""
        return {}

    def latents(self, settings: LatentSettings) -> LatentModel[Any]:
        """Return the latents."""
        return self.build(settings)


class IterativePoissonVAE(TrainableModule):
    """Module of the parameters; computations are pure functions in the other model modules."""

    def __init__(self, n_pixels: int, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        K = config.n_latents
        self.config = config
        self.rates: Mapping[str, float] = {}
        spread = config.u0_high - config.u0_low
        self.phi = nn.Parameter(torch.randn(n_pixels, K, generator=generator) * config.phi_std)
        self.log_sigma = nn.Parameter(torch.zeros(1, n_pixels))
        self.u0 = nn.Parameter(torch.rand(1, K, generator=generator) * spread + config.u0_low)
        self.log_bias = nn.Parameter(torch.full((1, K), config.log_bias))
        self.log_lr = nn.Parameter(torch.tensor(config.log_lr))

    def view(self) -> Parameters:
        """Return the parameters for the formulas, differentiable."""
        return Parameters(
            phi=self.phi,
            log_sigma=bounded(self.log_sigma, self.config.log_sigma_limit),
            u0=self.u0,
            log_bias=self.log_bias,
            log_lr=self.log_lr,
        )


def bounded(raw: Tensor, limit: float) -> Tensor:
    """Return limit * tanh(raw / limit), or `raw` itself where limit is 0.

    Without this bound, the noise of a pixel that never changes shrinks towards 0, and
    phi / sigma^2 becomes largest where there is no signal.
    """
    return limit * torch.tanh(raw / limit) if limit > 0 else raw
