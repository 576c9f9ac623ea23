"""Compiled passes of training on the CPU: forward (update, relaxed sample) and backward.

One pass over a batch's rows does the work of a step except its matrix product. Every function
takes whole arrays and a range of rows, so that threads can share a batch. Noise depends on
(key, row, neuron) alone, so that any thread or process can compute a row.

The loops are many and short on purpose: LLVM turns a loop into vector code only if few pairs of
arrays might overlap. A loop with ten arrays stays scalar and takes ten times as long (measured).
"""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, scalar, summing
from ipvae_snn.kernels.relaxed_sample import Relaxation, Sample, sample_row, sample_scratch
from ipvae_snn.kernels.vector_math import GOLDEN, exp_of, log_of, mixed


class Constants(NamedTuple):
    """Constants of all rows and updates, in the type of the arrays; `one` is 1 in it.

    lr, leak, clip and floor define an update; leak is the pull per update, lr times the network's
    leak. most_rate: exp(clip). lowest: the potential at or below which the floor was reached, a few
    rounding errors above the clipped floor. code_form: whether the KL term has the form "code"
    (else "exact").
    """

    relaxation: Relaxation
    one: float
    lr: float
    leak: float
    clip: float
    floor: float
    most_rate: float
    lowest: float
    code_form: bool


class Seen(NamedTuple):
    """Inputs of an update, (B, K) except threshold = exp(log_bias) (K,).

    b: feed-forward drive. lateral: competition from the previous sample. u: potential. prior:
    potential at the start of the step.
    """

    threshold: Array
    b: Array
    lateral: Array
    u: Array
    prior: Array


class Fit(NamedTuple):
    """Drive b and lateral = z G, (B, K), of the loss after an update; weights of its two terms.

    tied_weight: nll_weight where the loss and inference have the same weights, so that one pass
    gives the gradient of both; 0 where they have weights of their own.
    """

    b: Array
    lateral: Array
    nll_weight: float
    kl_weight: float
    tied_weight: float


class Gradients(NamedTuple):
    """Gradients of the backward pass, (B, K) except lr (B,), the gradient of log_lr.

    drive: of the next update's drive on entry, of this one's on return; competition = drive @ G on
    entry. u: of the potential after this update on entry, before it on return. prior (of the
    potential at the start of the step), b (of the feed-forward drive) and lr are accumulated. pair
    is set to the factor that gives the gradient of G with z: dG = z^T pair. b and pair have no part
    of the loss where `Fit.tied_weight` is 0.
    """

    drive: Array
    competition: Array
    u: Array
    prior: Array
    b: Array
    lr: Array
    pair: Array


@scalar
def _soft_clip(a: float, one: float, clip: float) -> float:
    """Return clip - softplus(clip - a), for `a` at or above the floor."""
    x = clip - a
    return clip - (max(x, one - one) + log_of(one + exp_of(-abs(x))))


@summing
def _total(values: Array) -> float:
    total: float = values[0] - values[0]
    for value in values:
        total += value
    return total


@kernel
def _scaled_drive(lr: float, threshold: Array, b: Array, lateral: Array, out: Array) -> None:
    for k in range(out.size):
        out[k] = lr * (b[k] - lateral[k] - threshold[k])


@kernel
def _pull(leak: float, u: Array, prior: Array, scaled: Array) -> None:
    """Subtract the leak from the scaled drive."""
    if leak > 0:
        for k in range(u.size):
            scaled[k] -= leak * (u[k] - prior[k])


