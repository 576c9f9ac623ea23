"""The family of models by name, the values of `model.kind`: what is known without torch.

`registry` has the modules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from ipvae_snn.choices import nearest
from ipvae_snn.config.settings import is_nonlinear
from ipvae_snn.errors import ConfigError, brief

Learning = Literal["unrolled", "settled", "incremental"]


@dataclass(frozen=True)
class Member:
    """A model of the family.

    name: as the paper writes it. random: whether latents are drawn, so that another seed gives
    other figures. counts: whether they are numbers of spikes. learning: of the weights, through
    unrolled inference, from settled codes, or from the code after every step. one_step: whether
    inference is one pass of an encoder. network: whether a network of its own takes part in
    inference, whose operations are not those of the dictionary. linear: whether the decoder must be
    linear.
    """

    name: str
    random: bool = True
    counts: bool = False
    learning: Learning = "unrolled"
    one_step: bool = False
    network: bool = False
    linear: bool = False


MEMBERS: Final[Mapping[str, Member]] = MappingProxyType(
    {
        "poisson": Member("iP-VAE", counts=True),
        "gaussian": Member("iG-VAE"),
        "gaussian-relu": Member("iG_relu-VAE"),
        "amortised-poisson": Member("P-VAE", counts=True, one_step=True, network=True),
        "amortised-gaussian": Member("G-VAE", one_step=True, network=True),
        "amortised-gaussian-relu": Member("G_relu-VAE", one_step=True, network=True),
        "amortised-gaussian-softplus": Member("G_softplus-VAE", one_step=True, network=True),
        "semi-amortised-poisson": Member("sa-P-VAE", counts=True, network=True),
        "semi-amortised-gaussian": Member("sa-G-VAE", network=True),
        "iterative-amortised-poisson": Member("ia-P-VAE", counts=True, network=True),
        "iterative-amortised-gaussian": Member("ia-G-VAE", network=True),
        "lca": Member("LCA", random=False, learning="settled", linear=True),
        "lca-signed": Member("LCA", random=False, learning="settled", linear=True),
        "predictive-coding": Member("PC", random=False, learning="settled"),
        "incremental-predictive-coding": Member("iPC", random=False, learning="incremental"),
    }
)


def check_kind(name: str) -> None:
    """Raise ConfigError if there is no model `name`."""
    if name in MEMBERS:
        return
    near = nearest(name, MEMBERS)
    # All names together are nearly as long as a message may be.
    hint = f"; known ones are {', '.join(MEMBERS)}" if near is None else f"; did you mean {near!r}?"
    raise ConfigError(f"model.kind is {brief(name)}, but there is no such model{hint}")


def check_decoder(name: str, dictionary: str) -> None:
    """Raise ConfigError if a model that is linear by definition is to have a nonlinear decoder."""
    if MEMBERS[name].linear and is_nonlinear(dictionary):
        raise ConfigError(
            f"model.dictionary is {dictionary}, but model.kind is {name}, which is linear by "
            "definition; set model.dictionary=dense"
        )


def check_steps(name: str, steps: int, segments: int) -> None:
    """Raise ConfigError for more steps than one pass of an encoder, or for segments of them.

    Segments are of steps through which gradients pass.
    """
    if segments > 1 and (MEMBERS[name].one_step or MEMBERS[name].learning != "unrolled"):
        raise ConfigError(
            f"train.segments is {segments}, but a model of kind {name} does not learn through the "
            "steps of its inference; set train.segments=1"
        )
    if MEMBERS[name].one_step and steps != 1:
        raise ConfigError(
            f"train.steps is {steps}, but model.kind is {name}, whose inference is one pass of an "
            "encoder; set train.steps=1"
        )
