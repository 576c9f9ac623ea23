"""Warm start: a trained network's parameters as the initial ones of another run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import Array
from ipvae_snn.config.settings import Config, is_nonlinear
from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.ir.start import START
from ipvae_snn.models.float_network import (
    FloatNetwork,
    NetworkKind,
    checkpoint_kind,
    load_float_network,
)
from ipvae_snn.models.latent_module import check
from ipvae_snn.models.latent_network import load_latent_network
from ipvae_snn.models.trainable import size_text, start_weights

# The inverse of the bound is infinite at the bound; this near to it the gradient is 0 anyway.
_INSIDE: Final = 1.0 - 1e-6


def initial_parameters(path: Path, config: Config, shape: ImageShape) -> dict[str, Tensor]:
    """Return the parameters of the checkpoint at `path` by the model's names.

    log_sigma is mapped back through the model's bound. Raises ConfigError if the checkpoint has
    another size or is of another kind, FileFormatError if it cannot be read.
    """
    kind = checkpoint_kind(path)
    wanted = NetworkKind(config.model.kind, config.model.dictionary)
    if kind.model != wanted.model:
        raise ConfigError(
            f"{path}: a network of kind {kind.model}, but this run's is {wanted.model}; set "
            f"model.kind={kind.model}"
        )
    # Two linear ones are compared below.
    nonlinear = is_nonlinear(kind.decoder) or is_nonlinear(wanted.decoder)
    if nonlinear and kind.decoder != wanted.decoder:
        raise ConfigError(
            f"{path}: its decoder is {kind.decoder}, but this run's is {wanted.decoder}; "
            f"set model.dictionary={kind.decoder}"
        )
    if not kind.is_float_network:
        return _of_family(path, config, shape)
    network = load_float_network(path)
    weights = _weights(path, network, config, shape)
    stored = {name: network.stored[name] for name in ("log_sigma", "u0", "log_bias")}
    limit = config.model.log_sigma_limit
    raw = stored["log_sigma"].astype(np.float64)
    if limit > 0:
        raw = limit * np.arctanh(np.clip(raw / limit, -_INSIDE, _INSIDE))
    arrays = stored | {**weights, "log_sigma": raw, "log_lr": np.array(network.log_lr)}
    return {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in arrays.items()}


def _of_family(path: Path, config: Config, shape: ImageShape) -> dict[str, Tensor]:
    """Return the parameters of another model than the linear iP-VAE, which a file holds as is."""
    network = load_latent_network(path)
    try:
        check(replace(network, config=config, image_shape=shape))
    except ConfigError as error:
        raise ConfigError(
            f"{path}: {error}; give the settings of [model] that it was trained with"
        ) from error
    return {name: torch.from_numpy(values.copy()) for name, values in network.tensors.items()}


def _weights(
    path: Path, network: FloatNetwork, config: Config, shape: ImageShape
) -> Mapping[str, Array]:
    """Return the dictionary's weights by the model's names.

    Raises ConfigError unless the network's dictionary has the size of this run's, and a kind from
    which this run's can start.
    """
    dictionary, wanted = network.dictionary, size_text(config.model, shape)
    weights = start_weights(config.model.dictionary, network)
    if weights is None:
        raise ConfigError(
            f"{path}: its dictionary is {dictionary.kind}, but this run's is "
            f"{config.model.dictionary}; set model.dictionary={dictionary.kind}"
        )
    if START in weights and config.model.start == "none":
        raise ConfigError(
            f"{path}: its network has a start, but this run has none; set model.start=linear"
        )
    if dictionary.size_text != wanted:
        raise ConfigError(
            f"{path}: its dictionary is {dictionary.size_text}, but this run needs {wanted}; set "
            f"{dictionary.settings_text}"
        )
    return weights
