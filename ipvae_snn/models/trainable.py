"""Registry of trainable models: the values of `model.dictionary` in a config."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import torch

from ipvae_snn.config.settings import DictionaryKind, ModelConfig
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.models.convolutional import ConvolutionalPoissonVAE, positions_of
from ipvae_snn.models.parameters import IterativePoissonVAE

Trainable = IterativePoissonVAE | ConvolutionalPoissonVAE
Builder = Callable[[ModelConfig, ImageShape, torch.Generator], Trainable]


def trainable(config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> Trainable:
    """Return a module with initial parameters for images of `shape`.

    Raises ConfigError if the settings do not fit the images.
    """
    return _MODULES[config.dictionary](config, shape, generator)


def n_neurons(config: ModelConfig, shape: ImageShape) -> int:
    """Return the number of neurons K for images of `shape`; raises as `trainable` does."""
    return _SIZES[config.dictionary](config, shape)


def size_text(config: ModelConfig, shape: ImageShape) -> str:
    """Return the size of the dictionary, as `StoredDictionary.size_text`; raises as above."""
    if config.dictionary == "dense":
        return str((n_pixels(shape), config.n_latents))
    return positions_of(config, shape).what


def _dense(config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> Trainable:
    return IterativePoissonVAE(n_pixels(shape), config, generator)


def _convolutional(config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> Trainable:
    return ConvolutionalPoissonVAE(positions_of(config, shape), config, generator)


_MODULES: Final[Mapping[DictionaryKind, Builder]] = MappingProxyType(
    {"dense": _dense, "convolutional": _convolutional}
)
_SIZES: Final[Mapping[DictionaryKind, Callable[[ModelConfig, ImageShape], int]]] = MappingProxyType(
    {
        "dense": lambda config, shape: config.n_latents,
        "convolutional": lambda config, shape: positions_of(config, shape).n_neurons,
    }
)
