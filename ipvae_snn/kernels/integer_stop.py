"""Compiled steps of the integer network in which an image ends when it is done (docs/ir.md)."""

from typing import NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import inner, kernel
from ipvae_snn.kernels.integer import COUNT, Network, added, compete, new_scratch
from ipvae_snn.kernels.integer_draw import draw
from ipvae_snn.kernels.rows import Record, Rows, Share


class Ending(NamedTuple):
    """When an image ends, and what is written of its end.

    threshold, least_steps: as `ir.stop.Stop`. window: number of last steps whose counts are added
    up. added (N, K) int64: these sums. taken (N,) int64: steps of each image.
    """

    threshold: int
    least_steps: int
    window: int
    added: Array
    taken: Array


@kernel
def advance_until_done(
    share: Share, rows: Rows, record: Record, ending: Ending, net: Network
) -> None:
    """Advance the share's rows in place until they are done, by at most its steps.

    As `integer.advance_rows` from step 0; the rest of an image's record stays 0.
    """
    sampling, K = net.sampling, rows.state.shape[1]
    scratch = new_scratch(K, rows.drive.shape[1])
    count, before = scratch.draw.counts, np.empty(K, np.int32)
    recent = np.zeros((ending.window, K), np.int32)
    for r in range(share.first, share.last):
        state, shown, image = rows.state[r], rows.drive[r], rows.images[r]
        taken = 0
        for t in range(share.steps):
            hits = record.saturated[r, t]
            before[:] = state
            step = np.uint32(share.start + t)
            active = draw(sampling, share.seed, image, step, state, scratch.draw)
            compete(net, shown, active, scratch, state, hits)
            record.spikes_per_step[r, t], hits[COUNT] = added(
                count, sampling.max_count, rows.counts_sum[r]
            )
            if r < len(record.counts):
                record.counts[r, t] = count
                record.states[r, t] = state
            if ending.window > 0:
                recent[t % ending.window] = count
            taken = t + 1
            change = _change(active, scratch.draw.neurons, before, state)
            if taken >= ending.least_steps and change < ending.threshold * active:
                break
        rows.counts[r] = count
        ending.taken[r] = taken
        for i in range(min(ending.window, taken)):
            for k in range(K):
                ending.added[r, k] += recent[i, k]


@inner
def _change(active: int, neurons: Array, before: Array, state: Array) -> int:
    """Return the sum of |state - before| over the first `active` neurons listed."""
    total = 0
    for i in range(active):
        k = neurons[i]
        total += abs(int(state[k]) - int(before[k]))
    return total
