"""Circuits with more: a read-out, or weights that positions share."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ipvae_snn.ir.graph import Connection, Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import Accumulators
from ipvae_snn.ir.parts import NEURONS, Decoder, Synapses
from ipvae_snn.ir.weights import Convolution, Geometry, Sparse, Transposed

LABELS = (40, 7, 3)


def with_read_out(
    network: IntegerNetwork, bias: tuple[int, int, int] = (5, 0, -5)
) -> IntegerNetwork:
    """Return the network with accumulators that are scores of three classes."""
    rng = np.random.default_rng(23)  # so that images differ in class
    scores = Accumulators(np.array(bias, np.int32), np.array(LABELS, np.int32))
    weights = rng.integers(-9, 10, (3, network.n_neurons)).astype(np.int8)
    synapses = Synapses.dense(weights, np.full(3, 3, np.int32), np.ones(3, np.int32))
    return replace(
        network,
        populations=(*network.populations, Population("scores", scores)),
        connections=(*network.connections, Connection("readout", NEURONS, "scores", synapses)),
    )


def with_counters(network: IntegerNetwork) -> IntegerNetwork:
    """Return a circuit with an accumulator for each neuron, which adds up its counts.

    Weights of 1 and a scale of 2 / 2^1 leave a count as it is.
    """
    k = network.n_neurons
    sums = Accumulators(np.zeros(k, np.int32), np.arange(k, dtype=np.int32))
    synapses = Synapses(
        Sparse.of(np.eye(k, dtype=np.int8)), np.full(k, 2, np.int32), np.ones(k, np.int32)
    )
    return replace(
        network,
        populations=(*network.populations, Population("counters", sums)),
        connections=(*network.connections, Connection("counting", NEURONS, "counters", synapses)),
    )


def with_shared_weights(factory: Callable[..., IntegerNetwork]) -> IntegerNetwork:
    """Return a one-layer circuit of 8x8 pixels and 27 neurons whose weights are all kernels.

    factory: of networks, by height, width and neurons.
    """
    rng = np.random.default_rng(4)
    geometry = Geometry(1, 8, 8, 4, 4, 3, 2, 0, True)
    between = Geometry(3, 3, 3, 3, 3, 3, 1, 1, False)
    plain = factory(height=8, width=8, neurons=27)
    forward, lateral = (plain.connection(name).synapses for name in ("feedforward", "lateral"))
    kernel = rng.integers(-3, 4, (3, 3, 3, 3)).astype(np.int8)
    kernel[range(3), range(3), 1, 1] = 0
    up = Convolution(rng.integers(-9, 10, (3, 1, 4, 4)).astype(np.int8), geometry)
    shared = {
        "feedforward": replace(forward, weights=up),
        "lateral": replace(lateral, weights=Convolution(kernel, between)),
    }
    back = Transposed(rng.integers(-32767, 32768, (3, 1, 4, 4)).astype(np.int16), geometry)
    return replace(
        plain,
        connections=tuple(replace(one, synapses=shared[one.name]) for one in plain.connections),
        decoder=Decoder(back, plain.decoder.scale),
    )
