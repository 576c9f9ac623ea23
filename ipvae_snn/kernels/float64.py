"""Compiled float64 inference on the integer network's uniforms, for comparison of the two.

Counts follow the inversion rule of ir/float_sampler.py: a count is the number of k with CDF_k <= u,
in parts of rate 8 or less. The order of summation differs from NumPy's, so potentials agree with it
only to rounding. `Rules` replaces float rules by those of an integer network; without them, the
loop is compiled without their branches.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.ir.float_sampler import MAX_COUNT_PER_PART, MAX_LOG_RATE
from ipvae_snn.ir.prng import UNIFORM_BITS
from ipvae_snn.ir.sampler import SPLIT_OCTAVES
from ipvae_snn.kernels import integer_draw
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.integer_draw import Draw, Sampling, draw_scratch
from ipvae_snn.kernels.rows import Record, Rows, Share, add_spikes, keep_counts, keep_trace
from ipvae_snn.kernels.spike_products import SharedGram, compete, compete_shared
from ipvae_snn.kernels.threefry import first_uniforms, part_uniform

_UNIT: Final = 2.0**-UNIFORM_BITS
_PART_RATE: Final = 2.0**SPLIT_OCTAVES
_CAP: Final = math.exp(MAX_LOG_RATE)
# Above the rounding of 1 - u and exp: a neuron with 1 - u above rate * _SLACK cannot spike.
_SLACK: Final = 1.0 + 1e-9
# softplus(x) = log1p(exp(-x)) + x; from here on five terms of log1p's series are exact.
_SERIES: Final = 8.0
_integer_draw = integer_draw.draw


class Network(NamedTuple):
    """A float network: G (K, K) by source, bias (K,), both float64; step size, clip and floor.

    A step has `updates` updates, in which `leak` pulls the potential back to its value at the start
    of the step.
    """

    G: Array
    bias: Array
    step_size: float
    clip: float
    floor: float
    updates: int
    leak: float


class Loop(NamedTuple):
    """Drive through residual neurons: forward (M, K); prediction (K, M) by source.

    beyond (K,): self-inhibition outside the loop, per spike. Payloads are whole multiples of
    `value` within +-limit.
    """

    forward: Array
    prediction: Array
    beyond: Array
    value: float
    limit: float


class Rules(NamedTuple):
    """Rules taken from the integer network, and its numbers; potentials and updates in nats.

    drawn: the integer sampler, at the potential rounded to units. clamped: hard clamps. rounded:
    the update ends on a whole unit. looped: the drive of a row is its pixels (M,), which go
    through residual neurons. lowest, highest: the potential's clamps in units. own (K,): self-
    inhibition per spike.
    """

    drawn: bool
    clamped: bool
    rounded: bool
    looped: bool
    unit: float
    lowest: int
    highest: int
    excitation_max: float
    update_min: float
    own: Array
    sampling: Sampling
    loop: Loop


class Scratch(NamedTuple):
    """Scratch arrays for one row; own is 0 between updates."""

    draw: Draw
    rate: Array
    left: Array
    pull: Array
    prior: Array
    held: Array
    own: Array
    predicted: Array


@kernel
def new_scratch(K: int, M: int) -> Scratch:
    """Return scratch arrays for K neurons and the M numbers of a row's drive."""
    return Scratch(
        draw_scratch(K, 0),
        np.empty(K),
        np.empty(K),
        np.empty(K),
        np.empty(K),
        np.empty(K, np.int32),
        np.zeros(K),
        np.empty(M),
    )


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
def draw(seed: np.uint32, image: np.uint32, update: np.uint32, u: Array, scratch: Scratch) -> int:
    """Set scratch.draw to the neurons that spike and their counts; return how many.

    u (K,): potentials in nats.
    """
    K = u.size
    pairs, rate, left = scratch.draw.pairs, scratch.rate, scratch.left
    even, odd = pairs.even, pairs.odd
    index, count = scratch.draw.neurons, scratch.draw.spikes
    first_uniforms(seed, image, update, even, odd)
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
        # P(count > 0) = 1 - exp(-rate) <= rate; a draw of several parts is always made
        asked += (left[k] <= rate[k] * _SLACK) | (rate[k] > _PART_RATE)
    active = 0
    for i in range(asked):
        k = index[i]
        parts = 1
        while rate[k] > _PART_RATE * parts:
            parts *= 2
        total = _part_count(rate[k] / parts, 1.0 - left[k])
        for part in range(1, parts):
            word = part_uniform(seed, image, update, part, k)
            total += _part_count(rate[k] / parts, (word + 0.5) * _UNIT)
        index[active], count[active] = k, total
        active += total > 0
    return active


@scalar
def soft_clip(a: float, clip: float, floor: float) -> float:
    """Return clip - softplus(clip - max(a, floor)); NaN stays NaN."""
    bounded = floor if a < floor else a
    x = clip - bounded
    if x > _SERIES:
        y = math.exp(-x)
        return bounded - y * (1 - y * (1 / 2 - y * (1 / 3 - y * (1 / 4 - y / 5))))
    return clip - (max(x, 0.0) + math.log1p(math.exp(-abs(x))))


