"""Registry of linear decoders: the values of `model.dictionary` in a config."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.config.settings import DictionaryKind, ModelConfig, is_nonlinear
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
from ipvae_snn.models.parameters import IterativePoissonVAE, Parameters, PoissonParameters
from ipvae_snn.models.protocol import Dictionary, OwnWeights
from ipvae_snn.models.shared_kernels import SharedKernels
from ipvae_snn.models.stored_dictionary import StoredDictionary, started
from ipvae_snn.models.untied import UntiedParameters, UntiedPoissonVAE

Trainable = IterativePoissonVAE | ConvolutionalPoissonVAE | UntiedPoissonVAE


class Kind(NamedTuple):
    """What training and files need to know of one kind of dictionary.

    module(settings, image shape, generator): initial parameters. n_neurons, size_text(settings,
    image shape). decoder(stored, weights, log_sigma), parameters(stored, tensors, log_lr): of a
    trained network. settings(stored): of [model]. starts: kinds of dictionaries from which a run
    can start, and weights(stored, log_sigma (M,)): the module's own parameters for one of them.
    """

    module: Callable[[ModelConfig, ImageShape, torch.Generator], Trainable]
    n_neurons: Callable[[ModelConfig, ImageShape], int]
    size_text: Callable[[ModelConfig, ImageShape], str]
    decoder: Callable[[StoredDictionary, Mapping[str, Tensor], Tensor], Dictionary]
    parameters: Callable[[StoredDictionary, Mapping[str, Tensor], Tensor], PoissonParameters]
    settings: Callable[[StoredDictionary], dict[str, Any]]
    starts: tuple[DictionaryKind, ...]
    weights: Callable[[StoredDictionary, Float32], Mapping[str, Array]]


def trainable(config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> Trainable:
    """Return a module with initial parameters for images of `shape`.

    Raises ConfigError if the settings do not fit the images.
    """
    return KINDS[config.dictionary].module(config, shape, generator)


def n_neurons(config: ModelConfig, shape: ImageShape) -> int:
    """Return the number of neurons K for images of `shape`; raises as `trainable` does."""
    if is_nonlinear(config.dictionary):
        return config.n_latents
    return KINDS[config.dictionary].n_neurons(config, shape)


def size_text(config: ModelConfig, shape: ImageShape) -> str:
    """Return the size of the dictionary, as `StoredDictionary.size_text`; raises as above."""
    return KINDS[config.dictionary].size_text(config, shape)


def decoder(
    dictionary: StoredDictionary, weights: Mapping[str, Tensor], log_sigma: Tensor
) -> Dictionary:
    """Return a trained network's dictionary with other weights, which may have a gradient.

    weights: in place of dictionary.tensors, by their names. log_sigma: as a file stores it.
    """
    return KINDS[dictionary.kind].decoder(dictionary, weights, log_sigma)


def parameters_of(network: FloatNetwork) -> PoissonParameters:
    """Return a trained network's parameters in torch, as a file stores them."""
    log_lr = torch.tensor(network.log_lr, dtype=torch.float32)
    tensors = {name: torch.tensor(values) for name, values in network.stored.items()}
    one_row = {name: tensors[name].unsqueeze(0) for name in ("log_sigma", "u0", "log_bias")}
    build = KINDS[network.dictionary.kind].parameters
    return build(network.dictionary, tensors | one_row, log_lr)


def settings_of(dictionary: StoredDictionary) -> dict[str, Any]:
    """Return the settings of [model] with which a run has a dictionary of this size."""
    return KINDS[dictionary.kind].settings(dictionary)


def start_weights(kind: DictionaryKind, network: FloatNetwork) -> Mapping[str, Array] | None:
    """Return the weights with which a run of `kind` starts from a network, by the module's names.

    None if it cannot start from a dictionary of the network's kind.
    """
    known, stored = KINDS[kind], network.dictionary
    return known.weights(stored, network.log_sigma) if stored.kind in known.starts else None


def _as_stored(stored: StoredDictionary, _: Float32) -> Mapping[str, Array]:
    return stored.tensors


def _shared_parameters(
    stored: StoredDictionary, tensors: Mapping[str, Tensor], log_lr: Tensor
) -> PoissonParameters:
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


def _untied_settings(stored: StoredDictionary) -> dict[str, Any]:
    started = stored.own is not None and stored.own.start is not None
    start = {"start": "linear"} if started else {}
    return {"n_latents": stored.n_neurons, "dictionary": "untied", **start}


def _positions(stored: StoredDictionary) -> KernelPositions:
    """Return the positions of a dictionary whose kind is convolutional: only one class has it."""
    return cast(SharedKernels, stored).positions


KINDS: Final[Mapping[DictionaryKind, Kind]] = MappingProxyType(
    {
        "dense": Kind(
            module=lambda config, shape, generator: IterativePoissonVAE(
                n_pixels(shape), config, generator
            ),
            n_neurons=lambda config, _: config.n_latents,
            size_text=lambda config, shape: str((n_pixels(shape), config.n_latents)),
            decoder=lambda _, weights, log_sigma: DenseDictionary(weights["phi"], log_sigma),
            parameters=lambda _, tensors, log_lr: Parameters(**tensors, log_lr=log_lr),
            settings=lambda stored: {"n_latents": stored.n_neurons},
            starts=("dense",),
            weights=_as_stored,
        ),
        "untied": Kind(
            module=lambda config, shape, generator: UntiedPoissonVAE(
                n_pixels(shape), config, generator
            ),
            n_neurons=lambda config, _: config.n_latents,
            size_text=lambda config, shape: str((n_pixels(shape), config.n_latents)),
            decoder=lambda _, weights, log_sigma: DenseDictionary(
                weights["phi"],
                log_sigma,
                own=OwnWeights(weights["feedforward"], weights["lateral"].T, weights.get("start")),
            ),
            parameters=lambda _, tensors, log_lr: UntiedParameters(**tensors, log_lr=log_lr),
            settings=_untied_settings,
            starts=("untied", "dense"),
            weights=started,
        ),
        "convolutional": Kind(
            module=lambda config, shape, generator: ConvolutionalPoissonVAE(
                positions_of(config, shape), config, generator
            ),
            n_neurons=lambda config, shape: positions_of(config, shape).n_neurons,
            size_text=lambda config, shape: positions_of(config, shape).what,
            decoder=lambda stored, weights, log_sigma: ConvolutionalDictionary(
                weights["kernels"], log_sigma, _positions(stored)
            ),
            parameters=_shared_parameters,
            settings=_convolutional_settings,
            starts=("convolutional",),
            weights=_as_stored,
        ),
    }
)
