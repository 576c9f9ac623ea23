"""Dense dictionary: every pixel has a weight from every neuron."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, final

import torch
from torch import Tensor

from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.likelihood import GramLikelihood
from ipvae_snn.models.protocol import OwnWeights


class _Matrices(Protocol):
    @property
    def phi(self) -> Tensor: ...

    @property
    def log_sigma(self) -> Tensor: ...


@final
@dataclass(frozen=True)
class DenseDictionary:
    """A matrix phi (M, K) with pixel noise log_sigma (1, M): a `protocol.Dictionary`.

    own: weights with which inference runs in place of those formed from phi, if there are any.
    """

    phi: Tensor
    log_sigma: Tensor
    in_gram_form: bool = True
    grid: tuple[int, int] = (1, 1)
    own: OwnWeights | None = None

    @classmethod
    def of(cls, parameters: _Matrices) -> "DenseDictionary":
        """Return the dictionary of a network's parameters phi and log_sigma."""
        return cls(parameters.phi, parameters.log_sigma)

    @property
    def linear(self) -> "DenseDictionary":
        """The dictionary itself."""
        return self

    def likelihood(self, frames: Tensor) -> GramLikelihood:
        """Return the likelihood of images (F, B, M) in Gram form."""
        return GramLikelihood(self.project(frames), self.competition())

    def decode(self, z: Tensor) -> Tensor:
        """Return phi z, (..., M), of latents z (..., K)."""
        return z @ self.phi.T

    def project(self, e: Tensor) -> Tensor:
        """Return phi^T diag(1/sigma^2) e, (..., K), of pixels e (..., M)."""
        return linear_gaussian.feed_forward(e, self.phi, self.log_sigma)

    def gram(self) -> Tensor:
        """Return phi^T diag(1/sigma^2) phi, (K, K), with a gradient of one matrix product."""
        return gram(self.phi, self.log_sigma)

    def by_distance(self) -> Tensor:
        """Return `gram` as of neurons at one position, (K, 1, 1, K)."""
        return self.gram()[:, None, None, :]

    def competition(self) -> Callable[[Tensor], Tensor]:
        """Return the function z (B, K) -> z G; G is formed once."""
        G = self.gram()
        return lambda z: z @ G

    def power(self, e: Tensor) -> Tensor:
        """Return e^T diag(1/sigma^2) e, (...), of pixels e (..., M)."""
        return (e * e * linear_gaussian.precision(self.log_sigma)).sum(-1)

    def log_normaliser(self) -> Tensor:
        """Return the sum over pixels of log(sigma sqrt(2 pi)), a scalar, in nats."""
        return linear_gaussian.log_normaliser(self.log_sigma)


def gram(phi: Tensor, log_sigma: Tensor) -> Tensor:
    """Return linear_gaussian.gram, with a gradient that takes one matrix product, not two."""
    # torch leaves Function.apply without types.
    G: Tensor = _Gram.apply(phi, log_sigma)  # type: ignore[no-untyped-call]
    return G


class _Gram(torch.autograd.Function):
    """G = phi^T S phi with S = diag(1/sigma^2): dphi = S phi (dG + dG^T)."""

    @staticmethod
    def forward(ctx: Any, phi: Tensor, log_sigma: Tensor) -> Tensor:
        ctx.save_for_backward(phi, log_sigma)
        return linear_gaussian.gram(phi, log_sigma)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        phi, log_sigma = ctx.saved_tensors
        scaled = phi * linear_gaussian.precision(log_sigma).reshape(-1, 1)
        product = phi @ (grads[0] + grads[0].T)
        grad_phi = product * linear_gaussian.precision(log_sigma).reshape(-1, 1)
        return grad_phi, -(scaled * product).sum(1).reshape(log_sigma.shape)
