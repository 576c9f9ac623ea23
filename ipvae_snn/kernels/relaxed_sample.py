"""Compiled relaxed Poisson sample of training, with its derivative.

Noise depends on (key, row, neuron) alone, so that any thread or process can compute a row. The
loops are many and short for the reason given in kernels/training.py.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel
from ipvae_snn.kernels.vector_math import GOLDEN, exp_of, log_of, mixed, open_uniform

# Most arrivals of one row before its sampling stops: some 25 neurons at the clip's rate of e^10 at
# the highest temperature. The caller reads the count and stops training.
MAX_ROW_ARRIVALS: Final = 4_194_304


class Relaxation(NamedTuple):
    """Relaxation of counts: arrivals up to 1 + cutoff * temperature enter a sample.

    `one` is 1 in the type of the arrays, which determines the type of compiled code.
    """

    one: float
    temperature: float
    cutoff: float


class Sample(NamedTuple):
    """Relaxed counts z (B, K), their derivatives dz/du (B, K), arrivals drawn (B,) int64."""

    z: Array
    slope: Array
    drawn: Array


@kernel
def sample_row(u: Array, key: np.uint64, sampling: Relaxation, z: Array, slope: Array) -> int:
    """Draw relaxed counts z (K,) and dz/du (K,) for log rates u (K,); return the arrivals drawn.

    With inter-arrival times e_i ~ Exponential(rate) and s_n = e_1 + ... + e_n,
    z = sum_n sigmoid((1 - s_n) / temperature) and dz/du = sum_n s (1 - s) s_n / temperature over
    the arrivals up to 1 + cutoff * temperature.
    """
    K = u.size
    one, temperature, cutoff = sampling
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
    first: int, last: int, row_key: np.uint64, sampling: Relaxation, u: Array, sample: Sample
) -> None:
    """Draw rows first .. last - 1 of the sample for u (B, K)."""
    for r in range(first, last):
        key = mixed(row_key + np.uint64(r + 1) * GOLDEN)
        sample.drawn[r] = sample_row(u[r], key, sampling, sample.z[r], sample.slope[r])
