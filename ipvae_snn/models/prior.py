"""The learnt prior of a model: the parameters of its latents before the first update."""

from typing import Final

from ipvae_snn.errors import ConfigError
from ipvae_snn.models.parameters import TrainableModule

# Log rates of Poisson latents; means and log deviations of Gaussian ones.
NAMES: Final = ("u0", "mu0", "xi0")


def fix_prior(module: TrainableModule, kind: str) -> None:
    """Keep the prior of a module at its present values: no gradient is computed for it.

    Raises ConfigError if a model of this kind has no prior that is learnt.
    """
    prior = [
        parameter
        for name, parameter in module.named_parameters()
        if name.rpartition(".")[2] in NAMES
    ]
    if not prior:
        raise ConfigError(
            f"model.fit_prior is false, but a model of kind {kind} has no prior that is learnt; "
            "set model.fit_prior=true"
        )
    for parameter in prior:
        parameter.requires_grad_(False)
