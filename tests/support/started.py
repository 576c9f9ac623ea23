"""Networks with a start: made from others, and by hypothesis."""

from dataclasses import replace

import numpy as np
from graphs import networks
from hypothesis import assume
from hypothesis import strategies as st

from ipvae_snn.ir import Connection, Dense, IntegerNetwork, Sparse, Synapses
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.start import START


def with_start(network: IntegerNetwork, seed: int = 0, sparse: bool = False) -> IntegerNetwork:
    """Return a network with a random start of its last Poisson population.

    It moves some of the potentials beyond either limit.
    """
    target = [one for one in network.populations if one.neurons.draws][-1]
    rng = np.random.default_rng(seed)
    k, m = target.size, network.n_pixels
    matrix = rng.integers(-90, 91, (k, m)).astype(np.int8)
    if sparse:
        matrix *= rng.random((k, m)) < 0.4
    wide = 1 << target.neurons.shared()["fraction_bits"]
    usual = 5 * wide / (90 * 100 * np.sqrt(m))  # units of the potential per unit of the sum
    scale = np.exp2(rng.uniform(-1, 1, k)) * usual
    shift = np.clip(14 - np.ceil(np.log2(scale)), 1, 40).astype(np.int32)
    multiplier = np.clip(np.rint(scale * np.exp2(shift.astype(float))), 0, (1 << 15) - 1)
    weights = Sparse.of(matrix) if sparse else Dense(matrix)
    synapses = Synapses(weights, multiplier.astype(np.int32), shift)
    return replace(network, start=Connection(START, IMAGE, target.name, synapses))


@st.composite
def started(draw: st.DrawFn) -> IntegerNetwork:
    """Draw any graph that has Poisson neurons, with a start."""
    network = draw(networks())
    assume(any(one.neurons.draws for one in network.populations))
    return with_start(network, draw(st.integers(0, 2**32 - 1)), draw(st.booleans()))
