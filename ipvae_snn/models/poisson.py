"""The iP-VAE as pure functions of torch tensors: drive, update, KL, likelihood, free energy.

Source of the formulas: Vafaii, Galor and Yates, Brain-like Variational Inference (NeurIPS 2025).
shapes.py defines the shapes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ipvae_snn.config.settings import KlForm
from ipvae_snn.models.poisson_samples import exact_poisson, generator_draw, relaxed_poisson
from ipvae_snn.models.protocol import Draw, LatentSettings
from ipvae_snn.models.relaxations import RELAXATIONS
from ipvae_snn.models.shapes import (
    AnyShape,
    LogBias,
    Neurons,
    Number,
    PerImage,
    Scalar,
    StartOrNeurons,
)

FLOOR: Final = -8.0


def soft_clip(a: AnyShape, clip: Number, floor: float = FLOOR) -> AnyShape:
    """Bound `a` (nats) softly from above by `clip` and hard from below by `floor`.

    clip_c(a) = c - softplus(c - max(a, floor)); far below c it is the identity.
    """
    return clip - softplus(clip - a.clamp(min=floor))


def update(
    u: StartOrNeurons,
    drive: Neurons,
    log_bias: LogBias,
    log_lr: Scalar,
    clip: Number,
    floor: float = FLOOR,
) -> Neurons:
    """Return the membrane potential after one step, in nats.

    u' = clip_c(u + clip_c(exp(log_lr) (drive - exp(log_bias)))).
    """
    du = torch.exp(log_lr) * (drive - torch.exp(log_bias))
    return soft_clip(u + soft_clip(du, clip, floor), clip, floor)


def kl_exact(u_new: Neurons, u_old: StartOrNeurons) -> PerImage:
    """Return KL(Poisson(exp(u_new)) || Poisson(exp(u_old))), summed over neurons, in nats."""
    du = u_new - u_old
    return (torch.exp(u_old) * (1.0 + torch.exp(du) * (du - 1.0))).sum(-1)


def kl_code(u_new: Neurons, u_old: StartOrNeurons) -> PerImage:
    """Return the KL with the updated rate as prefactor, as in the paper's public code."""
    du = u_new - u_old
    return (torch.exp(u_new) * (1.0 + torch.exp(du) * (du - 1.0))).sum(-1)


KL_FORMS: Final[dict[KlForm, Callable[[Neurons, StartOrNeurons], PerImage]]] = {
    "code": kl_code,
    "exact": kl_exact,
}


class LatentParameters(Protocol):
    """Parameters of Poisson latents: u0 (1, K), log_bias (1, K), log_lr ()."""

    @property
    def u0(self) -> Tensor:
        """Initial log rate (1, K), in nats."""

    @property
    def log_bias(self) -> Tensor:
        """Log of the constant subtracted from the drive (1, K)."""

    @property
    def log_lr(self) -> Tensor:
        """Log of the step size ()."""


@final
@dataclass(frozen=True)
class PoissonLatents:
    """Spike counts z ~ Poisson(exp(u)): a `protocol.LatentModel` whose state is u (B, K), in nats.

    u0 (1, K): initial log rate. log_bias (1, K): log of the constant subtracted from the
    drive. log_lr (): log of the step size. The Fisher factor exp(u) cancels, so that an update
    needs only the drive.
    """

    u0: Tensor
    log_bias: Tensor
    log_lr: Tensor
    settings: LatentSettings

    @classmethod
    def of(cls, parameters: LatentParameters, settings: LatentSettings) -> "PoissonLatents":
        """Return the model of a network's parameters."""
        return cls(parameters.u0, parameters.log_bias, parameters.log_lr, settings)

    @property
    def updates_per_step(self) -> int:
        """Updates of u in one inference step."""
        return self.settings.updates_per_step

    def initial(self, n_rows: int) -> Tensor:
        """Return u0 for every row, (n_rows, K)."""
        return self.u0.expand(n_rows, -1)

    def first(self, x: Tensor) -> Tensor:
        """Return `initial` of as many rows as x (B, M) has."""
        return self.initial(len(x))

    def begin(self, moved: Tensor) -> Tensor:
        """Return u0 + moved (B, K) between the floor and the clip, both hard, as in integers."""
        started = (self.u0 + moved).clamp(min=self.settings.floor)
        return torch.where(started > self.settings.clip, self.settings.clip, started)

    @property
    def numbers(self) -> int:
        """Return 1: a log rate."""
        return 1

    def shifted(self, state: Tensor, by: Tensor) -> Tensor:
        """Return u + by (B, K), softly clipped."""
        return soft_clip(state + by, self.settings.clip, self.settings.floor)

    def draws(self, generator: torch.Generator, temperature: float = 0.0) -> Draw:
        """Return the source of counts at log rates u: exact, or relaxed at a temperature above 0.

        Relaxed draws raise TrainingError where the rates have run away.
        """
        if temperature == 0.0:
            return partial(exact_poisson, generator=generator)
        relaxation = RELAXATIONS[self.settings.relaxation]
        return lambda u: relaxed_poisson(
            u, temperature, generator_draw(u.shape, u, generator), relaxation
        )

    def sample(self, state: Tensor, draw: Draw) -> Tensor:
        """Return spike counts (B, K) at log rates u (B, K)."""
        return draw(state)

    def update(self, state: Tensor, start: Tensor, drive: Tensor, z: Tensor) -> Tensor:
        """Return u (B, K) after one update; z acts only through the drive."""
        s = self.settings
        if s.leak and s.updates_per_step > 1:
            drive = drive - s.leak * (state - start)
        return update(state, drive, self.log_bias, self.log_lr, s.clip, s.floor)

    def divergence(self, new: Tensor, old: Tensor) -> Tensor:
        """Return the KL term in the settings' form, (B,), in nats."""
        return KL_FORMS[self.settings.kl](new, old)

    def messages(self, state: Tensor) -> Tensor:
        """Return 1 - exp(-exp(u)), (B, K)."""
        return -torch.expm1(-torch.exp(state))

    def rates(self, state: Tensor) -> Tensor:
        """Return exp(u), (B, K), in spikes per update."""
        return torch.exp(state)

    def potential(self, state: Tensor) -> Tensor:
        """Return u (B, K), in nats."""
        return state

    def activity(self, state: Tensor) -> Tensor:
        """Return exp(u), (B, K), as `rates` does."""
        return self.rates(state)