@kernel
def _update_row(c: Constants, seen: Seen, r: int, scratch: Array, gap: Array, u_new: Array) -> None:
    """Set u_new to the potentials, and gap to exp(-u_new) without another exponential.

    At s = u + du the clip gives u_new = s - log(1 + q), q = exp(s - clip).
    """
    one, clip, floor, most = c.one, c.clip, c.floor, c.most_rate
    u = seen.u[r]
    _scaled_drive(c.lr, seen.threshold, seen.b[r], seen.lateral[r], scratch)
    _pull(c.leak, u, seen.prior[r], scratch)
    for k in range(u.size):
        scratch[k] = max(u[k] + _soft_clip(max(scratch[k], floor), one, clip), floor)
    for k in range(u.size):
        gap[k] = exp_of(scratch[k] - clip)
    for k in range(u.size):
        u_new[k] = scratch[k] - log_of(one + gap[k])
    for k in range(u.size):
        gap[k] = (one + gap[k]) / (gap[k] * most)


@kernel
def _code_divergence(one: float, u_new: Array, prior: Array, gap: Array, terms: Array) -> float:
    """Return the sum of e^u' (1 + e^d (d - 1)), d = u' - u, for gap = exp(-u')."""
    for k in range(terms.size):
        d = u_new[k] - prior[k]
        terms[k] = (one + exp_of(d) * (d - one)) / gap[k]
    return _total(terms)


@kernel
def _exact_divergence(one: float, u_new: Array, prior: Array, gap: Array, terms: Array) -> float:
    """Return the sum of e^u (1 + e^d (d - 1)), d = u' - u, for gap = exp(-u')."""
    for k in range(terms.size):
        d = u_new[k] - prior[k]
        terms[k] = (exp_of(-d) + (d - one)) / gap[k]
    return _total(terms)


@kernel
def _grad_of_counts(fit: Fit, grads: Gradients, slope: Array, r: int, g: Array) -> None:
    weight, b, lateral = fit.nll_weight, fit.b[r], fit.lateral[r]
    grad_u, competition = grads.u[r], grads.competition[r]
    for k in range(g.size):
        g[k] = grad_u[k] + (weight * (lateral[k] - b[k]) - competition[k]) * slope[k]


@kernel
def _rates(u: Array, rate: Array) -> None:
    for k in range(u.size):
        rate[k] = exp_of(u[k])


@kernel
def _grad_of_code_form(
    c: Constants, weight: float, u_new: Array, prior: Array, rate: Array, g: Array, to_prior: Array
) -> None:
    """Add the gradient of KL = e^u' (1 + e^d (d - 1)), d = u' - u, to g; set rate and to_prior."""
    one = c.one
    _rates(u_new, rate)
    for k in range(g.size):
        d = u_new[k] - prior[k]
        grow = exp_of(d)
        g[k] += weight * rate[k] * (one + grow * (d + d - one))
        to_prior[k] = -weight * rate[k] * grow * d


@kernel
def _grad_of_exact_form(
    c: Constants, weight: float, u_new: Array, prior: Array, rate: Array, g: Array, to_prior: Array
) -> None:
    """Add the gradient of KL = e^u (1 + e^d (d - 1)), d = u' - u, to g; set rate and to_prior."""
    one = c.one
    _rates(u_new, rate)
    for k in range(g.size):
        d = u_new[k] - prior[k]
        g[k] += weight * rate[k] * d
        to_prior[k] = weight * rate[k] * (exp_of(-d) - one)


@kernel
def _grad_of_update(
    c: Constants, pulled: Array, u_new: Array, rate: Array, g: Array, ga: Array
) -> None:
    """Propagate g, the gradient of u', back through both clips: to u (in g) and to du (in ga).

    `pulled` is the scaled drive with the leak, before its clip. The slope of the outer clip is
    1 - exp(u' - clip).
    """
    one, clip, floor, lowest = c.one, c.clip, c.floor, c.lowest
    zero, part = one - one, one / c.most_rate
    for k in range(g.size):
        slope = one - rate[k] * part
        g[k] = g[k] * slope if u_new[k] > lowest else zero
    for k in range(g.size):
        slope = one / (one + exp_of(pulled[k] - clip))
        ga[k] = g[k] * slope if pulled[k] >= floor else zero


