"""Compiled steps of the integer program (docs/ir.md): events only, the oracle's numbers exactly.

Fewer than one neuron in five spikes in a step, so synaptic sums add the int8 columns of those,
and the draw of most others ends with one comparison. Loops are short and many so that each
becomes vector code.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.ir.fixed_point import (
    LN2,
    LN2_BITS,
    LOG2E,
    LOG2E_BITS,
    PROBABILITY_BITS,
    RATE_BITS,
    RECIPROCAL_BITS,
    TABLE_BITS,
)
from ipvae_snn.ir.sampler import MAX_PART_COUNT, SPLIT_OCTAVES
from ipvae_snn.kernels.compiled import kernel, scalar
from ipvae_snn.kernels.threefry import first_uniforms, part_uniform

_ONE: Final = 1 << PROBABILITY_BITS
_FRACTION: Final = (1 << RATE_BITS) - 1
_FINE: Final = RATE_BITS - 2 * TABLE_BITS
_LN2_SHIFT: Final = LN2_BITS + RATE_BITS - PROBABILITY_BITS
COUNT, EXCITATION, INHIBITION, POTENTIAL, RESIDUAL = range(5)  # as trace.SATURATIONS


class Synapses(NamedTuple):
    """A connection for the kernel: columns (sources, targets) int8; the rest (targets,) int64."""

    columns: Array
    multiplier: Array
    shift: Array
    half: Array


class Sampling(NamedTuple):
    """What a draw needs. least: for each bucket of 2^bucket_shift potentials from state_min up,
    the smallest uniform that can give a spike (0 where a step has several parts).
    """

    bits: int
    max_count: int
    bucket_shift: int
    least: Array
    coarse: Array
    fine: Array
    reciprocal: Array


class Group(NamedTuple):
    """The neurons' constants; (K,) int64 the first three. own: self-inhibition and the loop's."""

    bias: Array
    self_inhibition: Array
    own: Array
    extra_bits: int
    state_min: int
    state_max: int
    update_min: int
    excitation_max: int


class Record(NamedTuple):
    """Where a run writes: per_step (N, T) int64, saturated (N, T, 5) int32, and the trace.

    counts, states (N, T, K) int32; with no images where no trace is kept.
    """

    per_step: Array
    saturated: Array
    counts: Array
    states: Array


class Scratch(NamedTuple):
    """Room for one row: draws (K,), who spikes and how often, sums and drive; own is 0 at rest."""

    even: Array
    odd: Array
    uniform: Array
    who: Array
    spikes: Array
    total: Array
    drive: Array
    own: Array
    pixel_sum: Array
    predicted: Array
    sent: Array
    graded: Array


@kernel
def scratch(K: int, M: int) -> Scratch:
    """Return room for K neurons and, in a two-layer circuit, M pixels."""
    return Scratch(
        np.empty((K + 1) // 2, np.int32), np.empty((K + 1) // 2, np.int32),
        np.empty(K, np.int32), np.empty(K + 1, np.int64), np.empty(K, np.int32),
        np.empty(K, np.int32), np.empty(K, np.int64), np.zeros(K, np.int64),
        np.empty(M, np.int32), np.empty(M, np.int64), np.empty(M + 1, np.int64),
        np.empty(M + 1, np.int32),
    )  # fmt: skip


@scalar
def _exp2_negative(exponent: int, coarse: Array, fine: Array) -> int:
    fraction = exponent & _FRACTION
    rest = _ONE - (((fraction & ((1 << _FINE) - 1)) * LN2) >> _LN2_SHIFT)
    middle = fine[(fraction >> _FINE) & ((1 << TABLE_BITS) - 1)]
    product = (coarse[fraction >> (RATE_BITS - TABLE_BITS)] * middle) >> PROBABILITY_BITS
    result: int = ((product * rest) >> PROBABILITY_BITS) >> (exponent >> RATE_BITS)
    return result


@scalar
def _part_count(rate: int, first: int, uniform: int, reciprocal: Array) -> int:
    """Return the count of one part; `first` is P(0) in 2^-31."""
    probability, cumulative, count = first, first, 0
    while cumulative <= uniform and count < MAX_PART_COUNT:
        scaled = (probability * rate) >> RATE_BITS
        probability = (scaled * reciprocal[count + 1]) >> RECIPROCAL_BITS
        if probability == 0:  # what the floors left over belongs to no later count
            break
        count += 1
        cumulative += probability
    return count


@kernel
def draw(
    how: Sampling, state_min: int, seed: np.uint32, image: np.uint32, step: np.uint32,
    state: Array, room: Scratch,
) -> int:  # fmt: skip
    """Set index and count (their first entries) to who spikes and how often; return how many do.

    state (K,) int32.
    """
    K = state.size
    even, odd, uniform, index, count = room.even, room.odd, room.uniform, room.who, room.spikes
    first_uniforms(seed, image, step, even, odd)
    for pair in range(K // 2):
        uniform[2 * pair] = even[pair]
        uniform[2 * pair + 1] = odd[pair]
    if K % 2:
        uniform[K - 1] = even[K // 2]
    asked = 0
    for k in range(K):
        index[asked] = k
        asked += uniform[k] >= how.least[(state[k] - state_min) >> how.bucket_shift]
    active = 0
    for i in range(asked):
        k = index[i]
        over = int(state[k]) - (SPLIT_OCTAVES << how.bits)
        halvings: int = max(-((-over) >> how.bits), 0)
        below = (halvings << how.bits) - over
        rate = _exp2_negative(below << (RATE_BITS - how.bits), how.coarse, how.fine)
        none = _exp2_negative((rate * LOG2E) >> LOG2E_BITS, how.coarse, how.fine)
        total = _part_count(rate, none, int(uniform[k]), how.reciprocal)
        for part in range(1, 1 << halvings):
            more = int(part_uniform(seed, image, step, part, k))
            total += _part_count(rate, none, more, how.reciprocal)
        index[active], count[active] = k, min(total, how.max_count)
        active += total > 0
    return active


@kernel
def _sum(synapses: Synapses, active: int, index: Array, payload: Array, total: Array) -> None:
    """Set total (targets,) int32 to the sum of payload * columns[index] over the active."""
    columns = synapses.columns
    total[:] = 0
    J = total.size
    i = 0
    while i + 4 <= active:
        c0, c1, c2, c3 = payload[i], payload[i + 1], payload[i + 2], payload[i + 3]
        w0, w1 = columns[index[i]], columns[index[i + 1]]
        w2, w3 = columns[index[i + 2]], columns[index[i + 3]]
        for j in range(J):
            total[j] += np.int32(
                np.int32(np.int32(c0 * w0[j]) + np.int32(c1 * w1[j]))
                + np.int32(np.int32(c2 * w2[j]) + np.int32(c3 * w3[j]))
            )
        i += 4
    while i < active:
        c, w = payload[i], columns[index[i]]
        for j in range(J):
            total[j] += np.int32(c * w[j])
        i += 1


@kernel
def _scale(synapses: Synapses, total: Array, scaled: Array) -> None:
    """Set scaled (targets,) int64 to (total * multiplier + half) >> shift."""
    multiplier, shift, half = synapses.multiplier, synapses.shift, synapses.half
    for j in range(total.size):
        scaled[j] = (total[j] * multiplier[j] + half[j]) >> shift[j]


@kernel
def _integrate(group: Group, drive: Array, own: Array, state: Array, saturated: Array) -> None:
    """Move state (K,) int32 by the drive (K,) int64, whose own self-inhibition is `own`."""
    extra = group.extra_bits
    half = (1 << extra) >> 1
    highest, lowest = group.excitation_max << extra, group.update_min << extra
    excited, inhibited, capped = 0, 0, 0
    for k in range(state.size):
        bounded = min(drive[k], highest - own[k])
        excited += bounded != drive[k]
        update = max(bounded, lowest)
        inhibited += update != bounded
        v = state[k] + ((update + half) >> extra)
        capped += v > group.state_max
        state[k] = min(max(v, group.state_min), group.state_max)
    saturated[EXCITATION] = excited
    saturated[INHIBITION] = inhibited
    saturated[POTENTIAL] = capped


@kernel
def compete(
    two_layer: bool, group: Group, forward: Synapses, back: Synapses, limit: int, shown: Array,
    active: int, room: Scratch, state: Array, saturated: Array,
) -> None:  # fmt: skip
    """Move state (K,) int32 by the active neurons' counts in `room` and the image's `shown`.

    shown: a row of `held`, see run_rows. Sets saturated (5,) int32 apart from its COUNT.
    """
    index, count, total, drive = room.who, room.spikes, room.total, room.drive
    if two_layer:
        _sum(back, active, index, count, room.pixel_sum)
        _scale(back, room.pixel_sum, room.predicted)
        senders, clipped = 0, 0
        for m in range(shown.size):
            error = shown[m] - room.predicted[m]
            bounded = min(max(error, -limit), limit)
            clipped += bounded != error
            room.sent[senders], room.graded[senders] = m, bounded
            senders += bounded != 0
        saturated[RESIDUAL] = clipped
        _sum(forward, senders, room.sent, room.graded, total)
        _scale(forward, total, drive)
        for k in range(drive.size):
            drive[k] += group.bias[k]
    else:
        _sum(back, active, index, count, total)
        _scale(back, total, drive)
        for k in range(drive.size):
            drive[k] += shown[k]
    own = room.own
    for i in range(active):
        k, z = index[i], int(count[i])
        own[k] = group.own[k] * z
        drive[k] -= group.self_inhibition[k] * z
    _integrate(group, drive, own, state, saturated)
    for i in range(active):
        own[index[i]] = 0


@kernel
def run_rows(
    first: int, last: int, two_layer: bool, how: Sampling, group: Group, forward: Synapses,
    back: Synapses, limit: int, seed: np.uint32, images: Array, start: int, steps: int,
    held: Array, state: Array, latest: Array, counts_sum: Array, record: Record,
) -> None:  # fmt: skip
    """Take rows first .. last - 1 through steps start .. start + steps - 1, in place.

    `back` is the lateral connection of a one-layer circuit, the prediction of a two-layer one;
    held (N, K) int64 is the current, or (N, M) the payload. state, latest (N, K) int32: potential
    and last counts; counts_sum (N, K) int64 grows. The record's step 0 is `start`.
    """
    room = scratch(state.shape[1], held.shape[1])
    index, count = room.who, room.spikes
    for r in range(first, last):
        v, shown = state[r], held[r]
        active = 0
        for t in range(steps):
            hits = record.saturated[r, t]
            active = draw(how, group.state_min, seed, images[r], np.uint32(start + t), v, room)
            compete(two_layer, group, forward, back, limit, shown, active, room, v, hits)
            spikes, full = 0, 0
            for i in range(active):
                z = int(count[i])
                counts_sum[r, index[i]] += z
                spikes += z
                full += z >= how.max_count
            hits[COUNT] = full
            record.per_step[r, t] = spikes
            if r < len(record.counts):
                record.states[r, t] = v
                for i in range(active):
                    record.counts[r, t, index[i]] = count[i]
        latest[r] = 0
        for i in range(active):
            latest[r, index[i]] = count[i]


@kernel
def step_rows(
    first: int, last: int, two_layer: bool, how: Sampling, group: Group, forward: Synapses,
    back: Synapses, limit: int, seed: np.uint32, images: Array, start: int, held: Array,
    counts: Array, state: Array, drawn: Array, hits: Array,
) -> None:  # fmt: skip
    """Take one step from each state (N, T, K) of rows first .. last - 1, in place.

    drawn (N, T, K) int32, of zeros, becomes the counts drawn there; what competes are the given
    counts (N, T, K) int32. hits (N, 5) int32 is scratch; the rest as in integer_kernel.run_rows.
    """
    room = scratch(state.shape[2], held.shape[1])
    index, count = room.who, room.spikes
    for r in range(first, last):
        for t in range(state.shape[1]):
            v = state[r, t]
            active = draw(how, group.state_min, seed, images[r], np.uint32(start + t), v, room)
            for i in range(active):
                drawn[r, t, index[i]] = count[i]
            active = 0
            for k in range(v.size):
                index[active], count[active] = k, min(counts[r, t, k], how.max_count)
                active += counts[r, t, k] > 0
            compete(two_layer, group, forward, back, limit, held[r], active, room, v, hits[r])
