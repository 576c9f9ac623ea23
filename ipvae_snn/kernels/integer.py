"""Compiled, event-driven steps of the integer network (docs/ir.md), equal to the reference.

Fewer than one neuron in five spikes in a step, so synaptic sums add only the int8 columns of these.
Loops are short and many so that each becomes vector code.
"""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import inner, kernel, scalar
from ipvae_snn.kernels.count_sums import add_counts, add_signed
from ipvae_snn.kernels.integer_draw import Draw, Sampling, draw, draw_scratch
from ipvae_snn.kernels.rows import Record, Rows, Share
from ipvae_snn.kernels.vector_rows import LANES

COUNT, EXCITATION, INHIBITION, POTENTIAL, RESIDUAL = range(5)  # as trace.SATURATIONS


class Synapses(NamedTuple):
    """A connection for the kernel: columns (sources, targets) int8, the others (targets,).

    Columns are padded with zeros to a multiple of LANES targets. highest (sources,) int64: the
    largest |weight| of each. multiplier int32, whose products need one instruction; shift, half
    int64.
    """

    columns: Array
    highest: Array
    multiplier: Array
    shift: Array
    half: Array


class Group(NamedTuple):
    """Constants of the neurons: bias (K,) int64, own (self- and loop) inhibition (K,) int32."""

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
    """Scratch arrays for one row: its draw, sums and drive."""

    draw: Draw
    narrow: Array
    total: Array
    drive: Array
    pixel_sum: Array
    predicted: Array
    sent: Array
    graded: Array


@kernel
def new_scratch(K: int, M: int) -> Scratch:
    """Return scratch arrays for K neurons and M values of a row's drive: K, or pixels."""
    return Scratch(
        draw_scratch(K, 0),
        np.zeros(_whole(M), np.int16),
        np.empty(_whole(K), np.int32),
        np.empty(K, np.int64),
        np.empty(_whole(M), np.int32),
        np.empty(M, np.int64),
        np.empty(M + 1, np.int64),
        np.empty(M + 1, np.int32),
    )


@scalar
def _whole(targets: int) -> int:
    """Return the number of targets with the padding of columns."""
    return (targets + LANES - 1) // LANES * LANES


@inner
def scale(synapses: Synapses, total: Array, scaled: Array) -> None:
    """Set scaled (targets,) int64 to (total * multiplier + half) >> shift."""
    multiplier, shift, half = synapses.multiplier, synapses.shift, synapses.half
    for j in range(scaled.size):
        scaled[j] = (total[j] * multiplier[j] + half[j]) >> shift[j]


@inner
def integrate_row(
    group: Group, sums: Array, held: Array, sent: Array, state: Array, saturated: Array
) -> None:
    """Update state (K,) int32 by the drive sums + held (K,) int64 and the counts sent (K,) int32.

    One pass without scattered writes, which vector loads would wait for.
    """
    extra = group.extra_bits
    half = (1 << extra) >> 1
    highest, lowest = group.excitation_max << extra, group.update_min << extra
    own, inhibition = group.own, group.self_inhibition
    excited, inhibited, capped = 0, 0, 0
    for k in range(state.size):
        count = sent[k]
        drive = sums[k] + held[k] - inhibition[k] * count
        bounded = min(drive, highest - own[k] * count)
        excited += bounded != drive
        update = max(bounded, lowest)
        inhibited += update != bounded
        v = state[k] + ((update + half) >> extra)
        capped += v > group.state_max
        state[k] = min(max(v, group.state_min), group.state_max)
    saturated[EXCITATION] = excited
    saturated[INHIBITION] = inhibited
    saturated[POTENTIAL] = capped


@inner
def _residuals(net: Network, pixels: Array, active: int, scratch: Scratch, saturated: Array) -> int:
    """Set scratch.sent, scratch.graded to the residual neurons' payloads; return how many send.

    pixels (M,) int64: payloads of the image. Sets saturated[RESIDUAL].
    """
    predicted, sent, graded, limit = scratch.predicted, scratch.sent, scratch.graded, net.limit
    back, index, count = net.back, scratch.draw.neurons, scratch.draw.spikes
    add_counts(back.columns, back.highest, active, index, count, scratch.narrow, scratch.pixel_sum)
    scale(net.back, scratch.pixel_sum, predicted)
    senders, clipped = 0, 0
    for m in range(pixels.size):
        error = pixels[m] - predicted[m]
        bounded = min(max(error, -limit), limit)
        clipped += bounded != error
        sent[senders], graded[senders] = m, bounded
        senders += bounded != 0
    saturated[RESIDUAL] = clipped
    return senders


@inner
def compete(
    net: Network, shown: Array, active: int, scratch: Scratch, state: Array, saturated: Array
) -> None:
    """Update state (K,) int32 by the drawn counts in `scratch` and the image's `shown`.

    shown: a row of the drive, see advance_rows. active: how many neurons spike. Sets saturated (5,)
    int32 except COUNT.
    """
    group, total, drive, row = net.group, scratch.total, scratch.drive, scratch.draw
    if net.two_layer:
        senders = _residuals(net, shown, active, scratch, saturated)
        add_signed(net.forward.columns, senders, scratch.sent, scratch.graded, total)
        scale(net.forward, total, drive)
        integrate_row(group, drive, group.bias, row.counts, state, saturated)
    else:
        back = net.back
        index, count, narrow = row.neurons, row.spikes, scratch.narrow
        add_counts(back.columns, back.highest, active, index, count, narrow, total)
        scale(back, total, drive)
        integrate_row(group, drive, shown, row.counts, state, saturated)


@kernel
def advance_rows(share: Share, rows: Rows, record: Record, net: Network) -> None:
    """Advance the share's rows by its steps in place; the record's step 0 is share.start.

    rows.drive int64: input current (N, K), or payload (N, M) in a two-layer circuit; state int32.
    """
    sampling = net.sampling
    scratch = new_scratch(rows.state.shape[1], rows.drive.shape[1])
    count = scratch.draw.counts
    for r in range(share.first, share.last):
        state, shown, image = rows.state[r], rows.drive[r], rows.images[r]
        for t in range(share.steps):
            hits = record.saturated[r, t]
            step = np.uint32(share.start + t)
            active = draw(sampling, share.seed, image, step, state, scratch.draw)
            compete(net, shown, active, scratch, state, hits)
            spikes, hits[COUNT] = added(count, sampling.max_count, rows.counts_sum[r])
            record.spikes_per_step[r, t] = spikes
            if r < len(record.counts):
                record.counts[r, t] = count
                record.states[r, t] = state
        rows.counts[r] = count


@inner
def added(count: Array, max_count: int, counts_sum: Array) -> tuple[int, int]:
    """Add counts (K,) to counts_sum (K,) int64; return their sum, and how many are the largest."""
    spikes, full = 0, 0
    for k in range(count.size):
        counts_sum[k] += count[k]
        spikes += count[k]
        full += count[k] >= max_count
    return spikes, full


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
    row = scratch.draw
    for r in range(share.first, share.last):
        for t in range(share.steps):
            state, given = steps.state[r, t], steps.counts[r, t]
            step = np.uint32(share.start + t)
            draw(sampling, share.seed, images[r], step, state, row)
            steps.drawn[r, t] = row.counts
            active = 0
            for k in range(K):
                row.counts[k] = min(given[k], sampling.max_count)
                row.neurons[active], row.spikes[active] = k, row.counts[k]
                active += given[k] > 0
            compete(net, shown[r], active, scratch, state, hits)
