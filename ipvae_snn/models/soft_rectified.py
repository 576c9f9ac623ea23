"""Gaussian latents through a softplus: what the G_softplus-VAE sends, never exactly 0.

a(z) = g ln(1 + exp(s z)) / s with a learnt amplitude g and sharpness s per neuron, as in the public
code of Vafaii, Galor and Yates. The larger s, the nearer it is to g max(z, 0).
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.amortised_modules import GaussianPrior
from ipvae_snn.models.gaussian import Gaussian, GaussianLatents
from ipvae_snn.models.protocol import Draw, LatentSettings


@final
@dataclass(frozen=True)
class SoftRectified:
    """Latents a(z) of Gaussian ones z: a `protocol.LatentModel` without updates of its own.

    log_amplitude, log_sharpness (1, K): logs of g and s.
    """

    model: GaussianLatents
    log_amplitude: Tensor
    log_sharpness: Tensor

    @property
    def updates_per_step(self) -> int:
        """Updates of the state in one inference step."""
        return self.model.updates_per_step

    @property
    def numbers(self) -> int:
        """Return 2: a mean and a log deviation."""
        return self.model.numbers

    def initial(self, n_rows: int) -> Gaussian:
        """Return the prior's state for every row."""
        return self.model.initial(n_rows)

    def first(self, x: Tensor) -> Gaussian:
        """Return `initial` of as many rows as x (B, M) has."""
        return self.model.first(x)

    def begin(self, moved: Tensor) -> Gaussian:
        """Return the first state with means moved by (B, K)."""
        return self.model.begin(moved)

    def shifted(self, state: Gaussian, by: Tensor) -> Gaussian:
        """Return mu and xi moved by (B, 2 K), softly clipped."""
        return self.model.shifted(state, by)

    def draws(self, generator: torch.Generator, temperature: float = 0.0) -> Draw:
        """Return a source of standard normal noise."""
        return self.model.draws(generator, temperature)

    def sample(self, state: Gaussian, draw: Draw) -> Tensor:
        """Return a(mu + exp(xi) eps), (B, K)."""
        return self._activated(self.model.sample(state, draw))

    def update(self, state: Gaussian, start: Gaussian, drive: Tensor, z: Tensor) -> Gaussian:
        """Return the state as it is: an encoder gives it, and nothing refines it."""
        return state

    def divergence(self, new: Gaussian, old: Gaussian) -> Tensor:
        """Return KL(N(new) || N(old)), (B,), in nats."""
        return self.model.divergence(new, old)

    def messages(self, state: Gaussian) -> Tensor:
        """Return 1 (B, K): a latent is never 0."""
        return torch.ones_like(state.mu)

    def rates(self, state: Gaussian) -> Tensor:
        """Return a(mu), (B, K)."""
        return self._activated(state.mu)

    def potential(self, state: Gaussian) -> Tensor:
        """Return the means mu (B, K)."""
        return state.mu

    def activity(self, state: Gaussian) -> Tensor:
        """Return a(mu), (B, K), in place of the mean of a(z), which has no closed form."""
        return self.rates(state)

    def _activated(self, z: Tensor) -> Tensor:
        sharpness = torch.exp(self.log_sharpness)
        return torch.exp(self.log_amplitude) / sharpness * softplus(sharpness * z)


class SoftRectifiedPrior(GaussianPrior):
    """Decoder of Gaussian latents through a softplus, with the prior N(0, 1) before it."""

    def __init__(self, config: ModelConfig, shape: ImageShape, generator: torch.Generator) -> None:
        super().__init__(config, shape, generator)
        self.log_amplitude = nn.Parameter(torch.zeros(1, self.n_features))
        self.log_sharpness = nn.Parameter(torch.zeros(1, self.n_features))

    def latents(self, settings: LatentSettings) -> SoftRectified:
        """Return the latents; the constants of an update are not used."""
        return SoftRectified(
            self.gaussian(settings, None),
            self.each(self.log_amplitude),
            self.each(self.log_sharpness),
        )
