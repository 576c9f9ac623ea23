"""Compiled passes of training on the CPU: update and relaxed sample forwards, and the way back.

One pass over a batch's rows does what a step needs beside its matrix product. Every function
takes whole arrays and a range of rows, so that threads may share a batch; noise depends on
(key, row, neuron) alone, so that it does not matter which thread or process has a row.

The loops are many and short on purpose: LLVM turns a loop into vector code only where few pairs
of arrays might overlap, and one with ten arrays stays scalar, at ten times the time (measured).
"""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, scalar, summing
from ipvae_snn.kernels.vector_math import GOLDEN, exp_of, log_of, mixed, open_uniform

# Arrivals of one row before its sampling is cut short: some 25 neurons at the clip's rate of
# e^10 with the warmest samples. The caller sees the count and stops training.
MAX_ROW_ARRIVALS: Final = 4_194_304


@kernel
def sample_row(
    u: Array, key: np.uint64, one: float, temperature: float, cutoff: float, z: Array, slope: Array
) -> int:
    """Draw relaxed counts z (K,) and dz/du (K,) for log rates u (K,); return the arrivals drawn.

    With inter-arrival times e_i ~ Exponential(rate) and s_n = e_1 + ... + e_n,
    z = sum_n sigmoid((1 - s_n) / temperature) and dz/du = sum_n s (1 - s) s_n / temperature over
    the arrivals up to 1 + cutoff * temperature. `one` is 1 in the type of u.
    """
    K = u.size
    horizon = one + cutoff * temperature
    cold = one / temperature
    index = np.empty(K, np.int32)
    state = np.empty(K, np.uint64)
    time, interval, later = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    soft, weight = np.empty_like(u), np.empty_like(u)
    for k in range(K):
        state[k] = mixed(key + np.uint64(k + 1) * GOLDEN)
    for k in range(K):
        interval[k] = exp_of(-u[k])
    for k in range(K):
        time[k] = -log_of(one * open_uniform(state[k])) * interval[k]
    z[:] = 0
    slope[:] = 0
    active = 0
    for k in range(K):
        index[active] = k
        active += time[k] <= horizon
    for i in range(active):
        k = index[i]
        time[i], interval[i], state[i] = time[k], interval[k], state[k]
    drawn = K
    while active > 0 and drawn < MAX_ROW_ARRIVALS:
        for i in range(active):
            soft[i] = one / (one + exp_of((time[i] - one) * cold))
        for i in range(active):
            weight[i] = soft[i] * (one - soft[i]) * time[i] * cold
        for i in range(active):
            state[i] += GOLDEN
        for i in range(active):
            later[i] = time[i] - log_of(one * open_uniform(mixed(state[i]))) * interval[i]
        drawn += active
        left = 0
        for i in range(active):
            k = index[i]
            z[k] += soft[i]
            slope[k] += weight[i]
            index[left], time[left] = k, later[i]
            interval[left], state[left] = interval[i], state[i]
            left += later[i] <= horizon
        active = left
    return drawn


@kernel
def sample_rows(
    first: int, last: int, row_key: np.uint64, one: float, temperature: float, cutoff: float,
    u: Array, z: Array, slope: Array, drawn: Array,
) -> None:  # fmt: skip
    """Draw rows first .. last - 1 of z and slope (B, K) for u (B, K); drawn (B,) int64."""
    for r in range(first, last):
        key = mixed(row_key + np.uint64(r + 1) * GOLDEN)
        drawn[r] = sample_row(u[r], key, one, temperature, cutoff, z[r], slope[r])


@scalar
def _soft_clip(a: float, one: float, clip: float) -> float:
    """clip - softplus(clip - a), for `a` at or above the floor."""
    x = clip - a
    return clip - (max(x, one - one) + log_of(one + exp_of(-abs(x))))


@scalar
def _soft_clip_slope(a: float, one: float, clip: float) -> float:
    return one / (one + exp_of(a - clip))


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
def _update_row(
    lr: float, leak: float, one: float, clip: float, floor: float, threshold: Array,
    b: Array, lateral: Array, u: Array, prior: Array, scratch: Array, u_new: Array,
) -> None:  # fmt: skip
    _scaled_drive(lr, threshold, b, lateral, scratch)
    for k in range(u.size):
        scratch[k] -= leak * (u[k] - prior[k])
    for k in range(u.size):
        scratch[k] = u[k] + _soft_clip(max(scratch[k], floor), one, clip)
    for k in range(u.size):
        u_new[k] = _soft_clip(max(scratch[k], floor), one, clip)


@kernel
def _divergence(one: float, u_new: Array, prior: Array, front: Array, terms: Array) -> float:
    for k in range(terms.size):
        d = u_new[k] - prior[k]
        terms[k] = exp_of(front[k]) * (one + exp_of(d) * (d - one))
    return _total(terms)


@kernel
def _grad_of_counts(
    weight: float, b: Array, lateral_new: Array, competition: Array, slope: Array,
    grad_u: Array, g: Array,
) -> None:  # fmt: skip
    for k in range(g.size):
        g[k] = grad_u[k] + (weight * (lateral_new[k] - b[k]) - competition[k]) * slope[k]


@kernel
def _grad_of_code_form(
    one: float, weight: float, u_new: Array, prior: Array, g: Array, to_prior: Array
) -> None:
    """KL = e^u' (1 + e^d (d - 1)), d = u' - u: adds to g, sets to_prior."""
    for k in range(g.size):
        d = u_new[k] - prior[k]
        rate, grow = weight * exp_of(u_new[k]), exp_of(d)
        g[k] += rate * (one + grow * (d + d - one))
        to_prior[k] = -rate * grow * d


