"""Warm start: a trained network's parameters as the initial ones of another run."""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import load_float_network

# The inverse of the bound is infinite at the bound; this near to it the gradient is 0 anyway.
_INSIDE: Final = 1.0 - 1e-6


def initial_parameters(path: Path, config: Config, n_pixels: int) -> dict[str, Tensor]:
    """Return the parameters of the checkpoint at `path` by the model's names.

    log_sigma is mapped back through the model's bound. Raises ConfigError if the checkpoint has
    another size, FileFormatError if it cannot be read.
    """
    network = load_float_network(path)
    wanted = (n_pixels, config.model.n_latents)
    if network.phi.shape != wanted:
        raise ConfigError(
            f"{path}: its dictionary is {network.phi.shape}, but this run needs {wanted}; set "
            f"model.n_latents={network.n_neurons} and use images of {network.n_pixels} pixels"
        )
    limit = config.model.log_sigma_limit
    raw = network.log_sigma.astype(np.float64)
    if limit > 0:
        raw = limit * np.arctanh(np.clip(raw / limit, -_INSIDE, _INSIDE))
    arrays = {
        "phi": network.phi,
        "log_sigma": raw,
        "u0": network.u0,
        "log_bias": network.log_bias,
        "log_lr": np.array(network.log_lr),
    }
    return {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in arrays.items()}
