"""Compiled draw and update of a population of Poisson neurons, for many rows in one step."""

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.kernels.compiled import kernel
from ipvae_snn.kernels.integer import Group, integrate_row
from ipvae_snn.kernels.integer_draw import Sampling, draw, draw_scratch
from ipvae_snn.kernels.rows import Share


@kernel
def send_rows(share: Share, images: Array, state: Array, sent: Array, sampling: Sampling) -> None:
    """Set sent (N, K) int32 to the counts drawn at `state` (N, K) int32 in step share.start.

    images (N,) uint32: the key of each row's draw.
    """
    K = state.shape[1]
    row = draw_scratch(K, sampling.first)
    for r in range(share.first, share.last):
        active = draw(sampling, share.seed, images[r], np.uint32(share.start), state[r], row)
        sent[r] = 0
        for i in range(active):
            sent[r, row.neurons[i]] = row.spikes[i]


@kernel
def integrate_rows(
    share: Share, total: Array, sent: Array, state: Array, saturated: Array, group: Group
) -> None:
    """Update state (N, K) int32 by the scaled sums total (N, K) int64, which are overwritten.

    Adds to saturated (N, 5) int32 all kinds but COUNT.
    """
    K = state.shape[1]
    own, hits = np.empty(K, np.int64), np.zeros(5, np.int32)
    for r in range(share.first, share.last):
        for k in range(K):
            z = np.int64(sent[r, k])
            own[k] = group.own[k] * z
            total[r, k] += group.bias[k] - group.self_inhibition[k] * z
        integrate_row(group, total[r], own, state[r], hits)
        for kind in range(5):
            saturated[r, kind] += hits[kind]
