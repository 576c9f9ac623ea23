"""Compiled passes of training Gaussian latents on the CPU: an update there, and back.

The formulas are those of `models.gaussian`; the layout, and many short loops in place of a long
one, are those of `kernels.training`.
"""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, scalar, summing
from ipvae_snn.kernels.vector_math import exp_of


class GaussianConstants(NamedTuple):
    """Constants of all rows and updates, in the type of the arrays; `one` and `half` are 1 and 1/2.

    rate: step size of the mean. half_rate_xi: half of that of the log deviation. clip, deviation,
    change: soft clips of the mean and its change, of the log deviation, and of the latter's change.
    """

    one: float
    half: float
    rate: float
    half_rate_xi: float
    clip: float
    deviation: float
    change: float
    rectified: bool


class Before(NamedTuple):
    """State, latents and drive before an update, (B, K) except bias and gain (K,).

    bias: exp(log_bias). gain: of rectified latents, else 1. b: feed-forward drive. lateral: z G.
    sigma: exp(xi).
    """

    bias: Array
    gain: Array
    b: Array
    lateral: Array
    z: Array
    eps: Array
    mu: Array
    xi: Array
    sigma: Array


class After(NamedTuple):
    """State and latents after an update, (B, K), and the tanh of its two changes over their clips.

    eps: the noise of z, which is read.
    """

    mu: Array
    xi: Array
    sigma: Array
    eps: Array
    z: Array
    t_mu: Array
    t_xi: Array


class GaussianGradients(NamedTuple):
    """Gradients of the backward pass, (B, K) except the sums over rows of a range.

    drive: of the next update's drive on entry, of this one's on return; competition = drive @ G on
    entry. mu, xi: of the state after this update on entry, before it on return. b is accumulated,
    and so are bias, gain (B, K) and rate, rate_xi (B,), of the logs of these parameters. pair is
    set to the factor that gives the gradient of G with z: dG = z^T pair.
    """

    drive: Array
    competition: Array
    mu: Array
    xi: Array
    b: Array
    bias: Array
    gain: Array
    rate: Array
    rate_xi: Array
    pair: Array


@scalar
def _tanh(one: float, a: float) -> float:
    small = exp_of(-abs(a + a))
    size = (one - small) / (one + small)
    return size if a >= one - one else -size


@summing
def _total(values: Array) -> float:
    total: float = values[0] - values[0]
    for value in values:
        total += value
    return total


@kernel
def _push(c: GaussianConstants, before: Before, r: int, push: Array) -> None:
    """Set push to the drive, which a rectified latent scales by its gain, or cuts where it is 0."""
    b, lateral, z, gain = before.b[r], before.lateral[r], before.z[r], before.gain
    for k in range(push.size):
        push[k] = b[k] - lateral[k]
    if c.rectified:
        zero = c.one - c.one
        for k in range(push.size):
            push[k] = gain[k] * push[k] if z[k] > zero else zero


@kernel
def draw_rows(first: int, last: int, c: GaussianConstants, gain: Array, after: After) -> None:
    """Set sigma and z at the state and the noise of rows first .. last - 1."""
    zero = c.one - c.one
    for r in range(first, last):
        mu, xi, sigma, eps, z = after.mu[r], after.xi[r], after.sigma[r], after.eps[r], after.z[r]
        for k in range(mu.size):
            sigma[k] = exp_of(xi[k])
        for k in range(mu.size):
            z[k] = mu[k] + sigma[k] * eps[k]
        if c.rectified:
            for k in range(mu.size):
                z[k] = gain[k] * max(z[k], zero)


@kernel
def forward_rows(
    first: int, last: int, c: GaussianConstants, before: Before, after: After, kl: Array
) -> None:
    """Compute one update for rows first .. last - 1: the state, then latents of the noise in it.

    kl (B,), in nats, is between the states after and before.
    """
    one, half, bias = c.one, c.half, before.bias
    push, terms = np.empty_like(bias), np.empty_like(bias)
    for r in range(first, last):
        mu, xi, sigma, eps = before.mu[r], before.xi[r], before.sigma[r], before.eps[r]
        new_mu, new_xi, new_sigma = after.mu[r], after.xi[r], after.sigma[r]
        t_mu, t_xi = after.t_mu[r], after.t_xi[r]
        _push(c, before, r, push)
        for k in range(push.size):
            t_mu[k] = _tanh(one, c.rate * (sigma[k] * sigma[k] * push[k] - bias[k]) / c.clip)
        for k in range(push.size):
            t_xi[k] = _tanh(one, c.half_rate_xi * sigma[k] * push[k] * eps[k] / c.change)
        for k in range(push.size):
            new_mu[k] = c.clip * _tanh(one, (mu[k] + c.clip * t_mu[k]) / c.clip)
        for k in range(push.size):
            new_xi[k] = c.deviation * _tanh(one, (xi[k] + c.change * t_xi[k]) / c.deviation)
        draw_rows(r, r + 1, c, before.gain, after)
        for k in range(push.size):
            moved = (new_mu[k] - mu[k]) / sigma[k]
            push[k] = half * (moved * moved - one) - (new_xi[k] - xi[k])
        for k in range(push.size):
            ratio = new_sigma[k] / sigma[k]
            terms[k] = push[k] + half * ratio * ratio
        kl[r] = _total(terms)


