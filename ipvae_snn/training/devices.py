"""Devices on which torch trains."""

import torch

from ipvae_snn.errors import ConfigError


def device_named(name: str) -> torch.device:
    """Return the device of train.device; ConfigError if it does not work here."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"train.device is {name!r}, which does not work here ({reason}); use cpu"
        ) from error
    return device
