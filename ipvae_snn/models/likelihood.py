"""Likelihood of given images as a function of latents: its gradient, the drive, and its value.

A linear decoder needs no pixels once the images' drive is formed: the Gram form. Shapes: frames F,
batch B, pixels M, neurons K.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, final

from torch import Tensor


class Explained(NamedTuple):
    """Latents z (B, K), and what drive and misfit both need of them, computed once.

    value: their lateral sums z G (B, K), or their reconstruction f(z) (B, M).
    """

    z: Tensor
    value: Tensor


class Likelihood(Protocol):
    """log N(x; f(z), diag(sigma^2)) of images x (F, B, M), frame by frame."""

    def explain(self, z: Tensor) -> Explained:
        """Return what the other methods need of latents z (B, K)."""

    def drive(self, explained: Explained, frame: int = 0) -> Tensor:
        """Return the gradient (B, K) with respect to z."""

    def misfit(self, explained: Explained, frame: int = 0) -> Tensor:
        """Return the negative log likelihood (B,), in nats, less its value at f(z) = 0."""


@final
@dataclass(frozen=True)
class GramLikelihood:
    """Likelihood of a linear decoder x^ = phi z, without a tensor of pixels.

    b (F, B, K): phi^T diag(1/sigma^2) x. compete(z): z phi^T diag(1/sigma^2) phi, (B, K).
    """

    b: Tensor
    compete: Callable[[Tensor], Tensor]

    def explain(self, z: Tensor) -> Explained:
        """Return z with its lateral sums."""
        return Explained(z, self.compete(z))

    def drive(self, explained: Explained, frame: int = 0) -> Tensor:
        """Return b - z G, (B, K)."""
        return self.b[frame] - explained.value

    def misfit(self, explained: Explained, frame: int = 0) -> Tensor:
        """Return z.Gz / 2 - z.b, (B,), in nats."""
        return (explained.z * (0.5 * explained.value - self.b[frame])).sum(-1)


def drive_at(likelihood: Likelihood, frame: int, z: Tensor) -> Tensor:
    """Return the drive (B, K) at latents z (B, K)."""
    return likelihood.drive(likelihood.explain(z), frame)
