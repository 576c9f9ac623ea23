"""What every population sends in the steps of a run, from the counts that a trace holds."""

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np

from ipvae_snn.arrays import Int64, Integers
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.graph import Connection
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons.protocol import Relaying
from ipvae_snn.ir.weights import Dense

Sums = Callable[[Int64], Int64]


def sent_in_steps(
    network: IntegerNetwork, payload: Int64, counts: Integers, taken: Int64 | None = None
) -> Iterator[dict[str, Int64]]:
    """Yield what each population that sends anything sends in each step, by name, (N, size).

    payload (N, M) of the images, counts (N, T, K) of the neurons that compute. What relays send is
    not in a trace and is computed again, from counts clipped at the largest that a neuron sends:
    those of a float run may pass it. taken (N,): steps of each image in a run with a stop, after
    which nothing is sent; None where all took all steps.
    """
    where = network.slices(network.computing)
    most = {one.name: one.neurons.sends[1] for one in network.computing}
    relays = {one.name for one in network.relays}
    into = [one for one in network.connections if one.target in relays]
    shown = {c.name: interpreter.scaled_sums(c, payload) for c in into if network.once(c)}
    sums = {c.name: _sums(c) for c in into if c.name not in shown}
    for step in range(counts.shape[1]):
        sent = {
            name: counts[:, step, place].astype(np.int64, copy=False)
            for name, place in where.items()
        }
        bounded = {name: np.minimum(values, most[name]) for name, values in sent.items()}
        for one in network.relays:
            total = np.zeros((len(payload), one.size), np.int64)
            for c in network.into(one.name):
                total += shown[c.name] if c.name in shown else sums[c.name](bounded[c.source])
            sent[one.name], _ = cast(Relaying, one.neurons).relay(payload, total)
            if taken is not None:
                sent[one.name] = np.where((step < taken)[:, None], sent[one.name], 0)
            bounded[one.name] = sent[one.name]
        yield sent


def _sums(connection: Connection) -> Sums:
    """Return the function of a payload that gives the scaled sums of a connection.

    Every partial sum is proved to stay within 24 bits, so float32 adds those of a matrix exactly,
    and thirty times faster than int64.
    """
    synapses = connection.synapses
    if synapses.weights.kind != Dense.kind:
        return lambda payload: interpreter.scaled_sums(connection, payload)
    matrix = synapses.matrix.T.astype(np.float32)
    return lambda payload: synapses.scaled((payload.astype(np.float32) @ matrix).astype(np.int64))