@kernel
def to_state_rows(
    first: int,
    last: int,
    c: GaussianConstants,
    gain: Array,
    after: After,
    to_z: Array,
    grads: GaussianGradients,
) -> None:
    """Add the gradients of mu, xi and gain through the latents; to_z (B, K) becomes that of mu."""
    zero = c.one - c.one
    for r in range(first, last):
        z, sigma, eps, g = after.z[r], after.sigma[r], after.eps[r], to_z[r]
        to_gain, to_mu, to_xi = grads.gain[r], grads.mu[r], grads.xi[r]
        if c.rectified:
            for k in range(z.size):
                to_gain[k] += g[k] * z[k]
            for k in range(z.size):
                g[k] = gain[k] * g[k] if z[k] > zero else zero
        for k in range(z.size):
            to_mu[k] += g[k]
        for k in range(z.size):
            to_xi[k] += g[k] * sigma[k] * eps[k]


@kernel
def backward_rows(
    first: int,
    last: int,
    c: GaussianConstants,
    before: Before,
    after: After,
    lateral: Array,
    to_fit: float,
    to_kl: float,
    to_z: Array,
    grads: GaussianGradients,
) -> None:
    """Return through one update for rows first .. last - 1.

    lateral (B, K) = z G after the update, which grads.pair may overwrite. to_fit, to_kl: weights of
    z.Gz / 2 - z.b and of the KL term. to_z (B, K) is scratch.
    """
    one, half, zero = c.one, c.half, c.one - c.one
    bias, gain = before.bias, before.gain
    part_mu, part_xi = one / c.clip, one / c.deviation
    push, g1, g2 = np.empty_like(bias), np.empty_like(bias), np.empty_like(bias)
    to_mean, kept = np.empty_like(bias), np.empty_like(bias)
    for r in range(first, last):
        b, z, product, competition = before.b[r], after.z[r], lateral[r], grads.competition[r]
        to_drive, pair, g = grads.drive[r], grads.pair[r], to_z[r]
        for k in range(z.size):
            g[k] = to_fit * (product[k] - b[k]) - competition[k]
        for k in range(z.size):
            pair[k] = half * to_fit * z[k] - to_drive[k]
        to_state_rows(r, r + 1, c, gain, after, to_z, grads)
        mu, sigma, eps = before.mu[r], before.sigma[r], before.eps[r]
        new_mu, new_xi, new_sigma = after.mu[r], after.xi[r], after.sigma[r]
        to_mu, to_xi = grads.mu[r], grads.xi[r]
        for k in range(z.size):  # of the KL term: kept and push are what goes to the state before
            kept[k] = to_kl * (new_mu[k] - mu[k]) / (sigma[k] * sigma[k])
        for k in range(z.size):
            ratio = new_sigma[k] / sigma[k]
            push[k] = to_kl * (ratio * ratio - one)
        for k in range(z.size):
            to_mu[k] = (to_mu[k] + kept[k]) * (one - new_mu[k] * part_mu * new_mu[k] * part_mu)
        for k in range(z.size):
            to_xi[k] = (to_xi[k] + push[k]) * (one - new_xi[k] * part_xi * new_xi[k] * part_xi)
        t_mu, t_xi = after.t_mu[r], after.t_xi[r]
        for k in range(z.size):
            g1[k] = (one - t_mu[k] * t_mu[k]) * to_mu[k] * c.rate
        for k in range(z.size):
            g2[k] = (one - t_xi[k] * t_xi[k]) * to_xi[k]
        for k in range(z.size):
            to_xi[k] -= push[k] + kept[k] * (new_mu[k] - mu[k])
        for k in range(z.size):
            to_mu[k] -= kept[k]
        _push(c, before, r, push)
        for k in range(z.size):
            to_mean[k] = g1[k] * sigma[k] * sigma[k] * push[k]
        for k in range(z.size):
            kept[k] = g2[k] * (c.half_rate_xi * sigma[k] * push[k] * eps[k])
        grads.rate[r] += _total(to_mean)
        grads.rate_xi[r] += _total(kept)
        for k in range(z.size):
            to_xi[k] += to_mean[k] + to_mean[k] + kept[k]
        spent, to_b = grads.bias[r], grads.b[r]
        for k in range(z.size):
            spent[k] += g1[k]
        for k in range(z.size):
            to_drive[k] = (g1[k] * sigma[k] + c.half_rate_xi * g2[k] * eps[k]) * sigma[k]
        if c.rectified:
            to_gain, old = grads.gain[r], before.z[r]
            for k in range(z.size):
                to_gain[k] += to_drive[k] * push[k]
            for k in range(z.size):
                to_drive[k] = gain[k] * to_drive[k] if old[k] > zero else zero
        for k in range(z.size):
            to_b[k] += to_drive[k] - to_fit * z[k]
