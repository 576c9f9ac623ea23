"""Registry of latent models: the values of `model.kind` in a config."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ipvae_snn.errors import ConfigError
from ipvae_snn.models.parameters import LatentParameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentModel, LatentSettings

# The state is opaque to callers; only the model itself reads it.
Builder = Callable[[LatentParameters, LatentSettings], LatentModel[Any]]

MODELS: Final[Mapping[str, Builder]] = MappingProxyType({"poisson": PoissonLatents.of})

COMPILED: Final = "poisson"  # has compiled passes on the CPU (kernels/training.py)


def check_kind(name: str) -> None:
    """Raise ConfigError if there is no model `name`."""
    if name not in MODELS:
        raise ConfigError(
            f"model.kind is {name!r}, but there is no such model; known ones are "
            f"{', '.join(MODELS)}"
        )


def latent_model(
    name: str, parameters: LatentParameters, settings: LatentSettings
) -> LatentModel[Any]:
    """Return the model `name` with these parameters; ConfigError if there is none."""
    check_kind(name)
    return MODELS[name](parameters, settings)
