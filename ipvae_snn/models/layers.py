"""Layers of encoders and decoders, with initial weights of a generator.

Weights start as He et al. (2015) recommend for rectified layers; the last layer starts small.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from ipvae_snn.image_shape import ImageShape, n_channels, n_pixels

LAST_GAIN: Final = 0.1  # of the last layer's initial weights

Weighted = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


class AsImages(nn.Module):
    """Pixels (B, M) as images (B, C, height, width)."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Return the images."""
        images = x.reshape(-1, *self.shape[:2], n_channels(self.shape))
        return images.permute(0, 3, 1, 2)


class AsPixels(nn.Module):
    """The upper left part of images (B, C, height, width) as pixels (B, M)."""

    def __init__(self, shape: ImageShape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, images: Tensor) -> Tensor:
        """Return the pixels."""
        height, width = self.shape[:2]
        kept = images[:, :, :height, :width].permute(0, 2, 3, 1)
        return kept.reshape(-1, n_pixels(self.shape))


def dense(inputs: int, width: int, outputs: int, between: nn.Module) -> list[nn.Module]:
    """Return layers with one hidden layer of `width` units."""
    return [nn.Linear(inputs, width), between, nn.Linear(width, outputs)]


def started(layers: Sequence[nn.Module], generator: torch.Generator) -> nn.Sequential:
    """Return the layers with initial weights of the generator, and biases of 0."""
    weighted = [layer for layer in layers if isinstance(layer, Weighted)]
    with torch.no_grad():
        for layer in weighted:
            gain = math.sqrt(2.0) if layer is not weighted[-1] else LAST_GAIN
            scale = gain / math.sqrt(fan_in(layer))
            values = torch.randn(*layer.weight.shape, generator=generator)
            layer.weight.copy_(values * scale)
            if layer.bias is not None:
                layer.bias.zero_()
    return nn.Sequential(*layers)


def fan_in(layer: Weighted) -> int:
    """Return the number of inputs of one output, away from the edges."""
    if isinstance(layer, nn.ConvTranspose2d):
        reached = [size // step for size, step in zip(layer.kernel_size, layer.stride, strict=True)]
        return layer.in_channels * math.prod(reached)
    return layer.weight[0].numel()
