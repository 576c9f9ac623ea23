"""Networks that map an image to a first state, and a state with its drive to an update.

Linear, with one hidden layer, or convolutional. Weights start as He et al. (2015) recommend for
rectified layers; the last layer starts small, so that an untrained encoder hardly moves the prior.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import torch
from torch import Tensor, nn

from ipvae_snn.config.settings import EncoderKind, ModelConfig
from ipvae_snn.image_shape import ImageShape, n_channels, n_pixels

LAST_GAIN: Final = 0.1  # of the last layer's initial weights
KERNEL: Final = 3  # pixels at a side
STAGES: Final = 3  # convolutions, each of which halves height and width
FINEST: Final = 4  # pixels at a side below which no convolution halves

Build = Callable[[ModelConfig, ImageShape, int], list[nn.Module]]


def encoder(
    config: ModelConfig, shape: ImageShape, outputs: int, generator: torch.Generator
) -> nn.Sequential:
    """Return a network from pixels (B, M) to (B, outputs) with initial weights."""
    return _started(ENCODERS[config.encoder](config, shape, outputs), generator)


def two_layers(inputs: int, width: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Return a network with one hidden layer of `width` rectified units."""
    return _started(_dense(inputs, width, outputs), generator)


def _linear(config: ModelConfig, shape: ImageShape, outputs: int) -> list[nn.Module]:
    return [nn.Linear(n_pixels(shape), outputs)]


def _mlp(config: ModelConfig, shape: ImageShape, outputs: int) -> list[nn.Module]:
    return _dense(n_pixels(shape), config.encoder_width, outputs)


def _dense(inputs: int, width: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs)]


def _convolutional(config: ModelConfig, shape: ImageShape, outputs: int) -> list[nn.Module]:
    """Return convolutions of growing width, which halve the image, and a linear layer."""
    height, width, channels = shape[0], shape[1], n_channels(shape)
    layers: list[nn.Module] = [_AsImages(shape)]
    for stage in range(STAGES):
        stride = 2 if min(height, width) >= 2 * FINEST else 1
        wider = max(1, config.encoder_width >> (STAGES - 1 - stage))
        layers += [nn.Conv2d(channels, wider, KERNEL, stride, KERNEL // 2), nn.ReLU()]
        height, width, channels = -(-height // stride), -(-width // stride), wider
    return [*layers, nn.Flatten(), nn.Linear(channels * height * width, outputs)]


class _AsImages(nn.Module):
    """Pixels (B, M) as images (B, C, height, width)."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Return the images."""
        images = x.reshape(-1, *self.shape[:2], n_channels(self.shape))
        return images.permute(0, 3, 1, 2)


def _started(layers: Sequence[nn.Module], generator: torch.Generator) -> nn.Sequential:
    """Return the layers with initial weights of the generator, and biases of 0."""
    weighted = [layer for layer in layers if isinstance(layer, nn.Linear | nn.Conv2d)]
    with torch.no_grad():
        for layer in weighted:
            gain = math.sqrt(2.0) if layer is not weighted[-1] else LAST_GAIN
            scale = gain / math.sqrt(layer.weight[0].numel())
            values = torch.randn(*layer.weight.shape, generator=generator)
            layer.weight.copy_(values * scale)
            if layer.bias is not None:
                layer.bias.zero_()
    return nn.Sequential(*layers)


ENCODERS: Final[Mapping[EncoderKind, Build]] = MappingProxyType(
    {"linear": _linear, "mlp": _mlp, "convolutional": _convolutional}
)