@kernel
def forward_rows(
    first: int,
    last: int,
    row_key: np.uint64,
    c: Constants,
    seen: Seen,
    u_new: Array,
    sample: Sample,
    kl: Array,
) -> None:
    """Compute one update for rows first .. last - 1: u_new (B, K), then the sample at u_new.

    kl (B,), in nats, is between u_new and the potentials at the start of the step.
    """
    scratch, gap = np.empty_like(seen.threshold), np.empty_like(seen.threshold)
    noise = sample_scratch(gap)
    for r in range(first, last):
        u, prior = u_new[r], seen.prior[r]
        _update_row(c, seen, r, scratch, gap, u)
        if c.code_form:
            kl[r] = _code_divergence(c.one, u, prior, gap, scratch)
        else:
            kl[r] = _exact_divergence(c.one, u, prior, gap, scratch)
        key = mixed(row_key + np.uint64(r + 1) * GOLDEN)
        z, slope = sample.z[r], sample.slope[r]
        sample.drawn[r] = sample_row(gap, key, c.relaxation, noise, z, slope)


@kernel
def second_backward_rows(
    first: int,
    last: int,
    weight: float,
    sample: Sample,
    drive: Array,
    lateral: Array,
    grads: Gradients,
) -> None:
    """Add the gradient of weight * (y.Gy / 2 - y.b) to grads.u and grads.b, rows first .. last - 1.

    y and its slope are `sample`, lateral = y G and drive = b; all are (B, K).
    """
    K = lateral.shape[1]
    for r in range(first, last):
        counts, slope, b, product = sample.z[r], sample.slope[r], drive[r], lateral[r]
        to_u, to_b = grads.u[r], grads.b[r]
        for k in range(K):
            to_u[k] += weight * (product[k] - b[k]) * slope[k]
        for k in range(K):
            to_b[k] -= weight * counts[k]


@kernel
def backward_rows(
    first: int,
    last: int,
    c: Constants,
    seen: Seen,
    u_new: Array,
    sample: Sample,
    fit: Fit,
    grads: Gradients,
) -> None:
    """Compute the gradients of one update for rows first .. last - 1.

    `seen` holds the update's inputs, u_new (B, K) and `sample` its results, and `fit` the loss
    after it. grads.drive is 0 on entry after the last update; grads.pair may be fit.lateral.
    """
    half = fit.tied_weight / (c.one + c.one)
    lr, leak, threshold = c.lr, c.leak, seen.threshold
    K = threshold.size
    g, ga, kept = np.empty_like(threshold), np.empty_like(threshold), np.empty_like(threshold)
    rate = np.empty_like(threshold)
    for r in range(first, last):
        u, prior = seen.u[r], seen.prior[r]
        _grad_of_counts(fit, grads, sample.slope[r], r, g)
        counts, to_drive, pair = sample.z[r], grads.drive[r], grads.pair[r]
        for k in range(K):
            pair[k] = half * counts[k] - to_drive[k]
        if c.code_form:
            _grad_of_code_form(c, fit.kl_weight, u_new[r], prior, rate, g, kept)
        else:
            _grad_of_exact_form(c, fit.kl_weight, u_new[r], prior, rate, g, kept)
        to_prior = grads.prior[r]
        for k in range(K):
            to_prior[k] += kept[k]
        # The pull is the step size times the leak, so it also grows with log_lr.
        _scaled_drive(lr, threshold, seen.b[r], seen.lateral[r], kept)
        _pull(leak, u, prior, kept)
        _grad_of_update(c, kept, u_new[r], rate, g, ga)
        to_u, to_b = grads.u[r], grads.b[r]
        for k in range(K):
            to_u[k] = g[k] - leak * ga[k]
        if leak > 0:
            for k in range(K):
                to_prior[k] += leak * ga[k]
        for k in range(K):
            to_drive[k] = lr * ga[k]
        for k in range(K):
            to_b[k] += to_drive[k] - fit.tied_weight * counts[k]
        for k in range(K):
            kept[k] *= ga[k]
        grads.lr[r] += _total(kept)
