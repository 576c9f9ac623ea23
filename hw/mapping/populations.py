"""Populations of a network on a chip, and the synapses that reach them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from ipvae_snn.arrays import Int64
from ipvae_snn.hw.mapping.state import StateWord, population_state
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.weights import Weights
from ipvae_snn.ir.weights.dense import row_blocks

InputAs = Literal["spikes", "bias"]
Pattern = Any  # scipy.sparse.csr_array of bool; SciPy has no type hints
Shared = Any  # scipy.sparse.csr_array of int8


@dataclass(frozen=True)
class Population:
    """Neurons of one kind: their number, and the words of state of each.

    grid: (features, rows, columns) of neurons that see parts of an image; empty for others.
    """

    name: str
    size: int
    state: tuple[StateWord, ...]
    grid: tuple[int, ...] = ()

    @property
    def state_bytes(self) -> int:
        """Bytes of state per neuron, every word in whole bytes."""
        return sum(word.bytes for word in self.state)


@dataclass(frozen=True)
class Projection:
    """Synapses from a source (a population or the image) to a population.

    pattern (targets, sources) is true where the weight is nonzero. shared: the weights themselves,
    where one kernel gives them all; None otherwise.
    """

    name: str
    source: str
    target: str
    pattern: Pattern
    shared: Shared | None = None


@dataclass(frozen=True)
class Layout:
    """All populations and projections of a circuit, with the image sent in one of two ways."""

    circuit: str
    input_as: InputAs
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]

    def into(self, population: str) -> tuple[Projection, ...]:
        """Return the projections to a population, in the order of its inputs."""
        return tuple(p for p in self.projections if p.target == population)


@dataclass(frozen=True)
class FanIn:
    """Number of sources with nonzero weight of each neuron of a population."""

    population: str
    sources: Int64


def populations_of(network: IntegerNetwork, input_as: InputAs) -> tuple[Population, ...]:
    """Return the populations of the circuit, with the state of each neuron."""
    return tuple(
        Population(one.name, one.size, population_state(network, one, input_as), one.grid)
        for one in network.populations
    )


def fan_ins(network: IntegerNetwork, input_as: InputAs) -> tuple[FanIn, ...]:
    """Return the fan-in of every neuron; needs little memory, even for a dense network."""
    fan_in = []
    for population in populations_of(network, input_as):
        total = np.zeros(population.size, np.int64)
        for _, _, target, weights in _weights(network, input_as):
            if target == population.name:
                total += 1 if weights is None else weights.fan_in()
        fan_in.append(FanIn(population.name, total))
    return tuple(fan_in)


def layout_of(network: IntegerNetwork, input_as: InputAs) -> Layout:
    """Return the layout; only nonzero weights are synapses.

    One-layer: the image reaches the neurons through the feed-forward connection, and neurons reach
    each other through the lateral one. Two-layer: the image reaches each pixel's own residual
    neuron, neurons reach residual neurons through the prediction connection, and residual neurons
    reach neurons through the feed-forward one. With input_as "bias" the host writes the input
    current (or payload) into the state, and the image has no synapses.
    """
    projections = tuple(
        Projection(name, source, target, *_patterns(network, weights))
        for name, source, target, weights in _weights(network, input_as)
    )
    return Layout(network.circuit, input_as, populations_of(network, input_as), projections)


def _weights(
    network: IntegerNetwork, input_as: InputAs
) -> Iterator[tuple[str, str, str, Weights | None]]:
    """Yield name, source, target and weights of each projection; None means one to one."""
    relays = network.relays if input_as == "spikes" else ()
    for number, relay in enumerate(relays):
        yield f"{IMAGE}_{number}" if number else IMAGE, IMAGE, relay.name, None
    # In the order in which a spike passes them: residual neurons come between two connections.
    for one in reversed(network.weighted) if network.relays else network.weighted:
        if input_as == "spikes" or one.source != IMAGE:
            yield one.name, one.source, one.target, one.synapses.weights


def _patterns(network: IntegerNetwork, weights: Weights | None) -> tuple[Pattern, Shared | None]:
    """Return where weights are nonzero, and the weights where a kernel gives them."""
    if weights is None:
        return _identity(network), None
    pattern = csr(weights)
    if 8 * weights.n_bytes >= weights.stored_bits * pattern.nnz:  # every weight is stored
        return pattern, None
    matrix = weights.dense()
    rows = np.repeat(np.arange(len(matrix)), np.diff(pattern.indptr))
    values = matrix[rows, pattern.indices]
    return pattern, sparse.csr_array((values, pattern.indices, pattern.indptr), pattern.shape)


def csr(weights: Weights) -> Pattern:
    """Return where weights (targets, sources) are nonzero, computed block by block."""
    matrix = weights.dense()
    ends = np.concatenate([[0], np.cumsum(weights.fan_in())])
    columns = np.empty(int(ends[-1]), np.int32)
    for rows in row_blocks(matrix):
        last = min(rows.stop, len(matrix))
        columns[ends[rows.start] : ends[last]] = np.nonzero(matrix[rows])[1]
    values = np.ones(len(columns), bool)
    index = np.int32 if ends[-1] < np.iinfo(np.int32).max else np.int64
    return sparse.csr_array((values, columns, ends.astype(index)), shape=matrix.shape)


def _identity(network: IntegerNetwork) -> Pattern:
    return sparse.eye_array(network.n_pixels, dtype=bool, format="csr")
