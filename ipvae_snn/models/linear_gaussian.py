"""A linear decoder with Gaussian pixel noise: drive, competition, likelihood, free energy."""

import math
from typing import Final

import torch
from torch import Tensor

HALF_LOG_TWO_PI: Final = 0.5 * math.log(2.0 * math.pi)


def precision(log_sigma: Tensor) -> Tensor:
    """Return 1 / sigma^2, of the shape of `log_sigma`."""
    return torch.exp(-2.0 * log_sigma)


def gram(phi: Tensor, log_sigma: Tensor) -> Tensor:
    """Return the lateral competition G = phi^T diag(1/sigma^2) phi, (K, K)."""
    return phi.T @ (phi * precision(log_sigma).reshape(-1, 1))


def feed_forward(x: Tensor, phi: Tensor, log_sigma: Tensor) -> Tensor:
    """Return the feed-forward drive b = phi^T diag(1/sigma^2) x, (B, K), for x (B, M)."""
    return (x * precision(log_sigma)) @ phi


def drive(x: Tensor, z: Tensor, phi: Tensor, log_sigma: Tensor) -> Tensor:
    """Return phi^T diag(1/sigma^2) (x - phi z), (B, K): the drive by way of the M pixels."""
    return ((x - z @ phi.T) * precision(log_sigma)) @ phi


def gram_drive(b: Tensor, z: Tensor, G: Tensor) -> Tensor:
    """Return b - G z, (B, K): the same drive by way of lateral competition."""
    return b - z @ G


def negative_log_likelihood(x: Tensor, z: Tensor, phi: Tensor, log_sigma: Tensor) -> Tensor:
    """Return -log N(x; phi z, diag(sigma^2)), (B,), in nats."""
    squares = ((x - z @ phi.T) ** 2 * precision(log_sigma)).sum(-1)
    return 0.5 * squares + log_normaliser(log_sigma)


def gram_negative_log_likelihood(
    x_squared: Tensor, b: Tensor, z: Tensor, lateral: Tensor, log_normaliser: Tensor
) -> Tensor:
    """Return the same without a tensor of pixels: (B,), in nats.

    |x - phi z|^2 / sigma^2 = x_squared - 2 z.b + z.Gz, with x_squared (B,) the squared norm of
    x / sigma and lateral = z G (B, K).
    """
    return 0.5 * (x_squared + (z * (lateral - 2.0 * b)).sum(-1)) + log_normaliser


def log_normaliser(log_sigma: Tensor) -> Tensor:
    """Return sum over pixels of log(sigma sqrt(2 pi)), a scalar, in nats."""
    return log_sigma.sum() + HALF_LOG_TWO_PI * log_sigma.numel()


def free_energy(nll: Tensor, kl: Tensor, beta: float = 1.0) -> Tensor:
    """Return nll + beta * kl, (B,): the variational free energy (-ELBO) where beta is 1."""
    return nll + beta * kl
