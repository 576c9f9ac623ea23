"""Registry of models: a module for each value of `model.kind` in a config (`family`)."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import torch

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.amortised_modules import (
    AmortisedVAE,
    GaussianPrior,
    IterativeAmortisedVAE,
    PoissonPrior,
    SemiAmortisedVAE,
)
from ipvae_snn.models.deterministic import PredictiveCoding, SparseCoding
from ipvae_snn.models.family import check_kind
from ipvae_snn.models.gaussian import GaussianVAE
from ipvae_snn.models.parameters import TrainableModule
from ipvae_snn.models.poisson_module import poisson_module
from ipvae_snn.models.soft_rectified import SoftRectifiedPrior

# Settings, image shape and generator to a module with initial parameters.
Build = Callable[[ModelConfig, ImageShape, torch.Generator], TrainableModule]

# Has compiled passes on the CPU, with a linear decoder (kernels/training.py).
COMPILED: Final = "poisson"
COMPILED_GAUSSIAN: Final = ("gaussian", "gaussian-relu")  # likewise (kernels/gaussian_training.py)
_RECTIFIED: Final = partial(GaussianPrior, rectified=True)

MODULES: Final[Mapping[str, Build]] = MappingProxyType(
    {
        "poisson": poisson_module,
        "gaussian": GaussianVAE,
        "gaussian-relu": partial(GaussianVAE, rectified=True),
        "amortised-poisson": partial(AmortisedVAE, prior=PoissonPrior),
        "amortised-gaussian": partial(AmortisedVAE, prior=GaussianPrior),
        "amortised-gaussian-relu": partial(AmortisedVAE, prior=_RECTIFIED),
        "amortised-gaussian-softplus": partial(AmortisedVAE, prior=SoftRectifiedPrior),
        "semi-amortised-poisson": partial(SemiAmortisedVAE, iterative=poisson_module, numbers=1),
        "semi-amortised-gaussian": partial(SemiAmortisedVAE, iterative=GaussianVAE, numbers=2),
        "iterative-amortised-poisson": partial(IterativeAmortisedVAE, prior=PoissonPrior),
        "iterative-amortised-gaussian": partial(IterativeAmortisedVAE, prior=GaussianPrior),
        "lca": SparseCoding,
        "lca-signed": partial(SparseCoding, signed=True),
        "predictive-coding": PredictiveCoding,
        "incremental-predictive-coding": PredictiveCoding,
    }
)


def new_module(
    config: ModelConfig, shape: ImageShape, generator: torch.Generator
) -> TrainableModule:
    """Return a module with initial parameters for images of `shape`.

    Raises ConfigError if there is no such model, or the settings do not fit the images.
    """
    check_kind(config.kind)
    return MODULES[config.kind](config, shape, generator)