@scalar
def _nearest(a: float) -> float:
    """Return `a` rounded half up, as the integer network rounds."""
    return np.floor(a + 0.5)  # type: ignore[no-any-return]  # a number, compiled


@kernel
def _drawn(
    rules: Rules | None,
    seed: np.uint32,
    image: np.uint32,
    update: np.uint32,
    u: Array,
    scratch: Scratch,
) -> int:
    """Draw the counts of an update by the sampler of the rules; return how many neurons spike."""
    if rules is None:
        return draw(seed, image, update, u, scratch)
    if not rules.drawn:
        return draw(seed, image, update, u, scratch)
    held = scratch.held
    for k in range(u.size):
        whole = int(_nearest(u[k] / rules.unit))
        held[k] = min(max(whole, rules.lowest), rules.highest)
    return _integer_draw(rules.sampling, seed, image, update, held, scratch.draw)


@kernel
def _through_residual(loop: Loop, pixels: Array, active: int, scratch: Scratch) -> None:
    """Set scratch.pull (K,) to the drive that the rounded residuals (M,) of an image cause."""
    predicted, pull = scratch.predicted, scratch.pull
    index, count = scratch.draw.neurons, scratch.draw.spikes
    compete(loop.prediction, active, index, count, predicted)
    pull[:] = 0.0
    for m in range(pixels.size):
        payload = _nearest((pixels[m] - predicted[m]) / loop.value)
        payload = min(max(payload, -loop.limit), loop.limit)
        if payload != 0.0:
            error, row = payload * loop.value, loop.forward[m]
            for k in range(pull.size):
                pull[k] += error * row[k]
    for i in range(active):
        pull[index[i]] -= loop.beyond[index[i]] * count[i]


@kernel
def _update(
    rules: Rules | None,
    net: Network,
    shared: SharedGram | None,
    drive: Array,
    active: int,
    u: Array,
    scratch: Scratch,
) -> None:
    """Apply one update to the potential u (K,), given the counts in scratch.draw."""
    pull, prior, bias, own = scratch.pull, scratch.prior, net.bias, scratch.own
    size, leak, clip, floor = net.step_size, net.leak, net.clip, net.floor
    index, count = scratch.draw.neurons, scratch.draw.spikes
    if rules is None:
        if shared is None:
            compete(net.G, active, index, count, pull)
        else:
            compete_shared(shared, active, index, count, pull)
        for k in range(u.size):
            du = size * (drive[k] - pull[k] - bias[k]) - leak * (u[k] - prior[k])
            u[k] = soft_clip(u[k] + soft_clip(du, clip, floor), clip, floor)
        return
    if rules.looped:
        _through_residual(rules.loop, drive, active, scratch)
    else:
        compete(net.G, active, index, count, pull)
        for k in range(u.size):
            pull[k] = drive[k] - pull[k]
    for i in range(active):
        own[index[i]] = rules.own[index[i]] * count[i]
    for k in range(u.size):
        du = size * (pull[k] - bias[k]) - leak * (u[k] - prior[k])
        if rules.clamped:
            du = max(min(du, rules.excitation_max - own[k]), rules.update_min)
            after = u[k] + du
            after = min(max(after, rules.lowest * rules.unit), rules.highest * rules.unit)
        else:
            after = soft_clip(u[k] + soft_clip(du, clip, floor), clip, floor)
        u[k] = _nearest(after / rules.unit) * rules.unit if rules.rounded else after
    for i in range(active):
        own[index[i]] = 0.0


@kernel
def advance_rows(
    share: Share,
    rows: Rows,
    record: Record,
    net: Network,
    rules: Rules | None,
    shared: SharedGram | None,
) -> None:
    """Advance the share's rows by its steps in place; the record's step 0 is share.start.

    shared: the competition in place of net.G, of a convolutional dictionary; without rules.

    rows.drive (N, K), or (N, M) pixels if the rules have a loop, and state are float64.
    Update i of step t draws under the key t * net.updates + i.
    """
    scratch = new_scratch(rows.state.shape[1], rows.drive.shape[1])
    index, count = scratch.draw.neurons, scratch.draw.spikes
    for r in range(share.first, share.last):
        u, drive, image = rows.state[r], rows.drive[r], rows.images[r]
        active = 0
        for t in range(share.steps):
            scratch.prior[:] = u
            for i in range(net.updates):
                key = np.uint32((share.start + t) * net.updates + i)
                active = _drawn(rules, share.seed, image, key, u, scratch)
                _update(rules, net, shared, drive, active, u, scratch)
                add_spikes(rows, record, r, t, active, index, count)
            keep_trace(rows, record, r, t, active, index, count)
        keep_counts(rows, r, active, index, count)
