"""Convolutional dictionary in torch, and its trainable parameters.

Kernels are shared by all positions, log rates and thresholds by the neurons of a feature, and the
noise by the pixels of a channel.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.likelihood import GramLikelihood
from ipvae_snn.models.parameters import TrainableModule, bounded
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import Dictionary, LatentSettings


@final
@dataclass(frozen=True)
class ConvolutionalDictionary:
    """Kernels (F, height, width, C) with noise log_sigma (1, C): a `protocol.Dictionary`.

    No matrix (M, K) is made: time and memory grow linearly with the pixels.
    """

    kernels: Tensor
    log_sigma: Tensor
    positions: KernelPositions
    own: None = None

    @property
    def linear(self) -> "ConvolutionalDictionary":
        """The dictionary itself."""
        return self

    def likelihood(self, frames: Tensor) -> GramLikelihood:
        """Return the likelihood of images (F, B, M) in Gram form."""
        return GramLikelihood(self.project(frames), self.competition())

    @property
    def in_gram_form(self) -> bool:
        """Whether competition goes by the distance of two neurons."""
        return self.positions.by_distance

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the kernels' positions."""
        return self.positions.rows, self.positions.columns

    def decode(self, z: Tensor) -> Tensor:
        """Return phi z, (..., M), of latents z (..., K), by a transposed convolution."""
        images = self._images(z)
        return images.permute(0, 2, 3, 1).reshape(*z.shape[:-1], self.positions.n_pixels)

    def project(self, e: Tensor) -> Tensor:
        """Return phi^T diag(1/sigma^2) e, (..., K), of pixels e (..., M), by a convolution."""
        p = self.positions
        images = e.reshape(-1, *p.image_shape[:2], p.channels).permute(0, 3, 1, 2)
        return self._drive(images).reshape(*e.shape[:-1], p.n_neurons)

    def competition(self) -> Callable[[Tensor], Tensor]:
        """Return the function z (B, K) -> z phi^T diag(1/sigma^2) phi.

        It goes by the distance of two neurons, or through the pixels if `positions.by_distance` is
        False.
        """
        p = self.positions
        if not p.by_distance:
            return lambda z: self._drive(self._images(z)).reshape(z.shape)
        # What neurons take from a place comes from the opposite distance.
        weights = self.by_distance().flip(1, 2).permute(3, 0, 1, 2)

        def by_distance(z: Tensor) -> Tensor:
            counts = z.reshape(-1, *p.population)
            return conv2d(counts, weights, padding=p.reach).reshape(z.shape)

        return by_distance

    def by_distance(self) -> Tensor:
        """Return the competition of neurons by their distance, (F, 2 a + 1, 2 b + 1, F).

        As `shared_kernels.shared_gram`, with a gradient; (a, b) = positions.reach.
        """
        a, b = self.positions.reach
        features, stride = self.positions.features, self.positions.stride
        weighted = self.kernels * linear_gaussian.precision(self.log_sigma.reshape(-1))
        products = []
        for i, j in itertools.product(range(-a, a + 1), range(-b, b + 1)):
            down, right = stride * i, stride * j
            one = weighted[:, max(down, 0) :, max(right, 0) :]
            other = self.kernels[:, max(-down, 0) :, max(-right, 0) :]
            height, width = (min(one.shape[k], other.shape[k]) for k in (1, 2))
            first, second = (
                side[:, :height, :width].reshape(features, -1) for side in (one, other)
            )
            products.append(first @ second.T)
        return torch.stack(products, 1).reshape(features, 2 * a + 1, 2 * b + 1, features)

    def power(self, e: Tensor) -> Tensor:
        """Return e^T diag(1/sigma^2) e, (...), of pixels e (..., M)."""
        precision = linear_gaussian.precision(self.log_sigma.reshape(-1))
        squares = (e * e).reshape(*e.shape[:-1], -1, self.positions.channels)
        return (squares.sum(-2) * precision).sum(-1)

    def log_normaliser(self) -> Tensor:
        """Return the sum over pixels of log(sigma sqrt(2 pi)), a scalar, in nats."""
        per_channel = self.positions.n_pixels // self.positions.channels
        return per_channel * linear_gaussian.log_normaliser(self.log_sigma)

    @property
    def _weights(self) -> Tensor:
        """The kernels as torch's convolutions take them, (F, C, height, width)."""
        return self.kernels.permute(0, 3, 1, 2)

    def _images(self, z: Tensor) -> Tensor:
        """Return phi z as (N, C, height, width)."""
        counts = z.reshape(-1, *self.positions.population)
        return conv_transpose2d(counts, self._weights, stride=self.positions.stride)

    def _drive(self, images: Tensor) -> Tensor:
        """Return phi^T diag(1/sigma^2) e of images e (N, C, height, width)."""
        precision = linear_gaussian.precision(self.log_sigma.reshape(1, -1, 1, 1))
        return conv2d(images, self._weights * precision, stride=self.positions.stride)


