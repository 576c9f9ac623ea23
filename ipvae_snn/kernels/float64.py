"""Compiled float64 inference on the integer program's own uniforms, to compare the two.

The same inversion rule as inversion.py: a count is the number of k with CDF_k <= u, in parts of
rate 8 or less. Sums are taken in another order than NumPy's, so potentials agree with it to
rounding only.
"""

import math
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.ir.float_sampler import MAX_COUNT_PER_PART, MAX_LOG_RATE
from ipvae_snn.ir.prng import UNIFORM_BITS
from ipvae_snn.ir.sampler import SPLIT_OCTAVES
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.spike_products import compete
from ipvae_snn.kernels.threefry import first_uniforms, part_uniform

_UNIT: Final = 2.0**-UNIFORM_BITS
_PART_RATE: Final = 2.0**SPLIT_OCTAVES
_CAP: Final = math.exp(MAX_LOG_RATE)
# Above the rounding of 1 - u and exp: who has more of a uniform left than this stays silent.
_SLACK: Final = 1.0 + 1e-9
# softplus(x) = log1p(exp(-x)) + x; from here on five terms of log1p's series are exact.
_SERIES: Final = 8.0


@scalar
def _part_count(rate: float, u: float) -> int:
    """Return the count of one part by sequential inversion."""
    probability = math.exp(-rate)
    cumulative = probability
    count = 0
    while cumulative <= u and count < MAX_COUNT_PER_PART:
        count += 1
        probability *= rate / count
        cumulative += probability
    return count


@kernel
def draw(
    seed: np.uint32, image: np.uint32, step: np.uint32, u: Array, even: Array, odd: Array,
    rate: Array, left: Array, index: Array, count: Array,
) -> int:  # fmt: skip
    """Set index and count (their first entries) to who spikes and how often; return how many."""
    K = u.size
    first_uniforms(seed, image, step, even, odd)
    for pair in range(K // 2):
        left[2 * pair] = 1.0 - (even[pair] + 0.5) * _UNIT
        left[2 * pair + 1] = 1.0 - (odd[pair] + 0.5) * _UNIT
    if K % 2:
        left[K - 1] = 1.0 - (even[K // 2] + 0.5) * _UNIT
    for k in range(K):
        rate[k] = min(math.exp(u[k]), _CAP)
    asked = 0
    for k in range(K):
        index[asked] = k
        # P(count > 0) = 1 - exp(-rate) <= rate; a step of several parts is always asked
        asked += (left[k] <= rate[k] * _SLACK) | (rate[k] > _PART_RATE)
    active = 0
    for i in range(asked):
        k = index[i]
        parts = 1
        while rate[k] > _PART_RATE * parts:
            parts *= 2
        total = _part_count(rate[k] / parts, 1.0 - left[k])
        for part in range(1, parts):
            word = part_uniform(seed, image, step, part, k)
            total += _part_count(rate[k] / parts, (word + 0.5) * _UNIT)
        index[active], count[active] = k, total
        active += total > 0
    return active


@scalar
def soft_clip(a: float, clip: float, floor: float) -> float:
    """clip - softplus(clip - max(a, floor)); what is not a number stays so."""
    bounded = floor if a < floor else a
    x = clip - bounded
    if x > _SERIES:
        y = math.exp(-x)
        return bounded - y * (1 - y * (1 / 2 - y * (1 / 3 - y * (1 / 4 - y / 5))))
    return clip - (max(x, 0.0) + math.log1p(math.exp(-abs(x))))


@kernel
def advance_rows(
    first: int, last: int, seed: np.uint32, images: Array, start: int, steps: int, size: float,
    clip: float, floor: float, bias: Array, G: Array, b: Array, u: Array, latest: Array,
    counts_sum: Array, per_step: Array, counts: Array, states: Array,
) -> None:  # fmt: skip
    """Take rows first .. last - 1 through steps start .. start + steps - 1, in place.

    G (K, K), bias (K,), drive b (N, K) and potential u (N, K) are float64; latest (N, K) int32
    becomes the last counts; counts_sum (N, K) int64 grows; per_step (N, steps) int64; counts
    int32 and states float64 (N, steps, K) keep the trace, or have no images.
    """
    K = u.shape[1]
    even, odd = np.empty((K + 1) // 2, np.int32), np.empty((K + 1) // 2, np.int32)
    rate, left, lateral = np.empty(K), np.empty(K), np.empty(K)
    index, count = np.empty(K + 1, np.int64), np.empty(K, np.int32)
    for r in range(first, last):
        potential, drive = u[r], b[r]
        active = 0
        for t in range(steps):
            active = draw(
                seed, images[r], np.uint32(start + t), potential, even, odd, rate, left, index,
                count,
            )  # fmt: skip
            compete(G, active, index, count, lateral)
            for k in range(K):
                du = soft_clip(size * (drive[k] - lateral[k] - bias[k]), clip, floor)
                potential[k] = soft_clip(potential[k] + du, clip, floor)
            spikes = 0
            for i in range(active):
                z = int(count[i])
                counts_sum[r, index[i]] += z
                spikes += z
            per_step[r, t] = spikes
            if r < len(states):
                states[r, t] = potential
                for i in range(active):
                    counts[r, t, index[i]] = count[i]
        latest[r] = 0
        for i in range(active):
            latest[r, index[i]] = count[i]
