"""Compiled, event-driven steps of the integer network (docs/ir.md), equal to the reference.

Fewer than one neuron in five spikes in a step, so synaptic sums add only the int8 columns of these.
Loops are short and many so that each becomes vector code.
"""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel
from ipvae_snn.kernels.integer_draw import Draw, Sampling, draw, draw_scratch
from ipvae_snn.kernels.rows import Record, Rows, Share, add_spikes, keep_counts, keep_trace

COUNT, EXCITATION, INHIBITION, POTENTIAL, RESIDUAL = range(5)  # as trace.SATURATIONS


class Synapses(NamedTuple):
    """A connection for the kernel: columns (sources, targets) int8, the others (targets,) int64."""

    columns: Array
    multiplier: Array
    shift: Array
    half: Array


class Group(NamedTuple):
    """Constants of the neurons, the first three (K,) int64. own: self- and loop inhibition."""

    bias: Array
    self_inhibition: Array
    own: Array
    extra_bits: int
    state_min: int
    state_max: int
    update_min: int
    excitation_max: int


class Network(NamedTuple):
    """An integer network as the kernel reads it.

    back: lateral connection of a one-layer circuit, else the prediction. limit: of the residual
    neurons' payloads.
    """

    two_layer: bool
    sampling: Sampling
    group: Group
    forward: Synapses
    back: Synapses
    limit: int


class Scratch(NamedTuple):
    """Scratch arrays for one row: its draw, sums and drive; own is 0 between updates."""

    draw: Draw
    total: Array
    drive: Array
    own: Array
    pixel_sum: Array
    predicted: Array
    sent: Array
    graded: Array


@kernel
def new_scratch(K: int, M: int) -> Scratch:
    """Return scratch arrays for K neurons and, in a two-layer circuit, M pixels."""
    return Scratch(
        draw_scratch(K, 0),
        np.empty(K, np.int32),
        np.empty(K, np.int64),
        np.zeros(K, np.int64),
        np.empty(M, np.int32),
        np.empty(M, np.int64),
        np.empty(M + 1, np.int64),
        np.empty(M + 1, np.int32),
    )


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
def integrate_row(group: Group, drive: Array, own: Array, state: Array, saturated: Array) -> None:
    """Update state (K,) int32 by the drive (K,) int64, given the self-inhibition `own` (K,)."""
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
def _residuals(net: Network, pixels: Array, active: int, scratch: Scratch, saturated: Array) -> int:
    """Set scratch.sent, scratch.graded to the residual neurons' payloads; return how many send.

    pixels (M,) int64: payloads of the image. Sets saturated[RESIDUAL].
    """
    predicted, sent, graded, limit = scratch.predicted, scratch.sent, scratch.graded, net.limit
    _sum(net.back, active, scratch.draw.neurons, scratch.draw.spikes, scratch.pixel_sum)
    _scale(net.back, scratch.pixel_sum, predicted)
    senders, clipped = 0, 0
    for m in range(pixels.size):
        error = pixels[m] - predicted[m]
        bounded = min(max(error, -limit), limit)
        clipped += bounded != error
        sent[senders], graded[senders] = m, bounded
        senders += bounded != 0
    saturated[RESIDUAL] = clipped
    return senders


@kernel
def compete(
    net: Network, shown: Array, active: int, scratch: Scratch, state: Array, saturated: Array
) -> None:
    """Update state (K,) int32 by the active neurons' counts in `scratch` and the image's `shown`.

    shown: a row of the drive, see advance_rows. Sets saturated (5,) int32 except COUNT.
    """
    group, total, drive, own = net.group, scratch.total, scratch.drive, scratch.own
    index, count = scratch.draw.neurons, scratch.draw.spikes
    if net.two_layer:
        senders = _residuals(net, shown, active, scratch, saturated)
        _sum(net.forward, senders, scratch.sent, scratch.graded, total)
        _scale(net.forward, total, drive)
        for k in range(drive.size):
            drive[k] += group.bias[k]
    else:
        _sum(net.back, active, index, count, total)
        _scale(net.back, total, drive)
        for k in range(drive.size):
            drive[k] += shown[k]
    for i in range(active):
        k, z = index[i], int(count[i])
        own[k] = group.own[k] * z
        drive[k] -= group.self_inhibition[k] * z
    integrate_row(group, drive, own, state, saturated)
    for i in range(active):
        own[index[i]] = 0


@kernel
def advance_rows(share: Share, rows: Rows, record: Record, net: Network) -> None:
    """Advance the share's rows by its steps in place; the record's step 0 is share.start.

    rows.drive int64: input current (N, K), or payload (N, M) in a two-layer circuit; state int32.
    """
    sampling = net.sampling
    scratch = new_scratch(rows.state.shape[1], rows.drive.shape[1])
    index, count = scratch.draw.neurons, scratch.draw.spikes
    for r in range(share.first, share.last):
        state, shown, image = rows.state[r], rows.drive[r], rows.images[r]
        active = 0
        for t in range(share.steps):
            hits = record.saturated[r, t]
            active = draw(
                sampling, share.seed, image, np.uint32(share.start + t), state, scratch.draw
            )
            compete(net, shown, active, scratch, state, hits)
            full = 0
            for i in range(active):
                full += count[i] >= sampling.max_count
            hits[COUNT] = full
            add_spikes(rows, record, r, t, active, index, count)
            keep_trace(rows, record, r, t, active, index, count)
        keep_counts(rows, r, active, index, count)


class Steps(NamedTuple):
    """T steps of N images, each from its own state, (N, T, K) int32.

    counts: the counts that compete. state: before the step on entry, after it on return. drawn:
    zeros on entry, the counts drawn at `state` on return.
    """

    counts: Array
    state: Array
    drawn: Array


@kernel
def step_rows(share: Share, images: Array, shown: Array, steps: Steps, net: Network) -> None:
    """Advance each state of the share's rows by one step in place; images, shown as in Rows."""
    sampling, K = net.sampling, steps.state.shape[2]
    scratch, hits = new_scratch(K, shown.shape[1]), np.empty(5, np.int32)
    index, count = scratch.draw.neurons, scratch.draw.spikes
    for r in range(share.first, share.last):
        for t in range(share.steps):
            state, drawn, given = steps.state[r, t], steps.drawn[r, t], steps.counts[r, t]
            step = np.uint32(share.start + t)
            active = draw(sampling, share.seed, images[r], step, state, scratch.draw)
            for i in range(active):
                drawn[index[i]] = count[i]
            active = 0
            for k in range(K):
                index[active], count[active] = k, min(given[k], sampling.max_count)
                active += given[k] > 0
            compete(net, shown[r], active, scratch, state, hits)