@kernel
def _grad_of_exact_form(
    one: float, weight: float, u_new: Array, prior: Array, g: Array, to_prior: Array
) -> None:
    """KL = e^u (1 + e^d (d - 1)), d = u' - u: adds to g, sets to_prior."""
    for k in range(g.size):
        d = u_new[k] - prior[k]
        rate, grow = weight * exp_of(prior[k]), exp_of(d)
        g[k] += rate * grow * d
        to_prior[k] = rate * (one - grow)


@kernel
def _grad_of_update(
    leak: float, one: float, clip: float, floor: float, scaled: Array, u: Array, prior: Array,
    g: Array, ga: Array,
) -> None:  # fmt: skip
    """Take g, the gradient to u', back through both clips: to u (in g) and to du (in ga).

    `scaled` is the scaled drive; ga serves as scratch for the potential before its clip.
    """
    zero = one - one
    for k in range(g.size):
        a = scaled[k] - leak * (u[k] - prior[k])
        ga[k] = u[k] + _soft_clip(max(a, floor), one, clip)
    for k in range(g.size):
        g[k] *= _soft_clip_slope(ga[k], one, clip)
    for k in range(g.size):
        g[k] = g[k] if ga[k] >= floor else zero
    for k in range(g.size):
        a = scaled[k] - leak * (u[k] - prior[k])
        ga[k] = g[k] * _soft_clip_slope(a, one, clip)
    for k in range(g.size):
        a = scaled[k] - leak * (u[k] - prior[k])
        ga[k] = ga[k] if a >= floor else zero


@kernel
def forward_rows(
    first: int, last: int, row_key: np.uint64, one: float, temperature: float, cutoff: float,
    lr: float, leak: float, clip: float, floor: float, code_form: bool, threshold: Array,
    b: Array, lateral: Array, u: Array, prior: Array,
    u_new: Array, z: Array, slope: Array, kl: Array, drawn: Array,
) -> None:  # fmt: skip
    """Take one step for rows first .. last - 1: u_new, then the sample z with its slope.

    All arrays are (B, K), but threshold = exp(log_bias) (K,), kl (B,) in nats and drawn (B,).
    kl compares u_new with `prior`, the potentials at the start of the outer step, and `leak` is the
    pull per update towards them: the step size lr times the network's leak.
    """
    scratch = np.empty_like(threshold)
    for r in range(first, last):
        _update_row(
            lr,
            leak,
            one,
            clip,
            floor,
            threshold,
            b[r],
            lateral[r],
            u[r],
            prior[r],
            scratch,
            u_new[r],
        )
        kl[r] = _divergence(one, u_new[r], prior[r], u_new[r] if code_form else prior[r], scratch)
        key = mixed(row_key + np.uint64(r + 1) * GOLDEN)
        drawn[r] = sample_row(u_new[r], key, one, temperature, cutoff, z[r], slope[r])


@kernel
def backward_rows(
    first: int, last: int, one: float, lr: float, leak: float, clip: float, floor: float,
    code_form: bool, nll_weight: float, kl_weight: float, threshold: Array,
    b: Array, lateral: Array, u: Array, prior: Array, u_new: Array, z: Array, slope: Array,
    fit_b: Array, fit_lateral: Array, competition: Array,
    grad_drive: Array, grad_u: Array, grad_prior: Array, grad_b: Array, grad_lr: Array,
    pair: Array,
) -> None:  # fmt: skip
    """Go back over one step for rows first .. last - 1.

    b and lateral are what the step saw; fit_b and fit_lateral = z G those of the loss after it.
    On entry grad_drive is the gradient to the drive of the step after (0 after the last),
    competition = grad_drive @ G, and grad_u the gradient to u_new from later steps; on return
    they are those of this step. All (B, K) but threshold (K,) and grad_lr (B,), the gradient to
    log_lr, which is added to, as grad_prior and grad_b are. pair (B, K) is set to what, with z,
    gives the gradient to G: dG = z^T pair.
    """
    half = nll_weight / (one + one)
    K = threshold.size
    g, ga, kept = np.empty_like(threshold), np.empty_like(threshold), np.empty_like(threshold)
    for r in range(first, last):
        _grad_of_counts(
            nll_weight, fit_b[r], fit_lateral[r], competition[r], slope[r], grad_u[r], g
        )
        counts, to_drive = z[r], grad_drive[r]
        for k in range(K):
            pair[r, k] = half * counts[k] - to_drive[k]
        if code_form:
            _grad_of_code_form(one, kl_weight, u_new[r], prior[r], g, kept)
        else:
            _grad_of_exact_form(one, kl_weight, u_new[r], prior[r], g, kept)
        to_prior = grad_prior[r]
        for k in range(K):
            to_prior[k] += kept[k]
        _scaled_drive(lr, threshold, b[r], lateral[r], kept)
        _grad_of_update(leak, one, clip, floor, kept, u[r], prior[r], g, ga)
        to_u, to_b = grad_u[r], grad_b[r]
        for k in range(K):
            to_u[k] = g[k] - leak * ga[k]
        for k in range(K):
            to_prior[k] += leak * ga[k]
        for k in range(K):
            to_drive[k] = lr * ga[k]
        for k in range(K):
            to_b[k] += to_drive[k] - nll_weight * counts[k]
        # The pull is the step size times the leak, so it too grows with log_lr.
        for k in range(K):
            kept[k] -= leak * (u[r, k] - prior[r, k])
        for k in range(K):
            kept[k] *= ga[k]
        grad_lr[r] += _total(kept)
