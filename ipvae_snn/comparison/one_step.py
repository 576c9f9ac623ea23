"""Single steps of an integer network from given states and counts, in compiled code.

In a free run, differences accumulate. Here each step starts from a given state, so none does.
"""

import numpy as np

from ipvae_snn.arrays import Int32
from ipvae_snn.backends.compiled import Prepared
from ipvae_snn.kernels.integer import Steps, step_rows
from ipvae_snn.kernels.rows import Progress, Share
from ipvae_snn.kernels.threads import in_threads


def one_step(
    prepared: Prepared,
    start: Progress,
    states: Int32,
    counts: Int32,
    step: int,
    threads: int = 1,
) -> tuple[Int32, Int32]:
    """Return the counts that the network draws at `states`, and the states after `counts`.

    states, counts (N, T, K) int32: membrane potentials in the network's units before steps
    step .. step + T - 1, and the counts that compete in these steps, which saturate at max_count.
    Both results are (N, T, K) int32. `start` (from compiled.start) holds the images and the seed.
    """
    after, drawn = states.copy(), np.zeros_like(states)
    arrays, seed = Steps(counts, after, drawn), np.uint32(start.seed)

    def part(first: int, last: int) -> None:
        share = Share(first, last, step, states.shape[1], seed)
        step_rows(share, start.images, start.drive, arrays, prepared.constants)

    in_threads(part, len(states), threads)
    return drawn, after
