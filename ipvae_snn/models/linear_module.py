"""Module of a linear decoder, on which models other than the iP-VAE build: dense or convolutional.

Neurons of a convolutional dictionary share the parameters of their feature.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.models.convolutional import ConvolutionalDictionary, positions_of
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.parameters import TrainableModule, bounded
from ipvae_snn.models.protocol import Dictionary


class LinearModule(TrainableModule):
    """Parameters of the decoder: phi (M, K) or kernels (F, height, width, C), and log_sigma.

    n_features: of what has one parameter each, neurons K of a dense dictionary, else features F.
    """

    positions: KernelPositions | None

    def __init__(self, config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        self.rates: Mapping[str, float] = {}
        self.positions = positions_of(config, shape) if config.dictionary != "dense" else None
        size: tuple[int, ...]
        if self.positions is None:
            name, size, n_noise = "phi", (n_pixels(shape), config.n_latents), n_pixels(shape)
            self.n_features = config.n_latents
        else:
            p = self.positions
            name, size, n_noise = "kernels", (p.features, *p.kernel, p.channels), p.channels
            self.n_features = p.features
        weights = torch.randn(*size, generator=generator) * config.phi_std
        self.register_parameter(name, nn.Parameter(weights))
        self.log_sigma = nn.Parameter(torch.zeros(1, n_noise))

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.config.n_latents if self.positions is None else self.positions.n_neurons

    def dictionary(self) -> Dictionary:
        """Return the linear decoder, differentiable."""
        log_sigma = bounded(self.log_sigma, self.config.log_sigma_limit)
        if self.positions is None:
            return DenseDictionary(self.get_parameter("phi"), log_sigma)
        return ConvolutionalDictionary(self.get_parameter("kernels"), log_sigma, self.positions)

    def each(self, values: Tensor) -> Tensor:
        """Return one value per neuron (1, K) of one per feature (1, F)."""
        if self.positions is None:
            return values
        _, rows, columns = self.positions.population
        return values.repeat_interleave(rows * columns, dim=1)
