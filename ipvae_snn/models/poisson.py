"""The iP-VAE as pure functions of torch tensors: drive, update, KL, likelihood, free energy.

Source of the formulas: Vafaii, Galor and Yates, Brain-like Variational Inference (NeurIPS 2025).
Shapes: batch B, pixels M, neurons K; phi (M, K), log_sigma (1, M), u and log_bias (B or 1, K).
"""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ipvae_snn.config.settings import KlForm

FLOOR: Final = -8.0


def soft_clip(a: Tensor, clip: float, floor: float = FLOOR) -> Tensor:
    """Bound `a` (nats, any shape) softly from above by `clip` and hard from below by `floor`.

    clip_c(a) = c - softplus(c - max(a, floor)); far below c it is the identity.
    """
    return clip - softplus(clip - a.clamp(min=floor))


def update(
    u: Tensor, drive: Tensor, log_bias: Tensor, log_lr: Tensor, clip: float, floor: float = FLOOR
) -> Tensor:
    """Return the membrane potential after one step, (B, K), in nats.

    u' = clip_c(u + clip_c(exp(log_lr) (drive - exp(log_bias)))).
    """
    du = torch.exp(log_lr) * (drive - torch.exp(log_bias))
    return soft_clip(u + soft_clip(du, clip, floor), clip, floor)


def kl_exact(u_new: Tensor, u_old: Tensor) -> Tensor:
    """Return KL(Poisson(exp(u_new)) || Poisson(exp(u_old))), summed over neurons: (B,), nats."""
    du = u_new - u_old
    return (torch.exp(u_old) * (1.0 + torch.exp(du) * (du - 1.0))).sum(-1)


def kl_code(u_new: Tensor, u_old: Tensor) -> Tensor:
    """Return the KL with the updated rate in front, as the paper's public code has it: (B,)."""
    du = u_new - u_old
    return (torch.exp(u_new) * (1.0 + torch.exp(du) * (du - 1.0))).sum(-1)


KL_FORMS: Final[dict[KlForm, Callable[[Tensor, Tensor], Tensor]]] = {
    "code": kl_code,
    "exact": kl_exact,
}