@dataclass(frozen=True)
class SharedParameters:
    """Parameters of a network with a convolutional dictionary: `parameters.PoissonParameters`.

    kernels (F, height, width, C), log_sigma (1, C) after its bound, feature_u0 (1, F),
    feature_log_bias (1, F), log_lr ().
    """

    kernels: Tensor
    log_sigma: Tensor
    feature_u0: Tensor
    feature_log_bias: Tensor
    log_lr: Tensor
    positions: KernelPositions

    @property
    def u0(self) -> Tensor:
        """Initial log rate (1, K): one value per feature, at all its positions."""
        return self._each(self.feature_u0)

    @property
    def log_bias(self) -> Tensor:
        """Log of the constant subtracted from the drive (1, K), one value per feature."""
        return self._each(self.feature_log_bias)

    @property
    def dictionary(self) -> Dictionary:
        """The kernels with the noise of the channels."""
        return ConvolutionalDictionary(self.kernels, self.log_sigma, self.positions)

    @property
    def stored(self) -> Mapping[str, Tensor]:
        """Kernels, and one value per feature or channel."""
        return {
            "kernels": self.kernels,
            "log_sigma": self.log_sigma,
            "u0": self.feature_u0,
            "log_bias": self.feature_log_bias,
            "log_lr": self.log_lr,
        }

    @property
    def details(self) -> Mapping[str, Any]:
        """The kind and the stride; all else follows from the kernels and the image."""
        return {"kind": "convolutional", "stride": self.positions.stride}

    def latents(self, settings: LatentSettings) -> PoissonLatents:
        """Return Poisson latents."""
        return PoissonLatents.of(self, settings)

    def _each(self, values: Tensor) -> Tensor:
        _, rows, columns = self.positions.population
        return values.repeat_interleave(rows * columns, dim=1)


class ConvolutionalPoissonVAE(TrainableModule):
    """Module of the parameters of a convolutional network."""

    def __init__(
        self, positions: KernelPositions, config: ModelConfig, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.config = config
        self.rates: Mapping[str, float] = {}
        self.positions = positions
        features, spread = positions.features, config.u0_high - config.u0_low
        kernels = torch.randn(features, *positions.kernel, positions.channels, generator=generator)
        self.kernels = nn.Parameter(kernels * config.phi_std)
        self.log_sigma = nn.Parameter(torch.zeros(1, positions.channels))
        first = torch.rand(1, features, generator=generator)
        self.u0 = nn.Parameter(first * spread + config.u0_low)
        self.log_bias = nn.Parameter(torch.full((1, features), config.log_bias))
        self.log_lr = nn.Parameter(torch.tensor(config.log_lr))

    def view(self) -> SharedParameters:
        """Return the parameters for the formulas, differentiable."""
        return SharedParameters(
            kernels=self.kernels,
            log_sigma=bounded(self.log_sigma, self.config.log_sigma_limit),
            feature_u0=self.u0,
            feature_log_bias=self.log_bias,
            log_lr=self.log_lr,
            positions=self.positions,
        )


def positions_of(config: ModelConfig, shape: ImageShape) -> KernelPositions:
    """Return the positions of the kernels that the settings describe, in images of `shape`.

    Raises ConfigError if they do not fit, or if model.n_latents states another number of neurons.
    """
    side = config.kernel
    positions = KernelPositions(shape, config.features, (side, side), config.stride)
    if config.n_latents not in (0, positions.n_neurons):
        raise ConfigError(
            f"model.n_latents is {config.n_latents}, but {positions.what} are "
            f"{positions.n_neurons} neurons; leave model.n_latents out, or set it to 0"
        )
    return positions
