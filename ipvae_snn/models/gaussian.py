"""The iG-VAE and the iG_relu-VAE: the iP-VAE's inference with Gaussian latents.

Formulas and constants: Vafaii, Galor and Yates, Brain-like Variational Inference (NeurIPS 2025),
and its public code. A neuron has a mean mu and a log deviation xi. Its latent is a(z) with
z = mu + exp(xi) eps, eps ~ N(0, 1), and a(z) = z, or gain max(z, 0) with a learnt gain. Updates are
preconditioned by the inverse Fisher matrix of a Gaussian, sigma^2 for mu and 1/2 for xi.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, final

import torch
from torch import Tensor, nn

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.decoder_module import DecoderModule
from ipvae_snn.models.gaussian_update import Clips, updated
from ipvae_snn.models.protocol import Decoder, Draw, LatentSettings
from ipvae_snn.models.shapes import Number

# The mean's soft clip c, 7 after training, bounds it and its change. The log deviation has clips
# of its own, which grow with c: from 1 where c is 1, to 2 and 3 (of a change) where c is 7.
DEVIATION_GROWTH: Final = 1.0 / 6.0
DEVIATION_CHANGE_GROWTH: Final = 1.0 / 3.0


class Gaussian(NamedTuple):
    """State of the latents: means mu (B, K) and log deviations xi (B, K), in nats."""

    mu: Tensor
    xi: Tensor


@final
@dataclass(frozen=True)
class GaussianLatents:
    """Latents a(z), z ~ N(mu, exp(xi)^2): a `protocol.LatentModel`.

    mu0, xi0 (1, K): the first state. log_bias (1, K): log of the constant subtracted from the
    mean's drive. log_lr, log_lr_xi (): logs of both step sizes. log_gain (1, K): of rectified
    latents, None where a(z) = z.
    """

    mu0: Tensor
    xi0: Tensor
    log_bias: Tensor
    log_lr: Tensor
    log_lr_xi: Tensor
    log_gain: Tensor | None
    settings: LatentSettings

    @property
    def updates_per_step(self) -> int:
        """Updates of the state in one inference step."""
        return self.settings.updates_per_step

    def initial(self, n_rows: int) -> Gaussian:
        """Return mu0 and xi0 for every row, (n_rows, K)."""
        return Gaussian(self.mu0.expand(n_rows, -1), self.xi0.expand(n_rows, -1))

    def first(self, x: Tensor) -> Gaussian:
        """Return `initial` of as many rows as x (B, M) has."""
        return self.initial(len(x))

    def begin(self, moved: Tensor) -> Gaussian:
        """Return the first state with means moved by (B, K)."""
        return Gaussian(self.mu0 + moved, self.xi0.expand(len(moved), -1))

    @property
    def numbers(self) -> int:
        """Return 2: a mean and a log deviation."""
        return 2

    def shifted(self, state: Gaussian, by: Tensor) -> Gaussian:
        """Return mu and xi moved by (B, 2 K), first those of mu, softly clipped."""
        mu, xi = by.chunk(2, dim=-1)
        clips = self.clips
        return Gaussian(
            soft_clip(state.mu + mu, clips.mean), soft_clip(state.xi + xi, clips.deviation)
        )

    @property
    def clips(self) -> Clips:
        """Return the soft clips, all from that of the mean."""
        beyond = self.settings.clip - 1.0
        deviation = 1.0 + DEVIATION_GROWTH * beyond
        return Clips(self.settings.clip, deviation, 1.0 + DEVIATION_CHANGE_GROWTH * beyond)

    def draws(self, generator: torch.Generator, temperature: float = 0.0) -> Draw:
        """Return a source of standard normal noise; it has a gradient at any temperature."""

        def noise(like: Tensor) -> Tensor:
            return torch.randn(
                like.shape, generator=generator, device=like.device, dtype=like.dtype
            )

        return noise

    def sample(self, state: Gaussian, draw: Draw) -> Tensor:
        """Return a(mu + exp(xi) eps), (B, K)."""
        return self._activated(state.mu + torch.exp(state.xi) * draw(state.mu))

    def update(self, state: Gaussian, start: Gaussian, drive: Tensor, z: Tensor) -> Gaussian:
        """Return the state after one update.

        With several updates per step the KL to the step's start pulls back, times the leak
        (beta_inner of the paper's code), before the Fisher factors.
        """
        mu, xi = state
        sigma = torch.exp(xi)
        if self.log_gain is None:
            push, source = drive, z
        else:
            gain = torch.exp(self.log_gain)
            push, source = torch.where(z > 0, gain * drive, 0.0), z / gain
        # The noise that was drawn is a constant. Where a rectified latent is 0, push is 0 too.
        eps = ((source - mu) / sigma).detach()
        if not (self.settings.leak and self.updates_per_step > 1):
            rates = self.log_bias, self.log_lr, self.log_lr_xi
            return Gaussian(*updated(mu, xi, push, eps, *rates, self.clips))
        return self._leaking(state, start, push, eps)

    def _leaking(self, state: Gaussian, start: Gaussian, push: Tensor, eps: Tensor) -> Gaussian:
        """Return the state after an update with a leak, by automatic differentiation."""
        (mu, xi), sigma, leak = state, torch.exp(state.xi), self.settings.leak
        to_mu = push - leak * (mu - start.mu) * torch.exp(-2.0 * start.xi)
        to_xi = push * eps * sigma - leak * torch.expm1(2.0 * (xi - start.xi))
        d_mu = torch.exp(self.log_lr) * (sigma * sigma * to_mu - torch.exp(self.log_bias))
        d_xi = torch.exp(self.log_lr_xi) * (0.5 * to_xi)
        clips = self.clips
        return Gaussian(
            soft_clip(mu + soft_clip(d_mu, clips.mean), clips.mean),
            soft_clip(xi + soft_clip(d_xi, clips.change), clips.deviation),
        )

    def divergence(self, new: Gaussian, old: Gaussian) -> Tensor:
        """Return KL(N(new) || N(old)), (B,), in nats."""
        moved = (new.mu - old.mu) * torch.exp(-old.xi)
        ratio = new.xi - old.xi
        return (0.5 * (moved * moved + torch.exp(2.0 * ratio) - 1.0) - ratio).sum(-1)

    def messages(self, state: Gaussian) -> Tensor:
        """Return 1, or the chance that a rectified latent is above 0, (B, K)."""
        if self.log_gain is None:
            return torch.ones_like(state.mu)
        return above_zero(state.mu * torch.exp(-state.xi))

    def rates(self, state: Gaussian) -> Tensor:
        """Return a(mu), (B, K), as the paper's code decodes for its MAP read-out."""
        return self._activated(state.mu)

    def potential(self, state: Gaussian) -> Tensor:
        """Return the means mu (B, K)."""
        return state.mu

    def activity(self, state: Gaussian) -> Tensor:
        """Return the mean of |a(z)|, (B, K)."""
        mu, sigma = state.mu, torch.exp(state.xi)
        scaled = mu / sigma
        peak = sigma * torch.exp(-0.5 * scaled * scaled) / math.sqrt(2.0 * math.pi)
        if self.log_gain is None:
            return 2.0 * peak + mu * torch.erf(scaled / math.sqrt(2.0))
        return torch.exp(self.log_gain) * (mu * above_zero(scaled) + peak)

    def _activated(self, z: Tensor) -> Tensor:
        return z if self.log_gain is None else torch.exp(self.log_gain) * z.clamp(min=0.0)


def soft_clip(a: Tensor, clip: Number) -> Tensor:
    """Return clip * tanh(a / clip), between -clip and clip."""
    return clip * torch.tanh(a / clip)


def above_zero(scaled: Tensor) -> Tensor:
    """Return the chance that a Gaussian with mean `scaled` and deviation 1 is above 0."""
    return 0.5 + 0.5 * torch.erf(scaled / math.sqrt(2.0))


@dataclass(frozen=True)
class GaussianParameters:
    """Parameters of a network with Gaussian latents: `parameters.ModelParameters`."""

    dictionary: Decoder
    mu0: Tensor
    xi0: Tensor
    log_bias: Tensor
    log_lr: Tensor
    log_lr_xi: Tensor
    log_gain: Tensor | None
    stored: Mapping[str, Tensor]

    @property
    def details(self) -> Mapping[str, Any]:
        """Nothing: the settings in the file describe the dictionary."""
        return {}

    def latents(self, settings: LatentSettings) -> GaussianLatents:
        """Return Gaussian latents."""
        rates = self.log_lr, self.log_lr_xi
        return GaussianLatents(self.mu0, self.xi0, self.log_bias, *rates, self.log_gain, settings)


class GaussianVAE(DecoderModule):
    """Module of the parameters; `rectified` for the iG_relu-VAE."""

    def __init__(
        self,
        config: ModelConfig,
        shape: ImageShape,
        generator: torch.Generator,
        *,
        rectified: bool = False,
    ) -> None:
        super().__init__(config, shape, generator)
        each = 1, self.n_features
        self.mu0, self.xi0 = nn.Parameter(torch.zeros(each)), nn.Parameter(torch.zeros(each))
        self.log_bias = nn.Parameter(torch.full(each, config.log_bias))
        self.log_lr = nn.Parameter(torch.tensor(config.log_lr))
        self.log_lr_xi = nn.Parameter(torch.tensor(config.log_lr))
        self.log_gain = nn.Parameter(torch.zeros(each)) if rectified else None

    def view(self) -> GaussianParameters:
        """Return the parameters for the formulas, differentiable."""
        return GaussianParameters(
            dictionary=self.dictionary(),
            mu0=self.each(self.mu0),
            xi0=self.each(self.xi0),
            log_bias=self.each(self.log_bias),
            log_lr=self.log_lr,
            log_lr_xi=self.log_lr_xi,
            log_gain=None if self.log_gain is None else self.each(self.log_gain),
            stored=dict(self.named_parameters()),
        )
