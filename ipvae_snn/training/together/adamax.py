"""Adamax for a stack of networks, with each network's gradient clipped by its own norm.

Kingma and Ba, Adam (ICLR 2015), section 7; the update is that of torch.optim.Adamax, on tensors
whose values change in place, so that a CUDA graph can hold it.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

BETA1: Final = 0.9
BETA2: Final = 0.999
EPS: Final = 1e-8


@dataclass(frozen=True)
class Moments:
    """First moment and infinity norm of each parameter's gradients."""

    mean: dict[str, Tensor]
    largest: dict[str, Tensor]

    @classmethod
    def of(cls, p: dict[str, Tensor]) -> "Moments":
        """Return moments of 0."""
        return cls(
            {name: torch.zeros_like(value) for name, value in p.items()},
            {name: torch.zeros_like(value) for name, value in p.items()},
        )


def norms(gradients: dict[str, Tensor]) -> Tensor:
    """Return the norm of each network's gradient, (E,)."""
    squares = [(value * value).reshape(len(value), -1).sum(1) for value in gradients.values()]
    return torch.stack(squares).sum(0).sqrt()


def clipped(gradients: dict[str, Tensor], norm: Tensor, limit: Tensor) -> dict[str, Tensor]:
    """Return gradients of norm (E,) scaled down to the limit (), as clip_grad_norm_ does."""
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    return {name: value * over(factor, value) for name, value in gradients.items()}


def over(values: Tensor, like: Tensor) -> Tensor:
    """Return values (E,) with as many dimensions as `like`."""
    return values.reshape(-1, *(1,) * (like.dim() - 1))


def step(
    p: dict[str, Tensor],
    gradients: dict[str, Tensor],
    moments: Moments,
    rate: Tensor,
    weight_decay: float,
    moves: Tensor,
) -> None:
    """Update parameters and moments in place, of the networks where `moves` (E,) is True.

    rate (): the learning rate over 1 - BETA1^t at the t-th iteration.
    """
    for name, value in p.items():
        gradient = gradients[name] + weight_decay * value
        mean, largest = moments.mean[name], moments.largest[name]
        new_mean = torch.lerp(mean, gradient, 1.0 - BETA1)
        new_largest = torch.maximum(largest * BETA2, gradient.abs() + EPS)
        moving = over(moves, value)
        mean.copy_(torch.where(moving, new_mean, mean))
        largest.copy_(torch.where(moving, new_largest, largest))
        value.copy_(torch.where(moving, value - rate * new_mean / new_largest, value))
