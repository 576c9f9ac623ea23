"""The integer network: immutable and versioned (docs/ir.md).

This module does not depend on how a network is stored, exported or run. The parts check their own
rules (parts.py, neurons/, weights/, graph.py); the rules that relate parts to one another are here.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Final, cast

import numpy as np

from ipvae_snn.arrays import Array, Int64
from ipvae_snn.image_shape import n_pixels, shape_text
from ipvae_snn.ir import back_ends
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.circuits import (
    FEEDFORWARD,
    Circuit,
    Parts,
    Residual,
    graph_of,
    is_circuit,
    parts_of,
)
from ipvae_snn.ir.decoding import SAMPLE, Decoding, decoding_of
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, STATE_BITS, signed_limit
from ipvae_snn.ir.graph import IMAGE, Connection, Population, check_graph, relay_order
from ipvae_snn.ir.neurons import PoissonNeurons, Stateful
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.rules import require, require_type
from ipvae_snn.ir.sampler import SPIKE_BITS, SamplerTables
from ipvae_snn.ir.session import Backend, Session
from ipvae_snn.ir.shapes import OfNeurons

VERSION: Final = 4  # the newest that this installation reads and runs
SAMPLES_VERSION: Final = 3  # every network of it decodes the last counts
VERSIONS: Final = (SAMPLES_VERSION, VERSION)  # of networks that are stored
DECODED_BITS: Final = 53  # of the decoder's sums, so that float64 holds them on every back end


@dataclass(frozen=True, repr=False)
class IntegerNetwork:
    """An iP-VAE as a graph of integers: populations, and connections between them.

    M pixels reach the graph as the source "image". The K computing neurons, of all populations that
    compute, one after another, send counts, of which the decoder reads one population's. The states
    of accumulators, one population after another, are scores. The graphs of `convert` are circuits
    (ir/circuits.py builds them). provenance holds text about the origin of the network; no result
    depends on it.
    """

    input: InputCode
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    decoder: Decoder
    tables: SamplerTables = field(default_factory=SamplerTables)
    provenance: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the rules that relate parts; raise ProgramError with the first one broken."""
        check_graph(self.populations, self.connections, self.n_pixels)
        self._check_populations()
        self._check_own_weights()
        self._check_decoder()
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

    def with_decoding(self, decoding: Decoding | str) -> "IntegerNetwork":
        """Return the network with another decoding: "sample", "mean:N" or "map".

        Raises ConfigError for another name, ProgramError where the network cannot have it.
        """
        named = decoding_of(decoding) if isinstance(decoding, str) else decoding
        return replace(self, decoder=replace(self.decoder, decoding=named))

    def prepare(self, backend: str | Backend = back_ends.DEFAULT) -> Session:
        """Return the network ready to run on a back end, given by its name or as it is.

        What does not depend on images is kept: `session.run(pixels, request)` runs any number of
        them. Raises BackendError for an unknown name, and as the back end does.
        """
        found = back_ends.load_backend(backend) if isinstance(backend, str) else backend
        return found.prepare(self)

    def _check_populations(self) -> None:
        """Check that something computes, and that there is a relaying neuron for each pixel."""
        require(bool(self.computing), "the network has no population that computes")
        for one in self.relays:
            require(
                one.size == self.n_pixels,
                f"population {one.name!r} has {one.size} neurons that relay, but there is one for "
                f"each of {self.n_pixels} pixels",
            )

    def _check_own_weights(self) -> None:
        """Check that no Poisson neuron has a weight to itself."""
        for one in self.connections:
            if one.source == one.target and self.population(one.target).neurons.draws:
                require(
                    not one.synapses.weights.diagonal().any(),
                    f"the {one.name} diagonal must be 0: self-inhibition is a constant of the "
                    "neuron",
                )

    def _check_decoder(self) -> None:
        """Check that the decoder reads a population that computes, and gives the image's pixels."""
        decoder = self.decoder
        sizes = {one.name: one.size for one in self.computing}
        require(
            decoder.source in sizes,
            f"the decoder reads {decoder.source!r}, but only {', '.join(sizes)} compute",
        )
        given, wanted = decoder.weights, (self.n_pixels, sizes[decoder.source])
        require(
            (given.n_targets, given.n_sources) == wanted,
            f"decoder weights are {given.n_targets}x{given.n_sources}, but M={wanted[0]}, "
            f"K={wanted[1]} need {wanted[0]}x{wanted[1]}",
        )
        self._check_decoding()

    def _check_decoding(self) -> None:
        """Check that the decoder's population has what is decoded, and that its sums are exact."""
        decoder = self.decoder
        if decoder.decoding == SAMPLE:  # of fewer than 2**22 neurons, always
            return
        neurons = self.population(decoder.source).neurons
        require(
            decoder.decoding.kind != "map" or neurons.draws,
            f"the decoder cannot decode rates (map) of {decoder.source!r}: neurons of kind "
            f"{neurons.kind} have none; decode sample, or mean:N",
        )
        bound = worst_partial_sum(decoder.weights, 0, self.decoded_payload)
        worst = int(bound.argmax())
        require(
            int(bound[worst]).bit_length() <= DECODED_BITS,
            f"the decoder's sum of pixel {worst} can reach {bound[worst]}, beyond {DECODED_BITS} "
            "bits; decode sample, or a mean of fewer steps",
        )

    def _check_tables(self) -> None:
        """Check that the sampler's tables are those of this version."""
        wanted = SamplerTables()
        for name in ("coarse", "fine", "reciprocal"):
            given: Array = getattr(self.tables, name)
            require_type(f"table {name!r}", given, np.int64, 1)
            require(
                np.array_equal(given, getattr(wanted, name)),
                f"table {name!r} differs from the specified one; the file was altered",
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
        for population in (*self.computing, *self.accumulating):
            current = self.worst_current_of(population)
            worst = int(current.argmax())
            require(
                current[worst] <= signed_limit(STATE_BITS),
                f"the input current of neuron {worst} can reach {current[worst]}, beyond the "
                f"{STATE_BITS}-bit {signed_limit(STATE_BITS)}; convert with fewer extra bits",
            )

    @property
    def version(self) -> int:
        """The least version of a file that can hold the network: older readers take it too."""
        return SAMPLES_VERSION if self.decoder.decoding == SAMPLE else VERSION

    @property
    def decoded_payload(self) -> int:
        """Largest payload of the decoder: a count, a sum of counts, or a rate in its units."""
        decoding = self.decoder.decoding
        most = self.population(self.decoder.source).neurons.sends[1]
        return most * (1 << SPIKE_BITS if decoding.kind == "map" else decoding.steps)

    @cached_property
    def computing(self) -> tuple[Population, ...]:
        """The populations that compute, in the order in which results hold their neurons."""
        return tuple(one for one in self.populations if one.neurons.role == "computes")

    @cached_property
    def accumulating(self) -> tuple[Population, ...]:
        """The populations whose states are scores, in the order in which results hold them."""
        return tuple(one for one in self.populations if one.neurons.role == "accumulates")

    @cached_property
    def relays(self) -> tuple[Population, ...]:
        """The populations without a state, each after those that reach it."""
        return relay_order(self.populations, self.connections)

    def slices(self, populations: tuple[Population, ...]) -> dict[str, slice]:
        """Return where the neurons of each of some populations lie in results, by name."""
        ends = np.cumsum([0, *(one.size for one in populations)])
        return {
            one.name: slice(int(ends[i]), int(ends[i + 1])) for i, one in enumerate(populations)
        }

    def drawn(self) -> dict[str, int]:
        """Return the index of the first uniform of each population that draws, by name.

        The neuron index of uniforms goes on from one population to the next.
        """
        drawing = tuple(one for one in self.computing if one.neurons.draws)
        return {name: where.start for name, where in self.slices(drawing).items()}

    def into(self, name: str) -> tuple[Connection, ...]:
        """Return the connections that lead to a population."""
        return tuple(one for one in self.connections if one.target == name)

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

    def worst_current_of(self, population: Population) -> Annotated[Int64, "size"]:
        """Return the largest magnitude that the input current of each neuron can take."""
        total = np.zeros(population.size, np.int64)
        for connection in self.into(population.name):
            if not self._recurrent(connection):
                synapses = connection.synapses
                bound = worst_partial_sum(synapses.weights, *self.payloads(connection))
                total = total + synapses.scaled(bound) + 1
        return cast(Stateful, population.neurons).worst_current(total)

    @property
    def worst_current(self) -> OfNeurons:
        """Largest magnitude that the input current of each computing neuron can take."""
        return np.concatenate([self.worst_current_of(one) for one in self.computing])

    def _recurrent(self, connection: Connection) -> bool:
        """Return whether a connection carries what neurons with a state send."""
        source = connection.source
        return source != IMAGE and self.population(source).neurons.role != "relays"

    @property
    def is_circuit(self) -> bool:
        """Whether the graph, without accumulators, is one of the two circuits."""
        return is_circuit(self.populations, self.connections)

    @cached_property
    def parts(self) -> Parts:
        """The parts of the circuit that the graph is; ProgramError if it is none."""
        return parts_of(self.populations, self.connections)

    @property
    def neurons(self) -> PoissonNeurons:
        """The constants of a circuit's Poisson neurons."""
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
        """Kind of circuit: "graph" where it is neither of the two."""
        if not self.is_circuit:
            return "graph"
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
        return total + self.decoder.n_bytes

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return n_pixels(self.input.image_shape)

    @property
    def n_neurons(self) -> int:
        """Number of computing neurons K."""
        return sum(one.size for one in self.computing)

    @property
    def n_scores(self) -> int:
        """Number of accumulators."""
        return sum(one.size for one in self.accumulating)

    @property
    def labels(self) -> Annotated[Int64, "scores"]:
        """The class that each score stands for."""
        found = [one.neurons.per_neuron()["label"] for one in self.accumulating]
        return np.concatenate([np.zeros(0, np.int64), *found]).astype(np.int64)


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
