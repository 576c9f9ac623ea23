"""Compiled relaxed Poisson sample of training, with its derivative.

Noise depends on (key, row, neuron) alone, so that any thread or process can compute a row. The
loops are many and short for the reason given in kernels/training.py.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel
from ipvae_snn.kernels.vector_math import GOLDEN, exp_of, fraction, log_of, mixed, open_uniform

# Most arrivals of one row before its sampling stops: some 25 neurons at the clip's rate of e^10 at
# the highest temperature. The caller reads the count and stops training.
MAX_ROW_ARRIVALS: Final = 4_194_304
# Added to the state of every second neuron, which shares its word with the one before.
ODD: Final = np.uint64(0xD1B54A32D192ED03)


class Relaxation(NamedTuple):
    """Relaxation of counts: arrivals up to 1 + cutoff * temperature enter a sample.

    `one` is 1 in the type of the arrays, which determines the type of compiled code. cubic: whether
    arrivals count by the cubic, else by the sigmoid; models/relaxations.py has the formulas.
    """

    one: float
    temperature: float
    cutoff: float
    cubic: bool


class Sample(NamedTuple):
    """Relaxed counts z (B, K), their derivatives dz/du (B, K), arrivals drawn (B,) int64."""

    z: Array
    slope: Array
    drawn: Array


class Scratch(NamedTuple):
    """Scratch of one row of K: the neurons that still draw arrivals, one after another.

    neuron int32, state uint64: a neuron's number, and the state of its noise. time, interval: its
    last arrival, and the mean time between two. later, soft, weight, uniform: results of a loop.
    word uint64: the noise of first arrivals.
    """

    neuron: Array
    state: Array
    time: Array
    interval: Array
    later: Array
    soft: Array
    weight: Array
    uniform: Array
    word: Array


@kernel
def sample_scratch(like: Array) -> Scratch:
    """Return scratch for rows like `like` (K,)."""
    K = like.size
    neuron, state = np.empty(K, np.int32), np.empty(K, np.uint64)
    time, interval, later = np.empty_like(like), np.empty_like(like), np.empty_like(like)
    soft, weight, uniform = np.empty_like(like), np.empty_like(like), np.empty_like(like)
    word = np.empty((K + 1) // 2, np.uint64)
    return Scratch(neuron, state, time, interval, later, soft, weight, uniform, word)


@kernel
def _by_sigmoid(sampling: Relaxation, active: int, time: Array, soft: Array, weight: Array) -> None:
    one, cold = sampling.one, sampling.one / sampling.temperature
    for i in range(active):
        soft[i] = one / (one + exp_of((time[i] - one) * cold))
    for i in range(active):
        weight[i] = soft[i] * (one - soft[i]) * time[i] * cold


@kernel
def _by_cubic(sampling: Relaxation, active: int, time: Array, soft: Array, weight: Array) -> None:
    one, cold = sampling.one, sampling.one / sampling.temperature
    zero, two = one - one, one + one
    half, three = one / two, two + one
    for i in range(active):
        x = min(max((one - time[i]) * cold * half + half, zero), one)
        soft[i] = x * x * (three - two * x)
        weight[i] = three * x * (one - x) * time[i] * cold


@kernel
def _first_arrivals(gap: Array, key: np.uint64, one: float, horizon: float, row: Scratch) -> int:
    """Find the neurons whose first arrival comes before the horizon; return how many.

    gap (K,): mean time between arrivals. Sets neuron, time, interval and state in `row`. Two
    neurons share the 64 bits of a word. Most need no logarithm: -log(1 - v) is at least v.
    """
    K = gap.size
    neuron, state, time, interval = row.neuron, row.state, row.time, row.interval
    word, uniform = row.word, row.uniform
    for j in range(word.size):
        word[j] = mixed(key + np.uint64(j + 1) * GOLDEN)
    bits = word.view(np.uint32)
    for k in range(K):
        uniform[k] = one * fraction(bits[k])
    near = 0
    for k in range(K):
        neuron[near] = k
        near += uniform[k] * gap[k] <= horizon
    for i in range(near):
        k = neuron[i]
        time[i] = one - uniform[k]
        interval[i] = gap[k]
        state[i] = word[k >> 1] + np.uint64(k & 1) * ODD
    for i in range(near):
        time[i] = -log_of(time[i]) * interval[i]
    active = 0
    for i in range(near):
        neuron[active], time[active] = neuron[i], time[i]
        interval[active], state[active] = interval[i], state[i]
        active += time[i] <= horizon
    return active


@kernel
def sample_row(
    gap: Array, key: np.uint64, sampling: Relaxation, row: Scratch, z: Array, slope: Array
) -> int:
    """Draw relaxed counts z (K,) and dz/du (K,) for rates 1 / gap (K,); return the arrivals drawn.

    With inter-arrival times e_i ~ Exponential(rate) and s_n = e_1 + ... + e_n, z is the sum of the
    relaxation's soft counts c(s_n) and dz/du that of -s_n c'(s_n), over the arrivals up to
    1 + cutoff * temperature.
    """
    one = sampling.one
    horizon = one + sampling.cutoff * sampling.temperature
    neuron, state, time, interval = row.neuron, row.state, row.time, row.interval
    later, soft, weight = row.later, row.soft, row.weight
    z[:] = 0
    slope[:] = 0
    active = _first_arrivals(gap, key, one, horizon, row)
    drawn = gap.size
    while active > 0 and drawn < MAX_ROW_ARRIVALS:
        if sampling.cubic:
            _by_cubic(sampling, active, time, soft, weight)
        else:
            _by_sigmoid(sampling, active, time, soft, weight)
        for i in range(active):
            state[i] += GOLDEN
        for i in range(active):
            later[i] = time[i] - log_of(one * open_uniform(mixed(state[i]))) * interval[i]
        drawn += active
        left = 0
        for i in range(active):
            k = neuron[i]
            z[k] += soft[i]
            slope[k] += weight[i]
            neuron[left], time[left] = k, later[i]
            interval[left], state[left] = interval[i], state[i]
            left += later[i] <= horizon
        active = left
    return drawn


@kernel
def sample_rows(
    first: int, last: int, row_key: np.uint64, sampling: Relaxation, u: Array, sample: Sample
) -> None:
    """Draw rows first .. last - 1 of the sample for log rates u (B, K)."""
    gap = np.empty_like(u[0])
    scratch = sample_scratch(gap)
    for r in range(first, last):
        log_rate = u[r]
        for k in range(gap.size):
            gap[k] = exp_of(-log_rate[k])
        key = mixed(row_key + np.uint64(r + 1) * GOLDEN)
        z, slope = sample.z[r], sample.slope[r]
        sample.drawn[r] = sample_row(gap, key, sampling, scratch, z, slope)
