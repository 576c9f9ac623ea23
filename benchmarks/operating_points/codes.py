"""Codes after any number of steps of a run, as the network's decodings read them."""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Int32, Int64
from ipvae_snn.ir.decoding import Decoding
from ipvae_snn.ir.interpreter import Read, payload_of
from ipvae_snn.ir.network import IntegerNetwork

LAST: Final = 4  # counts in the mean
DECODINGS: Final = (Decoding(), Decoding("mean", LAST), Decoding("map"))
SAMPLE: Final = str(DECODINGS[0])
MEAN: Final = str(DECODINGS[1])
MAP: Final = str(DECODINGS[2])

# Codes (N, K) in spikes per step, by decoding.
Codes: TypeAlias = dict[str, Float64]
Decoded: TypeAlias = Mapping[str, IntegerNetwork]


def decoded(network: IntegerNetwork) -> Decoded:
    """Return the network with every decoding it can have, by name: rates with Poisson neurons."""
    draws = all(one.neurons.draws for one in network.computing)
    return {
        str(each): network.with_decoding(each)
        for each in DECODINGS
        if draws or each.kind != DECODINGS[-1].kind
    }


def codes_after(networks: Decoded, counts: Int32, states: Int32, taken: Int64) -> Codes:
    """Return the codes after the last step of each image; taken (N,): the steps of each.

    counts, states (N, T, K): of a run of T steps, of which an image may have taken fewer.
    """
    return {name: _code(one, counts, states, taken) for name, one in networks.items()}


def _code(network: IntegerNetwork, counts: Int32, states: Int32, taken: Int64) -> Float64:
    decoding = network.decoder.decoding
    windows = np.array([decoding.window(steps) for steps in taken.tolist()])
    code = np.empty((len(counts), network.n_neurons))
    # Images whose decoder adds up equally many counts are decoded together.
    for window in np.unique(windows).tolist():
        (rows,) = np.nonzero(windows == window)
        last = taken[rows] - 1
        added = np.zeros((len(rows), network.n_neurons), np.int64)
        for back in range(window):
            added += counts[rows, last - back]
        payload, spike = payload_of(network, Read(added, states[rows, last], window))
        code[rows] = payload / spike
    return code


def elements(network: IntegerNetwork) -> Float32:
    """Return the image (K, M) of one spike of each neuron, in which reconstructions are linear."""
    return network.decoder.decode(np.eye(network.n_neurons, dtype=np.int64))
