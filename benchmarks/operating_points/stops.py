"""Steps that each image of a run takes until a stop, from its trace (docs/ir.md, Stop)."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Int32, Int64
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import Change, Stop, Target, change_of

TARGETS: Final = (0.6, 0.4, 0.3, 0.22, 0.16, 0.12, 0.08)  # nats, as --stop takes them


def changes_of(network: IntegerNetwork, counts: Int32, states: Int32) -> list[Change]:
    """Return the changes of every step of a run with counts and states (N, T, K)."""
    values = interpreter.initial(network, len(counts))
    before: Int32 | Int64 = interpreter.side_by_side(network.computing, values)
    result = []
    for step in range(counts.shape[1]):
        result.append(change_of(before, states[:, step], counts[:, step]))
        before = states[:, step]
    return result


def stop_of(network: IntegerNetwork, nats: float) -> Stop:
    """Return the stop of `run --stop nats`."""
    return Target(nats).stop_of(network, nats)


def steps_taken(stop: Stop, changes: list[Change]) -> Int64:
    """Return the steps (N,) of each image until the stop, at most all."""
    taken = np.full(len(changes[0].total), len(changes), np.int64)
    for steps in range(len(changes), 0, -1):
        taken[stop.done(steps, changes[steps - 1])] = steps
    return taken


def until(counts: Int32, taken: Int64) -> Int32:
    """Return the counts (N, T, K) of the steps that images took, 0 after them; T: the most."""
    kept = counts[:, : taken.max()]
    if taken.min() == taken.max():
        return kept
    took = np.arange(kept.shape[1]) < taken[:, None]
    return np.where(took[:, :, None], kept, 0)
