"""Registry of trainable models: the values of `model.dictionary` in a config."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

import torch
from torch import Tensor

from ipvae_snn.config.settings import DictionaryKind, ModelConfig
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.models.convolutional import (
    ConvolutionalDictionary,
    ConvolutionalPoissonVAE,
    SharedParameters,
    positions_of,
)
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.parameters import IterativePoissonVAE, ModelParameters, Parameters
from ipvae_snn.models.protocol import Dictionary
from ipvae_snn.models.shared_kernels import SharedKernels
from ipvae_snn.models.stored_dictionary import StoredDictionary

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


def decoder(dictionary: StoredDictionary, weights: Tensor, log_sigma: Tensor) -> Dictionary:
    """Return a trained network's dictionary with other weights, which may have a gradient.

    weights: in place of the one tensor of dictionary.tensors. log_sigma: as a file stores it.
    """
    return _DECODERS[dictionary.kind](dictionary, weights, log_sigma)


def parameters_of(network: FloatNetwork) -> ModelParameters:
    """Return a trained network's parameters in torch, as a file stores them."""
    log_lr = torch.tensor(network.log_lr, dtype=torch.float32)
    tensors = {name: torch.tensor(values) for name, values in network.stored.items()}
    one_row = {name: tensors[name].unsqueeze(0) for name in ("log_sigma", "u0", "log_bias")}
    return _PARAMETERS[network.dictionary.kind](network.dictionary, tensors | one_row, log_lr)


def settings_of(dictionary: StoredDictionary) -> dict[str, Any]:
    """Return the settings of [model] with which a run has a dictionary of this size."""
    return _SETTINGS[dictionary.kind](dictionary)


def _dense_parameters(
    _: StoredDictionary, tensors: Mapping[str, Tensor], log_lr: Tensor
) -> ModelParameters:
    return Parameters(**tensors, log_lr=log_lr)


def _shared_parameters(
    stored: StoredDictionary, tensors: Mapping[str, Tensor], log_lr: Tensor
) -> ModelParameters:
    return SharedParameters(
        kernels=tensors["kernels"],
        log_sigma=tensors["log_sigma"],
        feature_u0=tensors["u0"],
        feature_log_bias=tensors["log_bias"],
        log_lr=log_lr,
        positions=_positions(stored),
    )


def _convolutional_settings(stored: StoredDictionary) -> dict[str, Any]:
    p = _positions(stored)
    return {
        "n_latents": 0,
        "dictionary": "convolutional",
        "features": p.features,
        "kernel": p.kernel[0],
        "stride": p.stride,
    }


def _positions(stored: StoredDictionary) -> KernelPositions:
    """Return the positions of a dictionary whose kind is convolutional: only one class has it."""
    return cast(SharedKernels, stored).positions


def _dense(config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> Trainable:
    return IterativePoissonVAE(n_pixels(shape), config, generator)


def _convolutional(config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> Trainable:
    return ConvolutionalPoissonVAE(positions_of(config, shape), config, generator)


def _convolutional_decoder(stored: StoredDictionary, weights: Tensor, noise: Tensor) -> Dictionary:
    return ConvolutionalDictionary(weights, noise, _positions(stored))


_DECODERS: Final[
    Mapping[DictionaryKind, Callable[[StoredDictionary, Tensor, Tensor], Dictionary]]
] = MappingProxyType(
    {
        "dense": lambda stored, weights, noise: DenseDictionary(weights, noise),
        "convolutional": _convolutional_decoder,
    }
)
_PARAMETERS: Final[
    Mapping[
        DictionaryKind,
        Callable[[StoredDictionary, Mapping[str, Tensor], Tensor], ModelParameters],
    ]
] = MappingProxyType({"dense": _dense_parameters, "convolutional": _shared_parameters})
_SETTINGS: Final[Mapping[DictionaryKind, Callable[[StoredDictionary], dict[str, Any]]]] = (
    MappingProxyType(
        {
            "dense": lambda stored: {"n_latents": stored.n_neurons},
            "convolutional": _convolutional_settings,
        }
    )
)
_MODULES: Final[Mapping[DictionaryKind, Builder]] = MappingProxyType(
    {"dense": _dense, "convolutional": _convolutional}
)
_SIZES: Final[Mapping[DictionaryKind, Callable[[ModelConfig, ImageShape], int]]] = MappingProxyType(
    {
        "dense": lambda config, shape: config.n_latents,
        "convolutional": lambda config, shape: positions_of(config, shape).n_neurons,
    }
)
