"""The passes of each model that a stack can train; they need triton."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.training.together.gaussian_passes import GaussianPasses
from ipvae_snn.training.together.history import Passes
from ipvae_snn.training.together.poisson_passes import PoissonPasses


def _poisson(config: Config) -> Passes:
    return PoissonPasses(config.model.floor, config.train.relaxation, config.train.kl == "code")


PASSES: Final[Mapping[str, Callable[[Config], Passes]]] = MappingProxyType(
    {
        "poisson": _poisson,
        "gaussian": lambda config: GaussianPasses(rectified=False),
        "gaussian-relu": lambda config: GaussianPasses(rectified=True),
    }
)


def passes_of(config: Config) -> Passes:
    """Return the passes of model.kind; ConfigError where a stack has none."""
    kind = config.model.kind
    if kind not in PASSES:
        raise ConfigError(
            f"model.kind is {kind}, but only {', '.join(PASSES)} are trained together; train it "
            "alone"
        )
    return PASSES[kind](config)
