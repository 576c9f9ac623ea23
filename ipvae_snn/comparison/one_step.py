"""Single steps of an integer program from given states and counts, compiled: what one step adds.

In a free run every difference grows on those before it. Here each step starts from a state that
is handed in, so that nothing accumulates.
"""

import numpy as np

from ipvae_snn.arrays import Int32
from ipvae_snn.backends.compiled import Prepared
from ipvae_snn.kernels.integer import Steps, step_rows
from ipvae_snn.kernels.rows import Progress, Share
from ipvae_snn.kernels.threads import in_threads


def one_step(
    prepared: Prepared,
    start_state: Progress,
    states: Int32,
    counts: Int32,
    step: int,
    threads: int = 1,
) -> tuple[Int32, Int32]:
    """Return the counts that the program draws at `states`, and where `counts` move them.

    states, counts (N, T, K) int32: membrane potentials in the program's units before steps
    step .. step + T - 1, and the counts that compete in them, which saturate at max_count. Both
    results are (N, T, K) int32. `start_state` (compiled.start) holds the images and the seed.
    """
    after, drawn = states.copy(), np.zeros_like(states)
    arrays, seed = Steps(counts, after, drawn), np.uint32(start_state.seed)

    def part(first: int, last: int) -> None:
        share = Share(first, last, step, states.shape[1], seed)
        step_rows(share, start_state.images, start_state.drive, arrays, prepared.constants)

    in_threads(part, len(states), threads)
    return drawn, after
