"""Pixel noise that is not learnt: with it, reconstruction is scored by the squared error.

A loss of summed squared errors, as many autoencoders have, is the noise sqrt(1/2).
"""

import math
from typing import Final

import torch

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.parameters import TrainableModule

NAME: Final = "log_sigma"


def fix_noise(module: TrainableModule, config: ModelConfig) -> None:
    """Set the noise of all pixels to config.noise and keep it there; nothing where that is 0.

    Raises ConfigError if a model of this kind learns no noise, or the bound of the noise is nearer
    to 1.
    """
    if config.noise == 0:
        return
    noise = [
        parameter
        for name, parameter in module.named_parameters()
        if name.rpartition(".")[2] == NAME
    ]
    if not noise:
        raise ConfigError(
            f"model.noise is {config.noise:g}, but a model of kind {config.kind} has noise 1, "
            "which is not learnt; set model.noise=0"
        )
    value, limit = math.log(config.noise), config.log_sigma_limit
    if limit > 0:
        if abs(value) >= limit:
            raise ConfigError(
                f"model.noise is {config.noise:g}, but model.log_sigma_limit {limit:g} keeps it "
                f"between {math.exp(-limit):.4g} and {math.exp(limit):.4g}; set "
                "model.log_sigma_limit=0"
            )
        value = limit * math.atanh(value / limit)
    with torch.no_grad():
        for parameter in noise:
            parameter.fill_(value).requires_grad_(False)
