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
        draw(sampling, share.seed, images[r], np.uint32(share.start), state[r], row)
        sent[r] = row.counts


@kernel
def integrate_rows(
    share: Share, total: Array, sent: Array, state: Array, saturated: Array, group: Group
) -> None:
    """Update state (N, K) int32 by the scaled sums total (N, K) int64.

    Adds to saturated (N, 5) int32 all kinds but COUNT.
    """
    hits = np.zeros(5, np.int32)
    for r in range(share.first, share.last):
        integrate_row(group, total[r], group.bias, sent[r], state[r], hits)
        for kind in range(5):
            saturated[r, kind] += hits[kind]
