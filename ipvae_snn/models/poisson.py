"""The iP-VAE as pure functions of torch tensors: drive, update, KL, likelihood, free energy.

Source of the formulas: Vafaii, Galor and Yates, Brain-like Variational Inference (NeurIPS 2025).
shapes.py names the shapes.
"""

from collections.abc import Callable
from typing import Final

import torch
from torch.nn.functional import softplus

from ipvae_snn.config.settings import KlForm
from ipvae_snn.models.shapes import AnyShape, LogBias, Neurons, PerImage, Scalar, StartOrNeurons

FLOOR: Final = -8.0


def soft_clip(a: AnyShape, clip: float, floor: float = FLOOR) -> AnyShape:
    """Bound `a` (nats) softly from above by `clip` and hard from below by `floor`.

    clip_c(a) = c - softplus(c - max(a, floor)); far below c it is the identity.
    """
    return clip - softplus(clip - a.clamp(min=floor))


def update(
    u: StartOrNeurons,
    drive: Neurons,
    log_bias: LogBias,
    log_lr: Scalar,
    clip: float,
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
    """Return the KL with the updated rate in front, as the paper's public code has it."""
    du = u_new - u_old
    return (torch.exp(u_new) * (1.0 + torch.exp(du) * (du - 1.0))).sum(-1)


KL_FORMS: Final[dict[KlForm, Callable[[Neurons, StartOrNeurons], PerImage]]] = {
    "code": kl_code,
    "exact": kl_exact,
}
