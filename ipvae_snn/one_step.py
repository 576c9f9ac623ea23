"""Single steps of an integer program from given states and counts, compiled: what one step adds.

In a free run every difference grows on those before it. Here each step starts from a state that
is handed in, so that nothing accumulates.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ipvae_snn.compiled import kernel
from ipvae_snn.compiled_backend import Prepared, Progress
from ipvae_snn.integer_kernel import Group, Sampling, Synapses, compete, draw, scratch
from ipvae_snn.threads import in_threads
from ipvae_snn.trace import SATURATIONS

KINDS = len(SATURATIONS)
Array = npt.NDArray[Any]
Int32 = npt.NDArray[np.int32]


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


def one_step(
    prepared: Prepared, begun: Progress, states: Int32, counts: Int32, step: int, threads: int = 1
) -> tuple[Int32, Int32]:
    """Return the counts that the program draws at `states`, and where `counts` move them.

    states, counts (N, T, K) int32: membrane potentials in the program's units before steps
    step .. step + T - 1, and the counts that compete in them, which saturate at max_count. Both
    results are (N, T, K) int32. `begun` (compiled_backend.start) holds the images and the seed.
    """
    after, drawn = states.copy(), np.zeros_like(states)
    hits = np.zeros((len(states), KINDS), np.int32)

    def part(first: int, last: int) -> None:
        step_rows(
            first, last, prepared.network.residual is not None, prepared.sampling, prepared.group,
            prepared.forward, prepared.back, prepared.limit, np.uint32(begun.seed), begun.images,
            step, begun.held, counts, after, drawn, hits,
        )  # fmt: skip

    in_threads(part, len(states), threads)
    return drawn, after
