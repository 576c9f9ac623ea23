"""What every population sends in the steps of a run, from the counts that a trace holds."""

from collections.abc import Iterator

import numpy as np

from ipvae_snn.arrays import Int64, Integers
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork


def residual_messages(network: IntegerNetwork, payload: Int64, counts: Integers) -> Iterator[Int64]:
    """Yield the residuals sent in each step, (N, M); nothing in a one-layer circuit.

    payload (N, M) of the images, counts (N, T, K). Equal to the interpreter's residuals: every
    partial sum is proved to stay within 24 bits, so float32 adds them exactly, and thirty times
    faster. The proof needs bounded counts, so the counts of a float run are clipped here.
    """
    layer = network.residual
    if layer is None:
        return
    weights = layer.prediction.matrix.T.astype(np.float32)
    for step in range(counts.shape[1]):
        sent = np.minimum(counts[:, step], network.neurons.max_count).astype(np.float32)
        total = (sent @ weights).astype(np.int64)
        yield np.clip(payload - layer.prediction.scaled(total), -layer.limit, layer.limit)


def sent_in_steps(
    network: IntegerNetwork, payload: Int64, counts: Integers
) -> Iterator[dict[str, Int64]]:
    """Yield what each population that sends anything sends in each step, by name, (N, size).

    payload (N, M) of the images, counts (N, T, K) of the neurons that compute. What relays send is
    not in a trace and is computed again.
    """
    where = network.slices(network.computing)
    circuit = network.is_circuit
    errors = residual_messages(network, payload, counts) if circuit else iter(())
    shown = None if circuit else _shown(network, payload)
    for step in range(counts.shape[1]):
        sent = {
            name: counts[:, step, place].astype(np.int64, copy=False)
            for name, place in where.items()
        }
        if shown is None:
            yield {**sent, **dict(zip([one.name for one in network.relays], errors, strict=False))}
        else:
            yield dict(interpreter.relay(network, shown, sent)[0])


def _shown(network: IntegerNetwork, payload: Int64) -> interpreter.Shown:
    relays = {one.name for one in network.relays}
    once = [one for one in network.connections if network.once(one) and one.target in relays]
    sums = {one.name: interpreter.scaled_sums(one, payload) for one in once}
    return interpreter.Shown(payload, sums)
