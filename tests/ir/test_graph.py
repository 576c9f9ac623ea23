"""Graphs of populations and connections: rules, order, and the two circuits as graphs."""

from dataclasses import replace

import numpy as np
import pytest

from ipvae_snn.errors import ProgramError
from ipvae_snn.ir.circuits import Parts, graph_of, parts_of
from ipvae_snn.ir.graph import IMAGE, Connection, Population, check_graph, relay_order
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import Accumulators, ResidualNeurons
from ipvae_snn.ir.parts import Synapses


def synapses(targets: int, sources: int) -> Synapses:
    """Return synapses of weight 1 and scale 1."""
    ones = np.ones(targets, np.int32)
    return Synapses.dense(np.ones((targets, sources), np.int8), ones * 2, ones)


def relay(name: str, size: int = 3) -> Population:
    """Return a population without state."""
    return Population(name, ResidualNeurons(size, 100))


def scores(name: str, size: int = 3) -> Population:
    """Return a population that accumulates."""
    return Population(name, Accumulators(np.zeros(size, np.int32), np.arange(size, dtype=np.int32)))


def joined(source: str, target: str, targets: int = 3, sources: int = 3) -> Connection:
    """Return a connection that is called by its ends."""
    return Connection(f"{source}-{target}", source, target, synapses(targets, sources))


def test_a_circuit_is_a_graph_and_comes_back(
    network: IntegerNetwork, two_layer: IntegerNetwork
) -> None:
    """Both circuits: names, ends, payloads, and the same parts again."""
    assert [(c.name, c.source, c.target) for c in network.connections] == [
        ("feedforward", IMAGE, "neurons"),
        ("lateral", "neurons", "neurons"),
    ]
    assert [network.payloads(c) for c in network.connections] == [(-100, 155), (0, 40)]
    assert [network.once(c) for c in network.connections] == [True, False]
    assert [(c.name, c.source, c.target) for c in two_layer.connections] == [
        ("feedforward", "residual", "neurons"),
        ("prediction", "neurons", "residual"),
    ]
    assert [two_layer.payloads(c) for c in two_layer.connections] == [(-200, 200), (0, 40)]
    assert not any(two_layer.once(c) for c in two_layer.connections)
    assert [(p.name, p.size) for p in two_layer.populations] == [("neurons", 7), ("residual", 12)]
    for one in (network, two_layer):
        again = parts_of(*graph_of(one.parts))
        assert again.feedforward is one.feedforward
        assert again.lateral is one.lateral
        assert (again.residual is None) == (one.residual is None)
    assert two_layer.residual is not None
    assert two_layer.residual.loop_inhibition is two_layer.neurons.loop_inhibition


def test_another_graph_is_no_circuit(network: IntegerNetwork) -> None:
    """A population more, a connection less, or another name; the network runs all the same."""
    populations, connections = network.populations, network.connections
    for nodes, edges in (
        ((*populations, relay("spare", 12)), connections),
        (populations, connections[:1]),
        (populations, (connections[0], replace(connections[1], name="sideways"))),
    ):
        other = replace(network, populations=nodes, connections=edges)
        assert not other.is_circuit
        assert other.circuit == "graph"
        with pytest.raises(ProgramError, match="is neither a one-layer nor a two-layer circuit"):
            other.parts  # noqa: B018 (a property that raises)


def test_a_network_needs_what_computes_and_a_relay_for_each_pixel(network: IntegerNetwork) -> None:
    with pytest.raises(ProgramError, match=r"^the network has no population that computes$"):
        replace(network, populations=(relay("spare", 12),), connections=())
    with pytest.raises(
        ProgramError, match="'spare' has 11 neurons that relay, but there is one for each of 12"
    ):
        replace(network, populations=(*network.populations, relay("spare", 11)))


def test_the_loops_inhibition_is_of_two_layers(
    network: IntegerNetwork, two_layer: IntegerNetwork
) -> None:
    """Without it a neuron's own inhibition would be unknown; in one layer there is no loop."""
    for one, loop in ((network, np.ones(7, np.int32)), (two_layer, None)):
        neurons = replace(one.neurons, loop_inhibition=loop)
        populations = (replace(one.populations[0], neurons=neurons), *one.populations[1:])
        assert not replace(one, populations=populations).is_circuit


def test_a_network_is_one_circuit(network: IntegerNetwork, two_layer: IntegerNetwork) -> None:
    """Not both, and not neither."""
    both = replace(network.parts, residual=two_layer.residual)
    for parts in (both, Parts(network.neurons, network.feedforward)):
        with pytest.raises(ProgramError, match="either a lateral connection"):
            graph_of(parts)


@pytest.mark.parametrize(
    ("populations", "connections", "message"),
    [
        ((relay("a"), relay("a")), (), "two populations are called 'a'"),
        ((relay(""),), (), "a population without a name"),
        ((relay(IMAGE),), (), "no population may be called 'image'"),
        (
            (relay("a"), relay("b")),
            (joined("a", "b"), joined("a", "b")),
            "two connections are called 'a-b'",
        ),
        ((relay("a"),), (joined("b", "a"),), "'b-a' comes from 'b', which is no population"),
        ((relay("a"),), (joined("a", "b"),), "'a-b' leads to 'b', which is no population"),
        ((relay("a"),), (joined("a", IMAGE),), "leads to 'image', which is no population"),
        (
            (relay("a"), relay("b", 4)),
            (joined("a", "b"),),
            "'a-b' has 3 sources and 3 targets, but 'a' and 'b' have 3 and 4",
        ),
        (
            (relay("a"),),
            (joined(IMAGE, "a", 3, 4),),
            "'image-a' has 4 sources and 3 targets, but 'image' and 'a' have 5 and 3",
        ),
        (
            (relay("a"), relay("b"), relay("c")),
            (joined("a", "b"), joined("b", "c"), joined("c", "b")),
            "the populations b, c reach each other in a circle without delay",
        ),
        ((relay("a"),), (joined("a", "a"),), "the populations a reach each other in a circle"),
        ((relay("a b"),), (), "no population may be called 'a b': names are letters, digits"),
        (
            (relay("a-b"), relay("a"), relay("b")),
            (joined("a", "b"),),
            "a population and a connection are both called a-b",
        ),
        (
            (scores("a"), relay("b")),
            (joined("a", "b"),),
            "'a-b' comes from 'a', whose neurons send nothing",
        ),
    ],
)
def test_a_wrong_graph_is_refused(
    populations: tuple[Population, ...], connections: tuple[Connection, ...], message: str
) -> None:
    """Names, ends, sizes and circles, each in one line."""
    with pytest.raises(ProgramError, match=message):
        check_graph(populations, connections, 5)


def test_relays_come_after_those_that_reach_them() -> None:
    """Whatever the order in which they are listed."""
    populations = (relay("c"), relay("a"), relay("b"))
    connections = (joined("b", "c"), joined("a", "b"), joined("a", "c"))
    assert [one.name for one in relay_order(populations, connections)] == ["a", "b", "c"]
    check_graph(populations, connections, 3)


def test_a_population_with_state_opens_a_circle(two_layer: IntegerNetwork) -> None:
    """Neurons and residual neurons reach each other, and only the latter are relays."""
    order = relay_order(two_layer.populations, two_layer.connections)
    assert [one.name for one in order] == ["residual"]
