"""Populations of a network on a chip, and the synapses that reach them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from scipy import sparse

from ipvae_snn.arrays import Int8, Int64
from ipvae_snn.hw.mapping.state import StateWord, neuron_state, residual_state
from ipvae_snn.ir.bounds import row_blocks
from ipvae_snn.ir.network import IntegerNetwork

InputAs = Literal["spikes", "bias"]
Pattern = Any  # scipy.sparse.csr_array of bool; SciPy has no type hints
NEURONS: Final = "neurons"
RESIDUAL: Final = "residual"
IMAGE: Final = "image"  # sent by the host, on no core


@dataclass(frozen=True)
class Population:
    """Neurons of one kind: their number, and the words of state of each."""

    name: str
    size: int
    state: tuple[StateWord, ...]

    @property
    def state_bytes(self) -> int:
        """Bytes of state per neuron, every word in whole bytes."""
        return sum(word.bytes for word in self.state)


@dataclass(frozen=True)
class Projection:
    """Synapses from a source (a population or the image) to a population.

    pattern (targets, sources) is true where the weight is nonzero.
    """

    name: str
    source: str
    target: str
    pattern: Pattern


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
    neurons = Population(NEURONS, network.n_neurons, neuron_state(network, input_as))
    if network.residual is None:
        return (neurons,)
    return neurons, Population(RESIDUAL, network.n_pixels, residual_state(network))


def fan_ins(network: IntegerNetwork, input_as: InputAs) -> tuple[FanIn, ...]:
    """Return the fan-in of every neuron; needs little memory, even for a dense network."""
    fan_in = []
    for population in populations_of(network, input_as):
        total = np.zeros(population.size, np.int64)
        for _, _, target, weights in _weights(network, input_as):
            if target == population.name:
                total += 1 if weights is None else _nonzeros(weights)
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
        Projection(name, source, target, _identity(network) if weights is None else _csr(weights))
        for name, source, target, weights in _weights(network, input_as)
    )
    return Layout(network.circuit, input_as, populations_of(network, input_as), projections)


def _weights(
    network: IntegerNetwork, input_as: InputAs
) -> Iterator[tuple[str, str, str, Int8 | None]]:
    """Yield name, source, target and weights of each projection; None means one to one."""
    if network.residual is not None:
        if input_as == "spikes":
            yield IMAGE, IMAGE, RESIDUAL, None
        yield "prediction", NEURONS, RESIDUAL, network.residual.prediction.weights
        yield "feedforward", RESIDUAL, NEURONS, network.feedforward.weights
        return
    if input_as == "spikes":
        yield "feedforward", IMAGE, NEURONS, network.feedforward.weights
    if network.lateral is not None:
        yield "lateral", NEURONS, NEURONS, network.lateral.weights


def _nonzeros(weights: Int8) -> Int64:
    blocks = [np.count_nonzero(weights[rows], axis=1) for rows in row_blocks(weights)]
    return np.concatenate(blocks).astype(np.int64)


def _csr(weights: Int8) -> Pattern:
    """Return where weights (targets, sources) are nonzero, computed block by block."""
    ends = np.concatenate([[0], np.cumsum(_nonzeros(weights))])
    columns = np.empty(int(ends[-1]), np.int32)
    for rows in row_blocks(weights):
        last = min(rows.stop, len(weights))
        columns[ends[rows.start] : ends[last]] = np.nonzero(weights[rows])[1]
    values = np.ones(len(columns), bool)
    index = np.int32 if ends[-1] < np.iinfo(np.int32).max else np.int64
    return sparse.csr_array((values, columns, ends.astype(index)), shape=weights.shape)


def _identity(network: IntegerNetwork) -> Pattern:
    return sparse.eye_array(network.n_pixels, dtype=bool, format="csr")
