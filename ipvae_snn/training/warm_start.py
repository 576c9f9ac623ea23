"""Warm start: a trained network's parameters as the initial ones of another run."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.trainable import size_text

# The inverse of the bound is infinite at the bound; this near to it the gradient is 0 anyway.
_INSIDE: Final = 1.0 - 1e-6


def initial_parameters(path: Path, config: Config, shape: ImageShape) -> dict[str, Tensor]:
    """Return the parameters of the checkpoint at `path` by the model's names.

    log_sigma is mapped back through the model's bound. Raises ConfigError if the checkpoint has
    another size, FileFormatError if it cannot be read.
    """
    network = load_float_network(path)
    _require_equal_size(path, network, config, shape)
    stored = network.stored
    limit = config.model.log_sigma_limit
    raw = stored["log_sigma"].astype(np.float64)
    if limit > 0:
        raw = limit * np.arctanh(np.clip(raw / limit, -_INSIDE, _INSIDE))
    arrays = stored | {"log_sigma": raw, "log_lr": np.array(network.log_lr)}
    return {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in arrays.items()}


def _require_equal_size(
    path: Path, network: FloatNetwork, config: Config, shape: ImageShape
) -> None:
    """Raise ConfigError unless the network's dictionary has the kind and size of this run's."""
    dictionary, wanted = network.dictionary, size_text(config.model, shape)
    if dictionary.kind != config.model.dictionary:
        raise ConfigError(
            f"{path}: its dictionary is {dictionary.kind}, but this run's is "
            f"{config.model.dictionary}; set model.dictionary={dictionary.kind}"
        )
    if dictionary.size_text != wanted:
        raise ConfigError(
            f"{path}: its dictionary is {dictionary.size_text}, but this run needs {wanted}; set "
            f"{dictionary.settings_text}"
        )
