"""The two graphs of `convert`: the circuits in which the same inference is computed.

One-layer: "feedforward" carries pixels from the image to the neurons, once per image; "lateral"
carries counts between the neurons and is inhibitory where negative. Two-layer: "prediction" carries
counts to residual neurons, and "feedforward" their differences back, at every step.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from ipvae_snn.arrays import Int32
from ipvae_snn.ir.graph import IMAGE, Connection, Population
from ipvae_snn.ir.neurons import PoissonNeurons, ResidualNeurons
from ipvae_snn.ir.parts import NEURONS, Synapses
from ipvae_snn.ir.rules import require

RESIDUAL: Final = "residual"
FEEDFORWARD: Final = "feedforward"
LATERAL: Final = "lateral"
PREDICTION: Final = "prediction"

# Populations with their kind, and connections with their ends, of each circuit.
_GRAPHS: Final = (
    (
        [(NEURONS, PoissonNeurons.kind)],
        [(FEEDFORWARD, IMAGE, NEURONS), (LATERAL, NEURONS, NEURONS)],
    ),
    (
        [(NEURONS, PoissonNeurons.kind), (RESIDUAL, ResidualNeurons.kind)],
        [(FEEDFORWARD, RESIDUAL, NEURONS), (PREDICTION, NEURONS, RESIDUAL)],
    ),
)

Circuit = Literal["one-layer", "two-layer", "graph"]
Graph = tuple[tuple[Population, ...], tuple[Connection, ...]]


@dataclass(frozen=True, repr=False)
class Residual:
    """The residual neurons of a two-layer circuit: e = clip(payload - prediction, +-limit).

    prediction: synapses (M, K), neurons to pixels, scaled into units of the payload.
    loop_inhibition (K,) int32: inhibition per spike that a neuron causes to itself through the
    loop, in units of the input current; it serves only to bound excitation.
    """

    prediction: Synapses
    limit: int
    loop_inhibition: Int32

    def __repr__(self) -> str:
        """Return sizes and limit."""
        return f"Residual({self.prediction}, limit {self.limit})"


@dataclass(frozen=True)
class Parts:
    """The parts of a circuit: lateral synapses, or residual neurons.

    grid: (features, rows, columns) of convolutional neurons; empty for others.
    """

    neurons: PoissonNeurons
    feedforward: Synapses
    lateral: Synapses | None = None
    residual: Residual | None = None
    grid: tuple[int, ...] = ()


def graph_of(parts: Parts) -> Graph:
    """Return populations and connections of a circuit, in the order in which a step uses them.

    Raises ProgramError unless the parts are those of one circuit.
    """
    lateral, residual = parts.lateral, parts.residual
    require(
        (lateral is None) != (residual is None),
        "a network has either a lateral connection (one-layer) or residual neurons (two-layer)",
    )
    if residual is None:
        assert lateral is not None  # by the rule above
        neurons = Population(NEURONS, replace(parts.neurons, loop_inhibition=None), parts.grid)
        return (neurons,), (
            Connection(FEEDFORWARD, IMAGE, NEURONS, parts.feedforward),
            Connection(LATERAL, NEURONS, NEURONS, lateral),
        )
    group = replace(parts.neurons, loop_inhibition=residual.loop_inhibition)
    differences = ResidualNeurons(parts.feedforward.n_sources, residual.limit)
    return (Population(NEURONS, group, parts.grid), Population(RESIDUAL, differences)), (
        Connection(FEEDFORWARD, RESIDUAL, NEURONS, parts.feedforward),
        Connection(PREDICTION, NEURONS, RESIDUAL, residual.prediction),
    )


def is_circuit(populations: tuple[Population, ...], connections: tuple[Connection, ...]) -> bool:
    """Return whether the graph, without accumulators and what reaches them, is a circuit."""
    nodes, edges = _circuit(populations, connections)
    kinds = sorted((one.name, one.neurons.kind) for one in nodes)
    ends = sorted((one.name, one.source, one.target) for one in edges)
    looped = any("loop_inhibition" in one.neurons.per_neuron() for one in nodes)
    return (kinds, ends) in _GRAPHS and looped == (len(nodes) == 2)


def _circuit(
    populations: tuple[Population, ...], connections: tuple[Connection, ...]
) -> tuple[tuple[Population, ...], tuple[Connection, ...]]:
    """Return the graph without accumulators and what reaches them."""
    kept = tuple(one for one in populations if one.neurons.role != "accumulates")
    names = {one.name for one in kept}
    return kept, tuple(one for one in connections if one.target in names)


def parts_of(populations: tuple[Population, ...], connections: tuple[Connection, ...]) -> Parts:
    """Return the parts of a circuit; ProgramError if the graph is neither of the two."""
    nodes, edges = _circuit(populations, connections)
    require(
        is_circuit(nodes, edges),
        f"the graph of {', '.join(map(str, nodes))} with the connections "
        f"{', '.join(one.name for one in edges) or 'none'} is neither a one-layer nor a "
        "two-layer circuit",
    )
    (group,) = (one.neurons for one in nodes if isinstance(one.neurons, PoissonNeurons))
    limits = [one.neurons.limit for one in nodes if isinstance(one.neurons, ResidualNeurons)]
    loop, by_name = group.loop_inhibition, {one.name: one.synapses for one in edges}
    residual = None if loop is None else Residual(by_name[PREDICTION], limits[0], loop)
    (grid,) = (one.grid for one in nodes if one.name == NEURONS)
    return Parts(group, by_name[FEEDFORWARD], by_name.get(LATERAL), residual, grid)
