"""Modules of amortised models: a decoder, the parameters in use, and networks."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.amortised import AmortisedLatents, stay
from ipvae_snn.models.decoder_module import DecoderModule
from ipvae_snn.models.encoders import encoder, two_layers
from ipvae_snn.models.gaussian import GaussianLatents
from ipvae_snn.models.parameters import ModelParameters, NetworkParameters, TrainableModule
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentModel, LatentSettings
from ipvae_snn.models.trainable import n_neurons


class PoissonPrior(DecoderModule):
    """Decoder and a learnt prior rate exp(u0) of Poisson latents without updates of their own."""

    numbers = 1

    def __init__(self, config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> None:
        super().__init__(config, shape, generator)
        spread = config.u0_high - config.u0_low
        first = torch.rand(1, self.n_features, generator=generator)
        self.u0 = nn.Parameter(first * spread + config.u0_low)

    def latents(self, settings: LatentSettings) -> LatentModel[Any]:
        """Return Poisson latents; the constants of an update are not used.

        Their KL is exact, whatever train.kl says, as in the P-VAE's public code. The other form,
        of one step of the iP-VAE, charges the square of a rate that rises far above its prior.
        """
        unused, exact = self.u0.new_zeros(()), replace(settings, kl="exact")
        return PoissonLatents(self.each(self.u0), unused, unused, exact)


class GaussianPrior(DecoderModule):
    """Decoder of Gaussian latents with the prior N(0, 1), and their gain if they are rectified."""

    numbers = 2

    def __init__(
        self,
        config: ModelConfig,
        shape: ImageShape,
        generator: torch.Generator,
        *,
        rectified: bool = False,
    ) -> None:
        super().__init__(config, shape, generator)
        gain = torch.zeros(1, self.n_features)
        self.log_gain = nn.Parameter(gain) if rectified else None

    def latents(self, settings: LatentSettings) -> LatentModel[Any]:
        """Return Gaussian latents; the constants of an update are not used."""
        return self.gaussian(settings, None if self.log_gain is None else self.each(self.log_gain))

    def gaussian(self, settings: LatentSettings, gain: Tensor | None) -> GaussianLatents:
        """Return Gaussian latents, rectified with a log gain (1, K) if there is one."""
        zero = self.each(self.log_sigma.new_zeros(1, self.n_features))
        return GaussianLatents(zero, zero, zero, zero[0, 0], zero[0, 0], gain, settings)


Prior = Callable[[ModelConfig, ImageShape, torch.Generator], PoissonPrior | GaussianPrior]
Inner = Callable[[ModelConfig, ImageShape, torch.Generator], TrainableModule]


class AmortisedVAE(TrainableModule):
    """Amortised inference: an encoder's state is not refined."""

    def __init__(
        self, config: ModelConfig, shape: ImageShape, generator: torch.Generator, *, prior: Prior
    ) -> None:
        super().__init__()
        self.rates: Mapping[str, float] = {}
        self.generative = prior(config, shape, generator)
        outputs = self.generative.numbers * self.generative.n_neurons
        self.encoder = encoder(config, shape, outputs, generator)

    def view(self) -> ModelParameters:
        """Return the parameters for the formulas, differentiable."""
        inner = self.generative

        def build(settings: LatentSettings) -> LatentModel[Any]:
            model = inner.latents(settings)
            return AmortisedLatents(model, encoded(model, self.encoder), stay)

        return NetworkParameters(inner.dictionary(), dict(self.named_parameters()), build)


class SemiAmortisedVAE(TrainableModule):
    """An encoder's state that the updates of an iterative model refine.

    The KL of Poisson latents is exact, as that of `PoissonPrior`, since the first step's is from
    the prior to what the encoder gives.
    """

    def __init__(
        self,
        config: ModelConfig,
        shape: ImageShape,
        generator: torch.Generator,
        *,
        iterative: Inner,
        numbers: int,
    ) -> None:
        super().__init__()
        self.iterative = iterative(config, shape, generator)
        self.rates = {f"iterative.{name}": rate for name, rate in self.iterative.rates.items()}
        self.encoder = encoder(config, shape, numbers * n_neurons(config, shape), generator)

    def view(self) -> ModelParameters:
        """Return the parameters for the formulas, differentiable."""
        inner = self.iterative.view()

        def build(settings: LatentSettings) -> LatentModel[Any]:
            model = inner.latents(replace(settings, kl="exact"))
            return AmortisedLatents(model, encoded(model, self.encoder))

        return NetworkParameters(inner.dictionary, dict(self.named_parameters()), build)


class IterativeAmortisedVAE(TrainableModule):
    """A network maps the state and its drive to the update, from the prior on."""

    def __init__(
        self, config: ModelConfig, shape: ImageShape, generator: torch.Generator, *, prior: Prior
    ) -> None:
        super().__init__()
        self.rates: Mapping[str, float] = {}
        self.generative = prior(config, shape, generator)
        n, k = self.generative.numbers, self.generative.n_neurons
        self.renewal = two_layers((n + 1) * k, config.encoder_width, n * k, generator)

    def view(self) -> ModelParameters:
        """Return the parameters for the formulas, differentiable."""
        inner, renewal = self.generative, self.renewal

        def build(settings: LatentSettings) -> LatentModel[Any]:
            model = inner.latents(settings)

            def renew(state: Any, start: Any, drive: Tensor, z: Tensor) -> Any:
                seen = torch.cat([*parts(state), layer_norm(drive, drive.shape[-1:])], dim=-1)
                return model.shifted(state, renewal(seen))

            return AmortisedLatents(model, None, renew)

        return NetworkParameters(inner.dictionary(), dict(self.named_parameters()), build)


def encoded(model: LatentModel[Any], network: nn.Module) -> Callable[[Tensor], Any]:
    """Return the function from pixels (B, M) to the prior moved by a network."""
    return lambda x: model.shifted(model.initial(len(x)), network(x))


def parts(state: Any) -> tuple[Tensor, ...]:
    """Return the tensors (B, K) of a state."""
    return (state,) if isinstance(state, Tensor) else tuple(state)
