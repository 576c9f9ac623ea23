"""Placement of cores on the mesh: swaps that shorten the routes, weighted by their events."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.hw.mapping.mesh import Mesh

MOST_RELAXED: Final = 600  # slots; above, the relaxed problem takes too long
MOST_ROUNDS: Final = 200
MOST_WORK: Final = 2e9  # entries of the cost table that may be read
LEAST_GAIN: Final = 1e-9


def place(flow: Float64, mesh: Mesh) -> Int64:
    """Return the slot of every core (cores,), given events per step from core to core.

    This is the quadratic assignment problem. From each of two starts the best swaps (also with
    empty slots) are applied, many per round, until none lowers the sum of events times hops. The
    starts: cores in index order along a snake over each chip, which keeps neighbours in the network
    close, and the solution of the relaxed problem (Vogelstein et al. 2015, in SciPy).
    """
    cores, slots = len(flow), mesh.slots
    both = np.zeros((slots, slots))
    both[:cores, :cores] = flow + flow.T
    np.fill_diagonal(both, 0.0)
    every = np.arange(slots)
    distance = mesh.hops(every[:, None], every[None, :]).astype(np.float64)
    starts = [_snake(mesh)]
    if slots <= MOST_RELAXED and both.any():
        # Imported here: it loads slowly, and large or silent networks do not need it.
        from scipy.optimize import quadratic_assignment

        relaxed = quadratic_assignment(
            both, distance, method="faq", options={"rng": np.random.default_rng(0)}
        )
        starts.append(np.asarray(relaxed.col_ind, np.int64))
    ends = [_swapped(both, distance, start) for start in starts]
    costs = [float((both * distance[np.ix_(end, end)]).sum()) for end in ends]
    return ends[int(np.argmin(costs))][:cores]


def _swapped(both: Float64, distance: Float64, start: Int64) -> Int64:
    """Return the slots after all swaps that lower the cost."""
    slot = start.copy()
    every = np.arange(len(slot))
    cost = both @ distance[slot]  # (core, slot): cost of a core's events from that slot
    work = 0.0
    for _ in range(MOST_ROUNDS):
        delta = _deltas(both, distance, slot, cost)
        partner = delta.argmin(axis=1)
        gain = delta[every, partner]
        swaps = 0
        for core in np.argsort(gain, kind="stable"):
            if gain[core] >= -LEAST_GAIN or work > MOST_WORK:
                break
            i, j = int(core), int(partner[core])
            if _delta(both, distance, slot, cost, i, j) < -LEAST_GAIN:
                _swap(both, distance, slot, cost, i, j)
                swaps += 1
                work += float(len(slot) ** 2)
        if not swaps:
            break
    return slot


def _snake(mesh: Mesh) -> Int64:
    """Return all slots, chip by chip, row by row in turns to the right and to the left."""
    every = np.arange(mesh.slots)
    x, y = mesh.x(every), mesh.y(every)
    along = np.where(y % 2 == 0, x, -x)
    return np.lexsort((mesh.within_tile(every), along, y, mesh.chip(every))).astype(np.int64)


def _deltas(both: Float64, distance: Float64, slot: Int64, cost: Float64) -> Float64:
    """Return the change of the cost if cores i and j are exchanged, for all pairs."""
    moved = cost[:, slot]  # (i, j): core i at the slot of core j
    here = np.diagonal(moved)
    delta: Float64 = moved + moved.T - here[:, None] - here[None, :]
    delta += 2.0 * both * distance[np.ix_(slot, slot)]
    return delta


def _delta(both: Float64, distance: Float64, slot: Int64, cost: Float64, i: int, j: int) -> float:
    p, q = slot[i], slot[j]
    return float(
        cost[i, q] - cost[i, p] + cost[j, p] - cost[j, q] + 2.0 * both[i, j] * distance[p, q]
    )


def _swap(both: Float64, distance: Float64, slot: Int64, cost: Float64, i: int, j: int) -> None:
    change = distance[slot[j]] - distance[slot[i]]
    cost += (both[:, i] - both[:, j])[:, None] * change[None, :]
    slot[i], slot[j] = slot[j], slot[i]
