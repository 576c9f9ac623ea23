"""The integer network as ONNX subgraphs of integers: a `Circuit` (export/onnx/models.py).

docs/ir.md is the specification; export/onnx/neurons.py has the kinds of neurons,
export/onnx/synapses.py the synaptic sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from typing import cast

import numpy as np

from ipvae_snn.arrays import Int32, Int64
from ipvae_snn.export.onnx.graph import FLOAT32, INT32, INT64, UINT8, Graph, Value
from ipvae_snn.export.onnx.metadata import metadata
from ipvae_snn.export.onnx.models import Read, States, Stepped
from ipvae_snn.export.onnx.neurons import Hits, PoissonOnnx, computing, relaying, stateful
from ipvae_snn.export.onnx.primitives import Draw, Keys
from ipvae_snn.export.onnx.synapses import decoded, image_sum, payload_of, scaled_sum
from ipvae_snn.ir.decoding import Decoding
from ipvae_snn.ir.graph import IMAGE, Connection, Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.sampler import SPIKE_BITS
from ipvae_snn.ir.trace import SATURATIONS

Values = dict[str, Value]


@dataclass(frozen=True)
class IntegerCircuit:
    """An integer network, of any graph, as the parts of an ONNX model: a `Circuit`."""

    network: IntegerNetwork
    arithmetic: str = "integer"
    pixel_type: int = UINT8
    state_type: int = INT32

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return self.network.n_pixels

    @property
    def n_neurons(self) -> int:
        """Number of computing neurons K."""
        return self.network.n_neurons

    @property
    def labels(self) -> Int64:
        """The class that each score stands for; empty where the network has no scores."""
        return self.network.labels

    @property
    def initial_state(self) -> Int32:
        """Initial states (K,) of an image, before a start moves them."""
        return np.concatenate([stateful(one.neurons).initial for one in self.network.computing])

    def appear(self, g: Graph, pixels: Value) -> Value | None:
        """Return the states (N, K) int32 that the start gives pixels (N, M); None without one."""
        network, start = self.network, self.network.start
        if start is None:
            return None
        moved = image_sum(g, network, start.synapses, pixels)
        neurons = cast(PoissonNeurons, network.population(start.target).neurons)
        started = PoissonOnnx(neurons).begin(g, moved)
        rows = g.reduce("ReduceSum", g.op("Mul", started, 0), 1, keepdims=True)
        return g.side_by_side(
            [
                started
                if one.name == start.target
                else g.op("Add", rows, g.constant(stateful(one.neurons).initial, "initial_state"))
                for one in network.computing
            ]
        )

    @property
    def n_held(self) -> int:
        """Length of the stored input: `parts_held` side by side."""
        return sum(self.parts_held.values())

    @cached_property
    def parts_held(self) -> dict[str, int]:
        """What is stored of an image, by name, and its length.

        "image": its payload, where residual neurons or nothing else need it. Population: the input
        current that the image and the bias cause.
        """
        network = self.network
        currents = {one.name: one.size for one in self._with_state if self._from_image(one)}
        image = {IMAGE: network.n_pixels} if network.relays or not currents else {}
        return {**image, **currents}

    def held(self, g: Graph, pixels: Value) -> Value:
        """Return the stored input of pixels (N, M) uint8: (N, n_held) int32."""
        parts = []
        for name in self.parts_held:
            if name == IMAGE:
                parts.append(payload_of(g, self.network, pixels))
                continue
            one = self.network.population(name)
            sums = [
                image_sum(g, self.network, connection.synapses, pixels)
                for connection in self._from_image(one)
            ]
            # Within 24 bits: the network checks the largest input current.
            parts.append(g.cast(_added(g, [*sums, *self._bias(g, one)]), INT32))
        return g.side_by_side(parts)

    def step(self, g: Graph, keys: Keys, step: Value, states: States, held: Value) -> Stepped:
        """Return counts and states after the update, and saturations (N, 5), all int32."""
        network, first = self.network, self.network.drawn()
        before = self._states(g, states)
        sent = {
            one.name: computing(one.neurons).send(
                g, before[one.name], Draw(keys, step, first.get(one.name, 0))
            )
            for one in network.computing
        }
        after, saturated = self.integrate(g, before, self._parts(g, held), sent)
        return Stepped(
            g.side_by_side([sent[one.name] for one in network.computing]),
            g.side_by_side([after[one.name] for one in network.computing]),
            saturated,
            scores=self._scores(g, after),
        )

    def integrate(
        self, g: Graph, states: Values, shown: Values, sent: Values
    ) -> tuple[Values, Value]:
        """Return the states after the payloads of this step, and saturated neurons (N, 5).

        states: of all populations with a state; shown: `parts_held`; sent: of those that compute.
        """
        payloads, hits = self.relay(g, shown, sent)
        after = {}
        for one in self._with_state:
            total = self._total(g, one, shown, payloads)
            state = states[one.name]
            # Accumulators send nothing, and look at nothing that they sent.
            own = sent.get(one.name, state)
            after[one.name], cut = stateful(one.neurons).integrate(g, state, total, own)
            hits.append(cut)
        return after, _numbers(g, hits)

    def relay(self, g: Graph, shown: Values, sent: Values) -> tuple[Values, list[Hits]]:
        """Return the payloads of all populations, and what saturated among those without state."""
        payloads, hits = dict(sent), []
        if IMAGE in shown:
            payloads[IMAGE] = shown[IMAGE]
        for one in self.network.relays:
            total = self._total(g, one, shown, payloads)
            payloads[one.name], cut = relaying(one.neurons).relay(g, shown[IMAGE], total)
            hits.append(cut)
        return payloads, hits

    @property
    def decoding(self) -> Decoding:
        """What the decoder reads."""
        return self.network.decoder.decoding

    def decode(self, g: Graph, read: Read) -> Value:
        """Return the reconstruction (N, M) float32."""
        network, kind = self.network, self.decoding.kind
        source = network.population(network.decoder.source)
        where = network.slices(network.computing)[source.name]
        given = read.state if kind == "map" else read.added
        if len(network.computing) > 1:
            given = g.columns(given, where.start, source.size)
        divisor = None if read.steps is None else g.cast(read.steps, FLOAT32)
        if kind == "map":
            given = PoissonOnnx(cast(PoissonNeurons, source.neurons)).rates(g, given)
            divisor = g.scalar(1 << SPIKE_BITS, FLOAT32)
        return decoded(g, network.decoder, given, network.decoded_payload, divisor)

    def metadata(self) -> dict[str, str]:
        """Return the metadata of this network, by name."""
        return metadata(self.network)

    @property
    def _with_state(self) -> tuple[Population, ...]:
        return (*self.network.computing, *self.network.accumulating)

    def _from_image(self, population: Population) -> list[Connection]:
        into = self.network.into(population.name)
        return [one for one in into if one.source == IMAGE]

    def _bias(self, g: Graph, population: Population) -> list[Value]:
        bias = stateful(population.neurons).bias
        return [] if bias is None else [g.constant(bias.astype(np.int64), "bias")]

    def _states(self, g: Graph, states: States) -> Values:
        """Return the states of single populations."""
        return {
            **_split(g, states.potentials, self.network.computing),
            **(_split(g, states.scores, self.network.accumulating) if states.scores else {}),
        }

    def _scores(self, g: Graph, states: Values) -> Value | None:
        scores = [states[one.name] for one in self.network.accumulating]
        return g.side_by_side(scores) if scores else None

    def _parts(self, g: Graph, held: Value) -> Values:
        """Return the parts of a stored input."""
        parts, start = {}, 0
        for name, size in self.parts_held.items():
            whole = len(self.parts_held) == 1
            parts[name] = held if whole else g.columns(held, start, size)
            start += size
        return parts

    def _total(self, g: Graph, population: Population, shown: Values, payloads: Values) -> Value:
        """Return the scaled sums and the bias that reach a population, int64."""
        network, name = self.network, population.name
        held = [g.cast(shown[name], INT64)] if name in shown else []
        sums = [
            scaled_sum(g, one.synapses, payloads[one.source], network.payloads(one))
            for one in network.into(name)
            if not (held and one.source == IMAGE)
        ]
        stateless = population.neurons.role == "relays"
        parts = [*sums, *held, *([] if held or stateless else self._bias(g, population))]
        some = next(iter(payloads.values()))
        if not sums and not held:
            # Nothing reaches it: zeros of as many rows as there are images.
            rows = g.reduce("ReduceSum", g.cast(some, INT64), 1, keepdims=True)
            zeros = np.zeros((1, population.size), np.int64)
            parts.append(g.op("Mul", rows, g.constant(zeros, "zeros")))
        return _added(g, parts)


def _split(g: Graph, values: Value, populations: tuple[Population, ...]) -> Values:
    """Return the columns of single populations."""
    if len(populations) == 1:
        return {populations[0].name: values}
    parts, start = {}, 0
    for one in populations:
        parts[one.name] = g.columns(values, start, one.size)
        start += one.size
    return parts


def _added(g: Graph, parts: list[Value]) -> Value:
    return reduce(lambda left, right: g.op("Add", left, right), parts)


def _numbers(g: Graph, hits: list[Hits]) -> Value:
    """Return how many neurons saturate, (N, 5) int32, by trace.SATURATIONS."""
    columns: list[Value | None] = []
    for name in SATURATIONS:
        some = [
            g.reduce("ReduceSum", g.cast(each[name], INT32), 1, keepdims=True)
            for each in hits
            if name in each
        ]
        columns.append(_added(g, some) if some else None)
    known = next(one for one in columns if one is not None)
    absent = g.op("Mul", known, 0)
    return g.op("Concat", *(one or absent for one in columns), axis=1)
