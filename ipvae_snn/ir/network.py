"""The integer network: immutable and versioned (docs/ir.md).

This module does not depend on how a network is stored, exported or run. The parts check their own
rules (parts.py, weights/, graph.py); the rules that relate parts to one another are here.
"""

from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.image_shape import n_pixels, shape_text
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import (
    FEEDFORWARD,
    NEURONS,
    Circuit,
    Parts,
    Residual,
    check_circuit,
    graph_of,
    parts_of,
)
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.graph import IMAGE, Connection, Population, check_graph
from ipvae_snn.ir.parts import Decoder, InputCode, NeuronGroup, Synapses
from ipvae_snn.ir.rules import require, require_type
from ipvae_snn.ir.sampler import SamplerTables
from ipvae_snn.ir.shapes import OfNeurons

VERSION: Final = 2


@dataclass(frozen=True, repr=False)
class IntegerNetwork:
    """An iP-VAE as a graph of integers: populations, and connections between them.

    M pixels reach the graph as the source "image"; the K Poisson neurons' counts leave it through
    the decoder. Version 2 has two graphs, the circuits (ir/circuits.py builds them). provenance
    holds text about the origin of the network; no result depends on it.
    """

    input: InputCode
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    decoder: Decoder
    tables: SamplerTables = field(default_factory=SamplerTables)
    provenance: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    def __post_init__(self) -> None:
        """Check the rules that relate parts; raise ProgramError with the first one broken."""
        require(
            self.version == VERSION,
            f"network version {self.version} is not {VERSION}, the one that this installation runs",
        )
        parts = self.parts
        shape = self.input.image_shape
        require(
            n_pixels(shape) == self.n_pixels,
            f"image shape {shape_text(shape)} does not give {self.n_pixels} pixels",
        )
        self._check_shapes()
        check_graph(self.populations, self.connections, self.n_pixels)
        check_circuit(parts)
        limit = signed_limit(STATE_BITS)
        require(
            self.own_inhibition.max() <= limit,
            f"self-inhibition, the loop's included, must lie in 0..{limit}",
        )
        self._check_tables()
        self._check_sums()

    def __repr__(self) -> str:
        """Return shape, circuit, bits of each connection's weights, and bytes."""
        bits = ", ".join(f"{c.name} {c.synapses.weight_bits} bits" for c in self.connections)
        shape = shape_text(self.input.image_shape)
        return (
            f"IntegerNetwork({shape} pixels, {self.n_neurons} neurons, {self.circuit}, "
            f"{bits}, {self.n_bytes:,} bytes)"
        )

    def _check_shapes(self) -> None:
        """Check that the constants of neurons and decoder are of M pixels and K neurons."""
        k, m = self.n_neurons, self.n_pixels
        group = self.neurons
        wanted: list[tuple[str, Array, tuple[int, ...]]] = [
            ("bias", group.bias, (k,)),
            ("self-inhibition", group.self_inhibition, (k,)),
            ("initial state", group.initial_state, (k,)),
            ("decoder weights", self.decoder.weights, (m, k)),
            ("decoder scale", self.decoder.scale, (m,)),
        ]
        if group.loop_inhibition is not None:
            wanted.append(("loop inhibition", group.loop_inhibition, (k,)))
        for name, array, shape in wanted:
            require(
                array.shape == shape,
                f"{name} is {array.dtype}{array.shape}, but K={k}, M={m} need {array.dtype}{shape}",
            )

    def _check_tables(self) -> None:
        """Check that the sampler's tables are those of this version."""
        wanted = SamplerTables()
        for name in ("coarse", "fine", "reciprocal"):
            given: Array = getattr(self.tables, name)
            require_type(f"table {name!r}", given, np.int64, 1)
            require(
                np.array_equal(given, getattr(wanted, name)),
                f"table {name!r} differs from version {VERSION}'s; the file was altered",
            )

    def _check_sums(self) -> None:
        """Check that no sum can leave its accumulator, and no current the state's format."""
        limit = signed_limit(ACCUMULATOR_BITS)
        for connection in self.connections:
            bound = worst_partial_sum(connection.synapses.weights, *self.payloads(connection))
            worst = int(bound.argmax())
            require(
                bound[worst] <= limit,
                f"the {connection.name} sum of neuron {worst} can reach {bound[worst]}, beyond the "
                f"{ACCUMULATOR_BITS}-bit accumulator's {limit}; convert with smaller weights or "
                "counts",
            )
        current = self.worst_current
        worst = int(current.argmax())
        require(
            current[worst] <= signed_limit(STATE_BITS),
            f"the input current of neuron {worst} can reach {current[worst]}, beyond the "
            f"{STATE_BITS}-bit {signed_limit(STATE_BITS)}; convert with fewer extra bits",
        )

    def payloads(self, connection: Connection) -> tuple[int, int]:
        """Return the least and the largest payload that a connection carries."""
        if connection.source == IMAGE:
            return self.input.payload_range
        return self.population(connection.source).neurons.sends

    def population(self, name: str) -> Population:
        """Return the population called `name`; KeyError if there is none."""
        return {one.name: one for one in self.populations}[name]

    def connection(self, name: str) -> Connection:
        """Return the connection called `name`; KeyError if there is none."""
        return {one.name: one for one in self.connections}[name]

    def once(self, connection: Connection) -> bool:
        """Return whether a connection's sum is formed once per image, not in every step."""
        return connection.source == IMAGE

    @property
    def worst_current(self) -> OfNeurons:
        """Largest magnitude that each neuron's input current can take."""
        total = np.abs(self.neurons.bias.astype(np.int64))
        for connection in self.connections:
            if connection.target == NEURONS and not self._recurrent(connection):
                synapses = connection.synapses
                bound = worst_partial_sum(synapses.weights, *self.payloads(connection))
                total = total + synapses.scaled(bound) + 1
        return total

    def _recurrent(self, connection: Connection) -> bool:
        """Return whether a connection carries what neurons with a state send."""
        source = connection.source
        return source != IMAGE and self.population(source).neurons.keeps_state

    @cached_property
    def parts(self) -> Parts:
        """The parts of the circuit that the graph is."""
        return parts_of(self.populations, self.connections)

    @property
    def neurons(self) -> NeuronGroup:
        """The Poisson neurons' constants."""
        return self.parts.neurons

    @property
    def feedforward(self) -> Synapses:
        """Synapses that carry the image's pixels, or the residual neurons' differences."""
        return self.parts.feedforward

    @property
    def lateral(self) -> Synapses | None:
        """Synapses between the Poisson neurons; None in a two-layer circuit."""
        return self.parts.lateral

    @property
    def residual(self) -> Residual | None:
        """The residual neurons and what reaches them; None in a one-layer circuit."""
        return self.parts.residual

    @property
    def feedforward_range(self) -> tuple[int, int]:
        """Least and largest payload that the feed-forward connection carries."""
        return self.payloads(self.connection(FEEDFORWARD))

    @property
    def circuit(self) -> Circuit:
        """Kind of circuit."""
        return "one-layer" if self.residual is None else "two-layer"

    @property
    def own_inhibition(self) -> OfNeurons:
        """Self-inhibition per spike (K,), the residual loop included."""
        return self.neurons.own_inhibition

    @property
    def n_bytes(self) -> int:
        """Bytes of all parameters, without the sampler's tables, which every network shares."""
        total = sum(one.synapses.n_bytes for one in self.connections)
        total += sum(one.neurons.n_bytes for one in self.populations)
        return total + self.decoder.weights.nbytes + self.decoder.scale.nbytes

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return self.feedforward.n_sources

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.feedforward.n_targets


def circuit_network(
    input: InputCode,
    parts: Parts,
    decoder: Decoder,
    **others: Any,
) -> IntegerNetwork:
    """Return the network of a circuit; `others` are further fields of IntegerNetwork.

    Raises ProgramError if a rule is broken.
    """
    populations, connections = graph_of(parts)
    return IntegerNetwork(input, populations, connections, decoder, **others)


def with_parts(network: IntegerNetwork, **changes: Any) -> IntegerNetwork:
    """Return the network with some parts of its circuit replaced, by the names of `Parts`.

    Raises ProgramError if a rule is broken.
    """
    given = {field.name: getattr(network.parts, field.name) for field in fields(Parts)}
    populations, connections = graph_of(Parts(**given | changes))
    return replace(network, populations=populations, connections=connections)
