"""Dictionaries whose inference has weights of its own, untied from the decoder.

In the iP-VAE the decoder phi determines inference: the feed-forward weights are phi^T / sigma^2 and
lateral competition is their Gram matrix, as in the paper. Both matrices are nearly dense. Weights
of their own can be sparse, and learn through the dynamics that run to make up for what is missing,
as the untied weights of learnt iterative shrinkage do (Gregor and LeCun, ICML 2010). An entry that
is 0 is no synapse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.parameters import TrainableModule, bounded
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import Dictionary, LatentSettings, OwnWeights

# Learning rates relative to that of phi and psi: a run starts from a trained network, so that its
# potentials and thresholds, of size 1, have as far to go as weights a hundredth of that.
RATES: Final[Mapping[str, float]] = {"u0": 10.0, "log_bias": 10.0, "lateral": 3.0, "log_sigma": 3.0}
DETAILS: Final[Mapping[str, Any]] = {"kind": "untied"}


@dataclass(frozen=True)
class UntiedParameters:
    """Parameters with weights of inference of their own: `parameters.PoissonParameters`.

    phi (M, K), feedforward (K, M), lateral (K, K) and start (K, M) as in `StoredWeights`,
    log_sigma (1, M) after its bound, u0 (1, K), log_bias (1, K), log_lr ().
    """

    phi: Tensor
    feedforward: Tensor
    lateral: Tensor
    log_sigma: Tensor
    u0: Tensor
    log_bias: Tensor
    log_lr: Tensor
    start: Tensor | None = None

    @property
    def dictionary(self) -> Dictionary:
        """The decoder, with the weights of inference."""
        own = OwnWeights(self.feedforward, self.lateral.T, self.start)
        return DenseDictionary(self.phi, self.log_sigma, own=own)

    @property
    def stored(self) -> Mapping[str, Tensor]:
        """The tensors as they are, without a start where there is none."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @property
    def details(self) -> Mapping[str, Any]:
        """The kind."""
        return DETAILS

    def latents(self, settings: LatentSettings) -> PoissonLatents:
        """Return Poisson latents."""
        return PoissonLatents.of(self, settings)


class UntiedPoissonVAE(TrainableModule):
    """Module of the parameters, which start as a dense dictionary's.

    The feed-forward weights are held as psi^T with feedforward = psi^T / sigma^2, so that psi has
    the size of phi, and one learning rate fits both. sigma has no gradient through them.
    """

    def __init__(self, n_pixels: int, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()
        K = config.n_latents
        self.config = config
        self.rates: Mapping[str, float] = RATES
        spread = config.u0_high - config.u0_low
        self.phi = nn.Parameter(torch.randn(n_pixels, K, generator=generator) * config.phi_std)
        self.psi = nn.Parameter(self.phi.detach().T.clone())
        self.lateral = nn.Parameter(self.phi.detach().T @ self.phi.detach())
        self.log_sigma = nn.Parameter(torch.zeros(1, n_pixels))
        self.u0 = nn.Parameter(torch.rand(1, K, generator=generator) * spread + config.u0_low)
        self.log_bias = nn.Parameter(torch.full((1, K), config.log_bias))
        self.log_lr = nn.Parameter(torch.tensor(config.log_lr))
        self.start: nn.Parameter | None = None
        if config.start == "linear":  # as without one, until it has learnt
            self.start = nn.Parameter(torch.zeros(K, n_pixels))

    def view(self) -> UntiedParameters:
        """Return the parameters for the formulas, differentiable."""
        log_sigma = bounded(self.log_sigma, self.config.log_sigma_limit)
        return UntiedParameters(
            phi=self.phi,
            feedforward=self.psi * linear_gaussian.precision(log_sigma.detach()),
            lateral=self.lateral,
            log_sigma=log_sigma,
            u0=self.u0,
            log_bias=self.log_bias,
            log_lr=self.log_lr,
            start=self.start,
        )
