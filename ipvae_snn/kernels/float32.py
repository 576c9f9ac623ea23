"""Compiled float32 inference: exact Poisson counts, lateral competition, update.

Fewer than one neuron in five spikes in a step. Competition is therefore a sum of the rows of G of
these neurons, and the draw of most others ends with one comparison. Noise is keyed by (seed, image,
update, neuron) alone, so that images can be divided among batches and threads at will. Loops are
short and many for the reason given in kernels/training.py.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.rows import Record, Rows, Share, add_spikes, keep_counts, keep_trace
from ipvae_snn.kernels.spike_products import SharedGram, compete, compete_shared
from ipvae_snn.kernels.vector_math import GOLDEN, exp_of, log_of, mixed, open_uniform

# A part's rate is at most 32 spikes: e^-32 is far from float64's end, and P(count > 160) < 1e-50.
MAX_PART_RATE: Final = 32.0
MAX_PART_COUNT: Final = 160
# Above float32's error in exp: a neuron whose uniform exceeds rate * SLACK cannot spike.
SLACK: Final = np.float32(1.0 + 2.0**-18)
_1: Final = np.uint64(1)
_11: Final = np.uint64(11)
_2_TO_MINUS_53: Final = 2.0**-53


class Network(NamedTuple):
    """A float network: G (K, K), threshold = exp(log_bias) (K,), and numbers, all of one type.

    one: 1 in that type, which determines the type of compiled code. A step has `updates` updates,
    in which `leak` pulls the potential back to its value at the start of the step.
    """

    G: Array
    threshold: Array
    one: float
    step_size: float
    leak: float
    clip: float
    floor: float
    updates: int


class Scratch(NamedTuple):
    """Scratch arrays for one row of K neurons, in the type of its potentials.

    The first entries of neurons (K,) int64 and spikes (K,): neurons that spike, and their counts.
    """

    uniform: Array
    rate: Array
    spikes: Array
    lateral: Array
    neurons: Array


@kernel
def _scratch(like: Array) -> Scratch:
    """Return scratch arrays for a row like `like` (K,)."""
    return Scratch(
        np.empty_like(like),
        np.empty_like(like),
        np.empty_like(like),
        np.empty_like(like),
        np.empty(like.size, np.int64),
    )


@scalar
def _child(key: np.uint64, number: int) -> np.uint64:
    """Return output `number` (from 0) of the SplitMix64 stream that starts at `key`."""
    child: np.uint64 = mixed(key + (np.uint64(number) + _1) * GOLDEN)
    return child


@kernel
def _part_count(rate: float, bits: np.uint64) -> int:
    """Return the count of one part by sequential search in float64 from 53 of `bits`.

    It is the number of k with v < P(count > k) for the uniform v. This is exact at small rates,
    which most rates are.
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
    """Return a count ~ Poisson(rate); each part of a large rate has its own uniform."""
    parts = max(math.ceil(rate / MAX_PART_RATE), 1)
    total: int = _part_count(rate / parts, bits)
    for part in range(1, parts):
        total += _part_count(rate / parts, _child(bits, part))
    return total


@kernel
def _draw_row(u: Array, key: np.uint64, one: float, scratch: Scratch) -> int:
    """Set scratch to the neurons that spike and their counts; return how many.

    u (K,). A neuron whose potential is not a number does not spike.
    """
    uniform, rate, index, count = scratch.uniform, scratch.rate, scratch.neurons, scratch.spikes
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
    """Return clip - softplus(clip - max(a, floor)); NaN stays NaN."""
    x = clip - (floor if a < floor else a)
    above = one - one if x < one - one else x
    return clip - (above + log_of(one + exp_of(-abs(x))))


@kernel
def _update_row(net: Network, b: Array, lateral: Array, prior: Array, u: Array) -> None:
    """Apply one update to u (K,); lateral is overwritten."""
    threshold, one, clip, floor = net.threshold, net.one, net.clip, net.floor
    step_size, leak = net.step_size, net.leak
    for k in range(u.size):
        lateral[k] = step_size * (b[k] - lateral[k] - threshold[k])
    for k in range(u.size):
        lateral[k] -= leak * (u[k] - prior[k])
    for k in range(u.size):
        v = u[k] + _soft_clip(lateral[k], one, clip, floor)
        u[k] = _soft_clip(v, one, clip, floor)


@kernel
def draw_rows(share: Share, images: Array, u: Array, one: float, z: Array) -> None:
    """Set the share's rows of z (N, K) to the counts drawn at potentials u in update share.start.

    images (N,) uint64 keys the noise, together with share.seed.
    """
    scratch = _scratch(u[0])
    for r in range(share.first, share.last):
        key = _child(_child(mixed(share.seed), images[r]), share.start)
        active = _draw_row(u[r], key, one, scratch)
        z[r, :] = 0
        for i in range(active):
            z[r, scratch.neurons[i]] = scratch.spikes[i]


@kernel
def advance_rows(
    share: Share, rows: Rows, record: Record, net: Network, shared: SharedGram | None
) -> None:
    """Advance the share's rows by its steps in place; the record's step 0 is share.start.

    shared: the competition in place of net.G, of a convolutional dictionary.

    rows.drive, state, before and peak are (N, K) in the type of the network's arrays. Update i of
    step t draws under the key t * net.updates + i.
    """
    G = net.G
    scratch = _scratch(net.threshold)
    index, count, lateral = scratch.neurons, scratch.spikes, scratch.lateral
    for r in range(share.first, share.last):
        image_key = _child(mixed(share.seed), rows.images[r])
        u, before, peak, drive = rows.state[r], rows.before[r], rows.peak[r], rows.drive[r]
        active = 0
        for t in range(share.steps):
            before[:] = u
            for i in range(net.updates):
                key = _child(image_key, (share.start + t) * net.updates + i)
                active = _draw_row(u, key, net.one, scratch)
                if shared is None:
                    compete(G, active, index, count, lateral)
                else:
                    compete_shared(shared, active, index, count, lateral)
                _update_row(net, drive, lateral, before, u)
                for k in range(u.size):
                    peak[k] = max(peak[k], u[k])
                add_spikes(rows, record, r, t, active, index, count)
            keep_trace(rows, record, r, t, active, index, count)
        keep_counts(rows, r, active, index, count)
