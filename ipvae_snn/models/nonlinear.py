"""Nonlinear decoder with Gaussian pixel noise: its likelihood, through the pixels.

The drive is J^T diag(1/sigma^2) (x - f(z)) with the Jacobian J of the decoder f at z, by automatic
differentiation. For f(z) = phi z it is that of a linear dictionary. No weights between neurons
follow from such a decoder, so that it has no integer form.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.likelihood import Explained


@final
@dataclass(frozen=True)
class NonlinearDecoder:
    """A network f with pixel noise log_sigma (1, M): a `protocol.Decoder`.

    network: latents (N, K) to pixels (N, M), twice differentiable.
    """

    network: Callable[[Tensor], Tensor]
    log_sigma: Tensor
    linear: None = None

    def decode(self, z: Tensor) -> Tensor:
        """Return f(z), (..., M), of latents z (..., K)."""
        pixels = self.network(z.reshape(-1, z.shape[-1]))
        return pixels.reshape(*z.shape[:-1], pixels.shape[-1])

    def likelihood(self, frames: Tensor) -> "PixelLikelihood":
        """Return the likelihood of images (F, B, M)."""
        return PixelLikelihood(self, frames)

    def power(self, e: Tensor) -> Tensor:
        """Return e^T diag(1/sigma^2) e, (...), of pixels e (..., M)."""
        return (e * e * linear_gaussian.precision(self.log_sigma)).sum(-1)

    def log_normaliser(self) -> Tensor:
        """Return the sum over pixels of log(sigma sqrt(2 pi)), a scalar, in nats."""
        return linear_gaussian.log_normaliser(self.log_sigma)


@final
@dataclass(frozen=True)
class PixelLikelihood:
    """Likelihood of images x (F, B, M) through their pixels: a `likelihood.Likelihood`."""

    decoder: NonlinearDecoder
    x: Tensor

    def explain(self, z: Tensor) -> Explained:
        """Return z with its reconstruction f(z), which keeps its graph also where others do not."""
        with torch.enable_grad():
            given = z if z.requires_grad else z.detach().requires_grad_()
            return Explained(given, self.decoder.decode(given))

    def drive(self, explained: Explained, frame: int = 0) -> Tensor:
        """Return J^T diag(1/sigma^2) (x - f(z)), (B, K); itself differentiable in training."""
        z, decoded = explained
        error = (self.x[frame] - decoded) * linear_gaussian.precision(self.decoder.log_sigma)
        # The same f(z) may be compared with another frame, and enters the loss.
        (drive,) = torch.autograd.grad(
            decoded, z, error, retain_graph=True, create_graph=torch.is_grad_enabled()
        )
        return drive

    def misfit(self, explained: Explained, frame: int = 0) -> Tensor:
        """Return what f(z) adds to the negative log likelihood, (B,), in nats."""
        power, x = self.decoder.power, self.x[frame]
        return 0.5 * (power(x - explained.value) - power(x))
