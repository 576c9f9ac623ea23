"""Module of a decoder, on which models beside the linear iP-VAE build.

Neurons of a convolutional dictionary share the parameters of their feature.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ipvae_snn.config.settings import ModelConfig, is_nonlinear
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.models.convolutional import ConvolutionalDictionary, positions_of
from ipvae_snn.models.decoders import decoder_network
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.nonlinear import NonlinearDecoder
from ipvae_snn.models.parameters import TrainableModule, bounded
from ipvae_snn.models.protocol import Decoder


class DecoderModule(TrainableModule):
    """Parameters of the decoder: phi (M, K), kernels (F, height, width, C) or a network; log_sigma.

    n_features: of what has one parameter each, neurons K, or features F of a convolutional
    dictionary.
    """

    positions: KernelPositions | None
    network: nn.Sequential | None

    def __init__(self, config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        self.rates: Mapping[str, float] = {}
        self.positions, self.network = None, None
        self.n_features, n_noise = config.n_latents, n_pixels(shape)
        if is_nonlinear(config.dictionary):
            self.network = decoder_network(config, shape, config.dictionary, generator)
        elif config.dictionary == "convolutional":
            p = self.positions = positions_of(config, shape)
            self.n_features, n_noise = p.features, p.channels
            self._weights("kernels", generator, p.features, *p.kernel, p.channels)
        else:
            self._weights("phi", generator, n_pixels(shape), config.n_latents)
        self.log_sigma = nn.Parameter(torch.zeros(1, n_noise))

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.config.n_latents if self.positions is None else self.positions.n_neurons

    def dictionary(self) -> Decoder:
        """Return the decoder, differentiable."""
        log_sigma = bounded(self.log_sigma, self.config.log_sigma_limit)
        if self.network is not None:
            return NonlinearDecoder(self.network, log_sigma)
        if self.positions is None:
            return DenseDictionary(self.get_parameter("phi"), log_sigma)
        return ConvolutionalDictionary(self.get_parameter("kernels"), log_sigma, self.positions)

    def _weights(self, name: str, generator: torch.Generator, *size: int) -> None:
        weights = torch.randn(*size, generator=generator) * self.config.phi_std
        self.register_parameter(name, nn.Parameter(weights))

    def each(self, values: Tensor) -> Tensor:
        """Return one value per neuron (1, K) of one per feature (1, F)."""
        if self.positions is None:
            return values
        _, rows, columns = self.positions.population
        return values.repeat_interleave(rows * columns, dim=1)
