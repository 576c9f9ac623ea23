"""Networks that map an image to a first state, and a state with its drive to an update.

Linear, with one hidden layer, or convolutional. The last layer starts small, so that an untrained
encoder hardly moves the prior.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import nn

from ipvae_snn.config.settings import EncoderKind, ModelConfig
from ipvae_snn.image_shape import ImageShape, n_channels, n_pixels
from ipvae_snn.models.layers import AsImages, dense, started

KERNEL: Final = 3  # pixels at a side
STAGES: Final = 3  # convolutions, each of which halves height and width
FINEST: Final = 4  # pixels at a side below which no convolution halves

Build = Callable[[ModelConfig, ImageShape, int], list[nn.Module]]


def encoder(
    config: ModelConfig, shape: ImageShape, outputs: int, generator: torch.Generator
) -> nn.Sequential:
    """Return a network from pixels (B, M) to (B, outputs) with initial weights."""
    return started(ENCODERS[config.encoder](config, shape, outputs), generator)


def two_layers(inputs: int, width: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Return a network with one hidden layer of `width` rectified units."""
    return started(dense(inputs, width, outputs, nn.ReLU()), generator)


def _linear(config: ModelConfig, shape: ImageShape, outputs: int) -> list[nn.Module]:
    return [nn.Linear(n_pixels(shape), outputs)]


def _mlp(config: ModelConfig, shape: ImageShape, outputs: int) -> list[nn.Module]:
    return dense(n_pixels(shape), config.encoder_width, outputs, nn.ReLU())


def _convolutional(config: ModelConfig, shape: ImageShape, outputs: int) -> list[nn.Module]:
    """Return convolutions of growing width, which halve the image, and a linear layer."""
    height, width, channels = shape[0], shape[1], n_channels(shape)
    layers: list[nn.Module] = [AsImages(shape)]
    for stage in range(STAGES):
        stride = 2 if min(height, width) >= 2 * FINEST else 1
        wider = max(1, config.encoder_width >> (STAGES - 1 - stage))
        layers += [nn.Conv2d(channels, wider, KERNEL, stride, KERNEL // 2), nn.ReLU()]
        height, width, channels = -(-height // stride), -(-width // stride), wider
    return [*layers, nn.Flatten(), nn.Linear(channels * height * width, outputs)]


ENCODERS: Final[Mapping[EncoderKind, Build]] = MappingProxyType(
    {"linear": _linear, "mlp": _mlp, "convolutional": _convolutional}
)
