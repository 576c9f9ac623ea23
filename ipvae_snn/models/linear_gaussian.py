"""Linear decoder with Gaussian pixel noise: drive, competition, likelihood, free energy."""

import math
from typing import Final

import torch

from ipvae_snn.models.shapes import (
    Lateral,
    LogSigma,
    Neurons,
    Number,
    PerImage,
    Phi,
    Pixels,
    Scalar,
)

HALF_LOG_TWO_PI: Final = 0.5 * math.log(2.0 * math.pi)


def precision(log_sigma: LogSigma) -> LogSigma:
    """Return 1 / sigma^2."""
    return torch.exp(-2.0 * log_sigma)


def gram(phi: Phi, log_sigma: LogSigma) -> Lateral:
    """Return the lateral competition G = phi^T diag(1/sigma^2) phi."""
    return phi.T @ (phi * precision(log_sigma).reshape(-1, 1))


def feed_forward(x: Pixels, phi: Phi, log_sigma: LogSigma) -> Neurons:
    """Return the feed-forward drive b = phi^T diag(1/sigma^2) x."""
    return (x * precision(log_sigma)) @ phi


def drive(x: Pixels, z: Neurons, phi: Phi, log_sigma: LogSigma) -> Neurons:
    """Return phi^T diag(1/sigma^2) (x - phi z): the drive computed over the M pixels."""
    return ((x - z @ phi.T) * precision(log_sigma)) @ phi


def gram_drive(b: Neurons, z: Neurons, G: Lateral) -> Neurons:
    """Return b - G z: the same drive computed by lateral competition."""
    return b - z @ G


def negative_log_likelihood(x: Pixels, z: Neurons, phi: Phi, log_sigma: LogSigma) -> PerImage:
    """Return -log N(x; phi z, diag(sigma^2)), in nats."""
    squares = ((x - z @ phi.T) ** 2 * precision(log_sigma)).sum(-1)
    return 0.5 * squares + log_normaliser(log_sigma)


def gram_negative_log_likelihood(
    x_squared: PerImage, b: Neurons, z: Neurons, lateral: Neurons, log_normaliser: Scalar
) -> PerImage:
    """Return the negative log likelihood without a tensor of pixels, in nats.

    |x - phi z|^2 / sigma^2 = x_squared - 2 z.b + z.Gz, with x_squared the squared norm of
    x / sigma and lateral = z G.
    """
    return 0.5 * (x_squared + (z * (lateral - 2.0 * b)).sum(-1)) + log_normaliser


def log_normaliser(log_sigma: LogSigma) -> Scalar:
    """Return sum over pixels of log(sigma sqrt(2 pi)), in nats."""
    return log_sigma.sum() + HALF_LOG_TWO_PI * log_sigma.numel()


def free_energy(nll: PerImage, kl: PerImage, beta: Number = 1.0) -> PerImage:
    """Return nll + beta * kl: the variational free energy (-ELBO) where beta is 1."""
    return nll + beta * kl
