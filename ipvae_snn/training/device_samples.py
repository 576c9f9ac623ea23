"""Choice of the relaxed sample's code where torch differentiates the loss: torch or Triton."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from itertools import count
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.protocol import LatentModel
from ipvae_snn.models.registry import COMPILED
from ipvae_snn.models.relaxations import RELAXATIONS

if TYPE_CHECKING:
    from ipvae_snn.training.triton_samples import TritonDraws

Draw = Callable[[Tensor], Tensor]


def uses_triton(config: Config, device: torch.device) -> bool:
    """Return whether relaxed samples come from the Triton kernel, by train.sampling.

    Raises ConfigError if the settings want it where it cannot run.
    """
    wanted = config.train.sampling
    if wanted == "torch":
        return False
    poisson, found = config.model.kind == COMPILED, find_spec("triton") is not None
    # In its interpreter Triton runs on the CPU, for tests.
    runs = device.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"
    if wanted == "auto":
        return poisson and found and device.type == "cuda"
    reasons = (
        (poisson, f"model.kind is {config.model.kind}, and the kernel is for {COMPILED} only"),
        (runs, f"train.device is {device}, and the kernel runs on cuda only"),
        (found, "the package triton is not installed, which torch's CUDA builds bring"),
    )
    for fine, reason in reasons:
        if not fine:
            raise ConfigError(f"train.sampling is triton, but {reason}; set train.sampling=auto")
    return True


def relaxed_draws(
    config: Config, model: LatentModel[Any], generator: torch.Generator, temperature: float
) -> Draw:
    """Return the source of relaxed counts for one iteration, on the generator's device."""
    if not uses_triton(config, generator.device):
        return model.draws(generator, temperature)
    numbers, draws = count(), device_draws(config, generator.device)
    draws.prepare(generator.initial_seed(), temperature)
    return lambda u: draws.checked(u, next(numbers))


def device_draws(config: Config, device: torch.device) -> "TritonDraws":
    """Return Triton's source of relaxed counts, to be prepared for each iteration."""
    from ipvae_snn.training.triton_samples import TritonDraws

    return TritonDraws(device, RELAXATIONS[config.train.relaxation])
