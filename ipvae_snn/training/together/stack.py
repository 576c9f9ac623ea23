"""Parameters of several networks of one shape, stacked along a first dimension, and back."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.parameters import TrainableModule

# Settings in which the networks of a stack may differ.
FREE: Final = (("train", "seed"), ("train", "beta"))


def check_stack(configs: Sequence[Config]) -> None:
    """Raise ConfigError where configs cannot be trained as one stack; they must be one or more."""
    if not configs:
        raise ConfigError("no settings were given; a stack needs those of one network or more")
    first = _common(configs[0])
    for config in configs[1:]:
        different = [
            f"{section}.{name}"
            for section, settings in _common(config).items()
            for name, value in settings.items()
            if value != first[section][name]
        ]
        if different:
            raise ConfigError(
                f"{', '.join(different)} differ between the networks; those that are trained "
                "together may differ in train.seed and train.beta only"
            )
    _check_supported(configs[0])


def _common(config: Config) -> dict[str, dict[str, Any]]:
    train = replace(config.train, seed=0, beta=0.0)
    return asdict(replace(config, train=train))


def _check_supported(config: Config) -> None:
    """Raise ConfigError for settings that the passes of a stack do not have."""
    model, train, data = config.model, config.train, config.data
    wanted = (
        ("model.dictionary", model.dictionary, "dense"),
        ("model.updates_per_step", model.updates_per_step, 1),
        ("model.start", model.start, "none"),
        ("model.phi_start", model.phi_start, "noise"),
        ("model.fit_prior", model.fit_prior, True),
        ("model.noise", model.noise, 0.0),
        ("data.frames", data.frames, 1),
        ("train.samples", train.samples, 1),
        ("train.segments", train.segments, 1),
        ("train.message_price", train.message_price, 0.0),
        ("train.spike_price", train.spike_price, 0.0),
        ("train.quantise_aware", train.quantise_aware, 0),
        ("train.composites", train.composites, 0.0),
        ("train.stop_at", train.stop_at, 0),
        ("train.steps_start", train.steps_start, 0),
    )
    for name, value, only in wanted:
        if value != only:
            raise ConfigError(
                f"{name} is {value!r}, but networks that are trained together have {only!r}; "
                "train it alone"
            )


def stacked(modules: Sequence[TrainableModule], device: torch.device) -> dict[str, Tensor]:
    """Return the modules' parameters by name, (E, ...), on the device."""
    named = [dict(module.named_parameters()) for module in modules]
    return {
        name: torch.stack([each[name].detach() for each in named]).to(device) for name in named[0]
    }


def unstacked(p: dict[str, Tensor], modules: Sequence[TrainableModule]) -> None:
    """Copy stacked parameters into the modules."""
    with torch.no_grad():
        for e, module in enumerate(modules):
            for name, parameter in module.named_parameters():
                parameter.copy_(p[name][e])
