"""Networks from latents to pixels, by `model.dictionary`: one hidden layer, or deconvolutions.

Units are x sigmoid(x) (SiLU; Elfwing, Uchibe and Doya 2018), which has the second derivative that
training through inference needs.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import nn

from ipvae_snn.config.settings import ModelConfig, NonlinearKind
from ipvae_snn.image_shape import ImageShape, n_channels, n_pixels
from ipvae_snn.models.layers import AsPixels, dense, started

KERNEL: Final = 4  # pixels at a side; a multiple of the stride, so that all pixels get equally many
STRIDE: Final = 2
STAGES: Final = 2  # transposed convolutions, each of which doubles height and width

Build = Callable[[ModelConfig, ImageShape], list[nn.Module]]


def decoder_network(
    config: ModelConfig, shape: ImageShape, kind: NonlinearKind, generator: torch.Generator
) -> nn.Sequential:
    """Return a network from latents (N, K) to pixels (N, M) with initial weights."""
    return started(_NETWORKS[kind](config, shape), generator)


def hidden_units(config: ModelConfig, shape: ImageShape, kind: NonlinearKind) -> int:
    """Return the number of units between latents and pixels, of one image."""
    return _HIDDEN[kind](config, shape)


def _mlp(config: ModelConfig, shape: ImageShape) -> list[nn.Module]:
    return dense(config.n_latents, config.decoder_width, n_pixels(shape), nn.SiLU())


def _deconvolutional(config: ModelConfig, shape: ImageShape) -> list[nn.Module]:
    """Return a linear map to a small grid, and transposed convolutions, which halve the channels.

    The grid is as small as STAGES doublings allow; what they make beyond the image is left out.
    """
    grid = _grid(shape)
    channels = _channels(config, shape)
    layers: list[nn.Module] = [
        nn.Linear(config.n_latents, channels[0] * math.prod(grid)),
        nn.Unflatten(1, (channels[0], *grid)),
    ]
    padding = (KERNEL - STRIDE) // 2
    for inputs, outputs in itertools.pairwise(channels):
        layers += [nn.SiLU(), nn.ConvTranspose2d(inputs, outputs, KERNEL, STRIDE, padding)]
    return [*layers, AsPixels(shape)]


def _grid(shape: ImageShape) -> tuple[int, int]:
    doubled = STRIDE**STAGES
    return -(-shape[0] // doubled), -(-shape[1] // doubled)


def _channels(config: ModelConfig, shape: ImageShape) -> list[int]:
    """Return the channels of the grid and after each stage."""
    inner = [max(1, config.decoder_width >> stage) for stage in range(STAGES)]
    return [*inner, n_channels(shape)]


def _hidden_of_deconvolutions(config: ModelConfig, shape: ImageShape) -> int:
    positions = math.prod(_grid(shape))
    channels = _channels(config, shape)[:-1]
    return sum(c * positions * STRIDE ** (2 * stage) for stage, c in enumerate(channels))


_NETWORKS: Final[Mapping[NonlinearKind, Build]] = MappingProxyType(
    {"mlp": _mlp, "deconvolutional": _deconvolutional}
)
_HIDDEN: Final[Mapping[NonlinearKind, Callable[[ModelConfig, ImageShape], int]]] = MappingProxyType(
    {"mlp": lambda config, _: config.decoder_width, "deconvolutional": _hidden_of_deconvolutions}
)
