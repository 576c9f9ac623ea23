"""Compiled float64 inference with some of an integer program's rules in place of its own."""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels import float64, integer
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.float64 import soft_clip
from ipvae_snn.kernels.integer import Sampling, scratch
from ipvae_snn.kernels.spike_products import compete

integer_draw = integer.draw
float_draw = float64.draw


class Rules(NamedTuple):
    """Which rules are the program's, and its numbers; potentials and updates in nats.

    drawn: the integer sampler, at the potential rounded to units. clamped: hard clamps. rounded:
    the update ends on a whole unit. looped: the drive goes through residual neurons, in payloads
    of `value` within +-limit. lowest, highest: the potential's clamps in units. own (K,): self-
    inhibition a spike.
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
    value: float
    limit: float


class Tensors(NamedTuple):
    """The float network: G (K, K) by source, bias (K,); step size, clip and floor.

    For the loop: forward (M, K); prediction (K, M) by source; beyond (K,), the self-inhibition
    outside of it, a spike.
    """

    G: Array
    bias: Array
    step_size: float
    clip: float
    floor: float
    forward: Array
    prediction: Array
    beyond: Array


@scalar
def _nearest(a: float) -> float:
    """Return `a` rounded half up, as the program rounds."""
    return np.floor(a + 0.5)  # type: ignore[no-any-return]  # a number, compiled


@kernel
def _through_residual(
    rules: Rules, net: Tensors, shown: Array, active: int, index: Array, count: Array,
    predicted: Array, pull: Array,
) -> None:  # fmt: skip
    """Set pull (K,) to the drive that the rounded residuals (M,) of an image cause."""
    compete(net.prediction, active, index, count, predicted)
    pull[:] = 0.0
    for m in range(shown.size):
        payload = _nearest((shown[m] - predicted[m]) / rules.value)
        payload = min(max(payload, -rules.limit), rules.limit)
        if payload != 0.0:
            error, row = payload * rules.value, net.forward[m]
            for k in range(pull.size):
                pull[k] += error * row[k]
    for i in range(active):
        pull[index[i]] -= net.beyond[index[i]] * count[i]


@kernel
def ruled_rows(
    first: int, last: int, rules: Rules, net: Tensors, how: Sampling, seed: np.uint32,
    images: Array, steps: int, shown: Array, drive: Array, u: Array, latest: Array,
) -> None:  # fmt: skip
    """Take rows first .. last - 1 through steps 0 .. steps - 1, in place.

    shown (N, M): pixel values. drive, u (N, K): feed-forward drive and potential, float64; latest
    (N, K) int32, of zeros, becomes the last counts.
    """
    K = u.shape[1]
    room = scratch(K, 0)
    index, count = room.who, room.spikes
    rate, left, pull, own = np.empty(K), np.empty(K), np.empty(K), np.zeros(K)
    held, predicted = np.empty(K, np.int32), np.empty(shown.shape[1])
    for r in range(first, last):
        v = u[r]
        active = 0
        for t in range(steps):
            step = np.uint32(t)
            if rules.drawn:
                for k in range(K):
                    whole = int(_nearest(v[k] / rules.unit))
                    held[k] = min(max(whole, rules.lowest), rules.highest)
                active = integer_draw(how, rules.lowest, seed, images[r], step, held, room)
            else:
                active = float_draw(
                    seed, images[r], step, v, room.even, room.odd, rate, left, index, count
                )
            if rules.looped:
                _through_residual(rules, net, shown[r], active, index, count, predicted, pull)
            else:
                compete(net.G, active, index, count, pull)
                for k in range(K):
                    pull[k] = drive[r, k] - pull[k]
            for i in range(active):
                own[index[i]] = rules.own[index[i]] * count[i]
            for k in range(K):
                du = net.step_size * (pull[k] - net.bias[k])
                if rules.clamped:
                    du = max(min(du, rules.excitation_max - own[k]), rules.update_min)
                    after = v[k] + du
                    after = min(max(after, rules.lowest * rules.unit), rules.highest * rules.unit)
                else:
                    du = soft_clip(du, net.clip, net.floor)
                    after = soft_clip(v[k] + du, net.clip, net.floor)
                v[k] = _nearest(after / rules.unit) * rules.unit if rules.rounded else after
            for i in range(active):
                own[index[i]] = 0.0
        for i in range(active):
            latest[r, index[i]] = count[i]
