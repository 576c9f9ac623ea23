"""Registry of models: the values of `model.kind` in a config."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import torch

from ipvae_snn.choices import suggestion
from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.amortised_modules import (
    AmortisedVAE,
    GaussianPrior,
    IterativeAmortisedVAE,
    PoissonPrior,
    SemiAmortisedVAE,
)
from ipvae_snn.models.deterministic import PredictiveCoding, SparseCoding
from ipvae_snn.models.gaussian import GaussianVAE
from ipvae_snn.models.parameters import TrainableModule
from ipvae_snn.models.trainable import trainable

Build = Callable[[ModelConfig, ImageShape, torch.Generator], TrainableModule]

Learning = Literal["unrolled", "settled", "incremental"]

COMPILED: Final = "poisson"  # has compiled passes on the CPU (kernels/training.py)


class Member(NamedTuple):
    """A model of the family.

    name: as the paper writes it. module(settings, image shape, generator): initial parameters.
    random: whether latents are drawn, so that another seed gives other figures. counts: whether
    they are numbers of spikes. learning: of the weights, through unrolled inference, from settled
    codes, or from the code after every step. one_step: whether inference is one pass of an encoder.
    """

    name: str
    module: Build
    random: bool = True
    counts: bool = False
    learning: Learning = "unrolled"
    one_step: bool = False


_RECTIFIED: Final = partial(GaussianPrior, rectified=True)

MEMBERS: Final[Mapping[str, Member]] = MappingProxyType(
    {
        "poisson": Member("iP-VAE", trainable, counts=True),
        "gaussian": Member("iG-VAE", GaussianVAE),
        "gaussian-relu": Member("iG_relu-VAE", partial(GaussianVAE, rectified=True)),
        "amortised-poisson": Member(
            "P-VAE", partial(AmortisedVAE, prior=PoissonPrior), counts=True, one_step=True
        ),
        "amortised-gaussian": Member(
            "G-VAE", partial(AmortisedVAE, prior=GaussianPrior), one_step=True
        ),
        "amortised-gaussian-relu": Member(
            "G_relu-VAE", partial(AmortisedVAE, prior=_RECTIFIED), one_step=True
        ),
        "semi-amortised-poisson": Member(
            "sa-P-VAE", partial(SemiAmortisedVAE, iterative=trainable, numbers=1), counts=True
        ),
        "semi-amortised-gaussian": Member(
            "sa-G-VAE", partial(SemiAmortisedVAE, iterative=GaussianVAE, numbers=2)
        ),
        "iterative-amortised-poisson": Member(
            "ia-P-VAE", partial(IterativeAmortisedVAE, prior=PoissonPrior), counts=True
        ),
        "iterative-amortised-gaussian": Member(
            "ia-G-VAE", partial(IterativeAmortisedVAE, prior=GaussianPrior)
        ),
        "lca": Member("LCA", SparseCoding, random=False, learning="settled"),
        "lca-signed": Member(
            "LCA", partial(SparseCoding, signed=True), random=False, learning="settled"
        ),
        "predictive-coding": Member("PC", PredictiveCoding, random=False, learning="settled"),
        "incremental-predictive-coding": Member(
            "iPC", PredictiveCoding, random=False, learning="incremental"
        ),
    }
)


def check_kind(name: str) -> None:
    """Raise ConfigError if there is no model `name`."""
    if name not in MEMBERS:
        raise ConfigError(
            f"model.kind is {name!r}, but there is no such model{suggestion(name, list(MEMBERS))}; "
            f"known ones are {', '.join(MEMBERS)}"
        )


def check_steps(name: str, steps: int) -> None:
    """Raise ConfigError if a model whose inference is one pass of an encoder is to take more."""
    if MEMBERS[name].one_step and steps != 1:
        raise ConfigError(
            f"train.steps is {steps}, but model.kind is {name}, whose inference is one pass of an "
            "encoder; set train.steps=1"
        )


def new_module(
    config: ModelConfig, shape: ImageShape, generator: torch.Generator
) -> TrainableModule:
    """Return a module with initial parameters for images of `shape`.

    Raises ConfigError if there is no such model, or the settings do not fit the images.
    """
    check_kind(config.kind)
    return MEMBERS[config.kind].module(config, shape, generator)
