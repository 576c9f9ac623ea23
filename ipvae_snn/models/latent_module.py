"""Torch modules of trained models of the family, made anew from their settings and arrays."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.models.float_network import FloatNetwork, checkpoint_kind, load_float_network
from ipvae_snn.models.latent_network import LatentNetwork, load_latent_network
from ipvae_snn.models.networks import Network, NetworkSource, is_checkpoint, load, network_path
from ipvae_snn.models.parameters import TrainableModule
from ipvae_snn.models.protocol import Decoder, Draw, LatentModel, LatentSettings
from ipvae_snn.models.registry import new_module


class Inferring(NamedTuple):
    """What inference of a trained model needs, without gradients."""

    latents: LatentModel[Any]
    dictionary: Decoder


def inferring(network: LatentNetwork) -> Inferring:
    """Return the latents and the decoder of a trained model; raises as `module_of`."""
    view = module_of(network).view()
    config = network.config
    settings = LatentSettings.of(config.model, network.clip, config.train)
    return Inferring(view.latents(settings), view.dictionary)


def keyed_draw(model: LatentModel[Any], *key: int) -> Draw:
    """Return the source of exact latents whose noise is keyed by whole numbers."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1
    return model.draws(torch.Generator().manual_seed(seed))


def module_of(network: LatentNetwork) -> TrainableModule:
    """Return the module with the network's parameters, which have no gradient.

    Raises ConfigError unless the arrays are those of the settings.
    """
    check(network)
    module = new_module(network.config.model, network.image_shape, torch.Generator())
    named = dict(module.named_parameters())
    with torch.no_grad():
        for name, values in network.tensors.items():
            named[name].copy_(torch.from_numpy(values.copy()))
    return module.requires_grad_(False)


def check(network: LatentNetwork) -> None:
    """Raise ConfigError unless the network's arrays are those of its settings, by their sizes."""
    with torch.device("meta"):  # a file may claim any size
        module = new_module(network.config.model, network.image_shape, torch.Generator())
    needed = {name: tuple(value.shape) for name, value in module.named_parameters()}
    held = {name: values.shape for name, values in network.tensors.items()}
    if held != needed:
        name = next(name for name in (*needed, *held) if held.get(name) != needed.get(name))
        raise ConfigError(
            f"{name} has shape {held.get(name, 'none')}, but its settings need "
            f"{needed.get(name, 'none')}"
        )


def load_checked(path: str | os.PathLike[str]) -> LatentNetwork:
    """Return the network of a checkpoint; FileFormatError also where its arrays do not fit."""
    network = load_latent_network(os.fspath(path))
    try:
        check(network)
    except ConfigError as error:
        raise FileFormatError(
            f"{os.fspath(path)}: a checkpoint with a missing or malformed part ({error}); make it "
            "again"
        ) from error
    return network


def load_trained(path: Path) -> FloatNetwork | LatentNetwork:
    """Return the network of a checkpoint, of any kind of model; raises FileFormatError."""
    if checkpoint_kind(path).is_float_network:
        return load_float_network(path)
    return load_checked(path)


def load_any(source: NetworkSource) -> Network | LatentNetwork:
    """Return the network as `networks.load` does, of any kind of model."""
    if isinstance(source, LatentNetwork):
        return source
    if isinstance(source, str | os.PathLike):
        path = network_path(source)
        if is_checkpoint(path):
            return load_trained(path)
    return load(source)
