"""Module of an iP-VAE with a nonlinear decoder; those with a linear one are in `trainable`."""

import torch
from torch import nn

from ipvae_snn.config.settings import ModelConfig, is_nonlinear
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.decoder_module import DecoderModule
from ipvae_snn.models.parameters import ModelParameters, NetworkParameters, TrainableModule
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.trainable import trainable


class NonlinearPoissonVAE(DecoderModule):
    """Parameters of the decoder's network and of the latents, as `IterativePoissonVAE` has them."""

    def __init__(self, config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> None:
        super().__init__(config, shape, generator)
        first = torch.rand(1, self.n_features, generator=generator)
        self.u0 = nn.Parameter(first * (config.u0_high - config.u0_low) + config.u0_low)
        self.log_bias = nn.Parameter(torch.full((1, self.n_features), config.log_bias))
        self.log_lr = nn.Parameter(torch.tensor(config.log_lr))

    def view(self) -> ModelParameters:
        """Return the parameters for the formulas, differentiable."""

        def build(settings: LatentSettings) -> PoissonLatents:
            return PoissonLatents(self.u0, self.log_bias, self.log_lr, settings)

        return NetworkParameters(self.dictionary(), dict(self.named_parameters()), build)


def poisson_module(
    config: ModelConfig, shape: ImageShape, generator: torch.Generator
) -> TrainableModule:
    """Return a module of an iP-VAE; raises as `trainable`."""
    build = NonlinearPoissonVAE if is_nonlinear(config.dictionary) else trainable
    return build(config, shape, generator)
