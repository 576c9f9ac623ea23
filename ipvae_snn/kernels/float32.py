"""Compiled float inference: exact Poisson counts, lateral competition of the active, update.

Fewer than one neuron in five spikes in a step, so competition is a sum of the rows of G that
belong to those, and the draw of most others ends with one comparison. Noise is keyed by (seed,
image, update, neuron) alone: batches and threads may be cut anywhere. Loops are short and many
for the reason told in relaxed_kernel.py.
"""

import math
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.spike_products import compete
from ipvae_snn.kernels.vector_math import GOLDEN, exp_of, log_of, mixed, open_uniform

# A part's rate is at most 32 spikes: e^-32 is far from float64's end, and P(count > 160) < 1e-50.
MAX_PART_RATE: Final = 32.0
MAX_PART_COUNT: Final = 160
# Above float32's error in exp: who has more than rate * SLACK of a uniform surely stays silent.
SLACK: Final = np.float32(1.0 + 2.0**-18)
_1: Final = np.uint64(1)
_11: Final = np.uint64(11)
_2_TO_MINUS_53: Final = 2.0**-53


@scalar
def _child(key: np.uint64, number: int) -> np.uint64:
    """Return output `number` (from 0) of the SplitMix64 stream that starts at `key`."""
    child: np.uint64 = mixed(key + (np.uint64(number) + _1) * GOLDEN)
    return child


@kernel
def _part_count(rate: float, bits: np.uint64) -> int:
    """Return the count of one part by sequential search in float64 from 53 of `bits`.

    It is the number of k with v < P(count > k) for the uniform v, which is exact where rates
    are small, as most are.
    """
    v = (np.float64(bits >> _11) + 0.5) * _2_TO_MINUS_53
    probability = math.exp(-rate)
    tail = 1.0 - probability
    count = 0
    while v < tail and count < MAX_PART_COUNT:
        count += 1
        probability *= rate / count
        tail -= probability
    return count


@kernel
def _count(rate: float, bits: np.uint64) -> int:
    """Return a count ~ Poisson(rate); the parts of a large rate have uniforms of their own."""
    parts = max(math.ceil(rate / MAX_PART_RATE), 1)
    total: int = _part_count(rate / parts, bits)
    for part in range(1, parts):
        total += _part_count(rate / parts, _child(bits, part))
    return total


@kernel
def _draw_row(
    u: Array, key: np.uint64, one: float, uniform: Array, rate: Array, index: Array, count: Array
) -> int:
    """Set index and count (their first entries) to who spikes and how often; return how many do.

    All arrays are (K,); uniform and rate are scratch. A potential that is not a number is silent.
    """
    K = u.size
    for k in range(K):
        uniform[k] = one - open_uniform(_child(key, k))
    for k in range(K):
        rate[k] = exp_of(u[k])
    asked = 0
    for k in range(K):
        index[asked] = k
        # P(count > 0) = 1 - exp(-rate) <= rate
        asked += uniform[k] <= rate[k] * SLACK
    active = 0
    for i in range(asked):
        k = index[i]
        n = _count(np.float64(rate[k]), _child(key, k))
        index[active], count[active] = k, n
        active += n > 0
    return active


@scalar
def _soft_clip(a: float, one: float, clip: float, floor: float) -> float:
    """clip - softplus(clip - max(a, floor)); what is not a number stays so."""
    x = clip - (floor if a < floor else a)
    above = one - one if x < one - one else x
    return clip - (above + log_of(one + exp_of(-abs(x))))


@kernel
def _update_row(
    lr: float, leak: float, one: float, clip: float, floor: float, threshold: Array,
    b: Array, lateral: Array, prior: Array, u: Array,
) -> None:  # fmt: skip
    """Take u (K,) through one update; lateral is used up."""
    for k in range(u.size):
        lateral[k] = lr * (b[k] - lateral[k] - threshold[k])
    for k in range(u.size):
        lateral[k] -= leak * (u[k] - prior[k])
    for k in range(u.size):
        v = u[k] + _soft_clip(lateral[k], one, clip, floor)
        u[k] = _soft_clip(v, one, clip, floor)


@kernel
def draw_rows(
    first: int, last: int, seed: np.uint64, images: Array, update: int, one: float,
    u: Array, z: Array,
) -> None:  # fmt: skip
    """Set rows first .. last - 1 of z (N, K) to the counts that `update` draws at potentials u."""
    uniform, rate, count = np.empty_like(u[0]), np.empty_like(u[0]), np.empty_like(u[0])
    index = np.empty(u.shape[1], np.int64)
    for r in range(first, last):
        key = _child(_child(mixed(seed), images[r]), update)
        active = _draw_row(u[r], key, one, uniform, rate, index, count)
        z[r, :] = 0
        for i in range(active):
            z[r, index[i]] = count[i]


@kernel
def advance_rows(
    first: int, last: int, seed: np.uint64, images: Array, start: int, updates: int, inner: int,
    one: float, lr: float, leak: float, clip: float, floor: float, threshold: Array, G: Array,
    b: Array, u: Array, prior: Array, peak: Array, spikes: Array,
) -> None:  # fmt: skip
    """Take rows first .. last - 1 through updates start .. start + updates - 1, in place.

    b, u, prior and peak are (N, K), threshold = exp(log_bias) (K,) and G (K, K), all in one float
    type of which `one` is 1; images (N,) uint64 keys the noise. Each `inner` updates are one step:
    prior is set to u where a step begins, and leak pulls u back to it. peak is raised to the
    largest potential that each neuron reaches, and spikes (N,) int64 grows by the spikes drawn.
    """
    uniform, rate, count = np.empty_like(u[0]), np.empty_like(u[0]), np.empty_like(u[0])
    lateral = np.empty_like(threshold)
    index = np.empty(u.shape[1], np.int64)
    for r in range(first, last):
        image_key = _child(mixed(seed), images[r])
        potential, before, highest, drive = u[r], prior[r], peak[r], b[r]
        total = 0
        for update in range(start, start + updates):
            if update % inner == 0:
                before[:] = potential
            key = _child(image_key, update)
            active = _draw_row(potential, key, one, uniform, rate, index, count)
            for i in range(active):
                total += int(count[i])
            compete(G, active, index, count, lateral)
            _update_row(lr, leak, one, clip, floor, threshold, drive, lateral, before, potential)
            for k in range(potential.size):
                highest[k] = max(highest[k], potential[k])
        spikes[r] += total
