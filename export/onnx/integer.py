"""The integer network as ONNX subgraphs of integers: a `Circuit` (export/onnx/models.py).

docs/ir.md is the specification; export/onnx/synapses.py has the synaptic sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from ipvae_snn.arrays import Int32
from ipvae_snn.export.onnx.graph import FLOAT32, INT32, INT64, UINT8, UINT64, Graph, Value
from ipvae_snn.export.onnx.metadata import metadata
from ipvae_snn.export.onnx.models import Stepped
from ipvae_snn.export.onnx.primitives import Keys, spike_counts
from ipvae_snn.export.onnx.synapses import (
    image_current,
    lateral_current,
    payload_of,
    residual,
    residual_current,
)
from ipvae_snn.ir.fixed_point import (
    LN2,
    LN2_BITS,
    LOG2E,
    LOG2E_BITS,
    PROBABILITY_BITS,
    RATE_BITS,
    RECIPROCAL_BITS,
    TABLE_BITS,
)
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.sampler import (
    BUCKETS_LOG2,
    MAX_PART_COUNT,
    SPLIT_OCTAVES,
    SamplerTables,
    least_spiking_uniforms,
)
from ipvae_snn.ir.trace import SATURATIONS

INT32_MAX: Final = (1 << 31) - 1


def exp2_negative_graph(g: Graph, exponent: Value, tables: SamplerTables) -> Value:
    """Return 2**-x in 2**-31 for an int64 list x in 2**-28, 0 <= x < 2**32 (docs/ir.md)."""
    mask = (1 << TABLE_BITS) - 1
    fine_shift = RATE_BITS - 2 * TABLE_BITS
    unsigned = g.cast(exponent, UINT64)

    def index(shift: int) -> Value:
        moved = g.op("BitShift", unsigned, shift, direction="RIGHT")
        return g.cast(g.op("BitwiseAnd", moved, mask), INT64)

    high = g.gather(g.constant(tables.coarse, "coarse"), index(RATE_BITS - TABLE_BITS))
    middle = g.gather(g.constant(tables.fine, "fine"), index(fine_shift))
    low = g.op("Mul", g.op("BitwiseAnd", exponent, (1 << fine_shift) - 1), LN2)
    low = g.shift_right(low, LN2_BITS + RATE_BITS - PROBABILITY_BITS)
    rest = g.op("Sub", g.scalar(1 << PROBABILITY_BITS, INT64), low)
    product = g.shift_right(g.op("Mul", high, middle), PROBABILITY_BITS)
    product = g.shift_right(g.op("Mul", product, rest), PROBABILITY_BITS)
    return g.shift_right(product, g.op("BitShift", unsigned, RATE_BITS, direction="RIGHT"))


@dataclass(frozen=True)
class IntegerSampling:
    """The Poisson sampler of the integer network (docs/ir.md, Poisson counts): a `Sampling`."""

    group: PoissonNeurons
    tables: SamplerTables
    max_part_count: int = MAX_PART_COUNT

    @property
    def one_part_limit(self) -> int:
        """Three octaves: the largest membrane potential with a single part."""
        return SPLIT_OCTAVES << self.group.fraction_bits

    @property
    def splits(self) -> bool:
        """True if the limit of potentials allows more than one part."""
        return self.group.state_max > self.one_part_limit

    @cached_property
    def silent_below(self) -> Int32:
        """Least uniform that can give a spike, per bucket of potentials from state_min up."""
        group = self.group
        return least_spiking_uniforms(
            group.state_min, group.state_max, group.fraction_bits, self.tables
        )

    def may_spike(self, g: Graph, state: Value, uniform: Value) -> Value:
        """Return false only where the uniform is too small for a spike at this state."""
        above = g.op("Sub", state, self.group.state_min)
        bucket = g.shift_right(above, self.group.fraction_bits - BUCKETS_LOG2)
        least = g.gather(g.constant(self.silent_below, "silent_below"), g.cast(bucket, INT32))
        return g.compare("GreaterOrEqual", uniform, least)

    def _parts_log2(self, g: Graph, state: Value) -> Value:
        bits = self.group.fraction_bits
        above = g.op("Sub", g.cast(state, INT64), self.one_part_limit - (1 << bits) + 1)
        return g.shift_right(g.op("Max", above, 0), bits)

    def parts(self, g: Graph, state: Value) -> Value:
        """Return 2**j."""
        power = g.cast(self._parts_log2(g, state), UINT64)
        one = g.scalar(1, UINT64)
        return g.cast(g.op("BitShift", one, power, direction="LEFT"), INT64)

    def begin(self, g: Graph, state: Value, uniform: Value) -> tuple[Value, Value, Value]:
        """Return (threshold, rate, probability of 0), int64 in 2**-31, 2**-28 and 2**-31."""
        bits = self.group.fraction_bits
        within = g.cast(state, INT64)
        if self.splits:
            whole = g.op("Mul", self._parts_log2(g, state), 1 << bits)
            within = g.op("Sub", within, whole)
        below = g.op("Sub", g.scalar(self.one_part_limit, INT64), within)
        rate = exp2_negative_graph(g, g.op("Mul", below, 1 << (RATE_BITS - bits)), self.tables)
        exponent = g.shift_right(g.op("Mul", rate, LOG2E), LOG2E_BITS)
        return g.cast(uniform, INT64), rate, exp2_negative_graph(g, exponent, self.tables)

    def advance(self, g: Graph, probability: Value, rate: Value, k: Value) -> Value:
        """Return probability * rate / k, each product shifted down."""
        reciprocal = g.gather(g.constant(self.tables.reciprocal, "reciprocal"), k)
        scaled = g.shift_right(g.op("Mul", probability, rate), RATE_BITS)
        return g.shift_right(g.op("Mul", scaled, reciprocal), RECIPROCAL_BITS)


def held(g: Graph, network: IntegerNetwork, pixels: Value) -> Value:
    """Return the stored input of pixels (N, M) uint8: int32, as interpreter.held."""
    if network.residual is not None:
        return payload_of(g, network, pixels)
    return image_current(g, network, pixels)


def integrate(
    g: Graph, network: IntegerNetwork, state: Value, held: Value, counts: Value
) -> tuple[Value, Value]:
    """Return the membrane potentials (N, K) after the competition of this step's counts.

    And the number of saturated neurons, (N, 5), by trace.SATURATIONS; both int32. The input of a
    neuron without its self-inhibition is clipped first, by a number; this equals clipping the whole
    by a tensor (docs/ir.md, step 3).
    """
    group = network.neurons
    extra = group.extra_bits
    highest, lowest = group.excitation_max << extra, group.update_min << extra
    inhibition = g.constant(network.own_inhibition, "own_inhibition")
    own = g.op("Mul", g.cast(counts, INT64), inhibition)
    received, cut = _received(g, network, held, counts)
    bounded = g.op("Sub", g.op("Min", received, highest), own)
    update = g.op("Max", bounded, lowest)
    if extra:
        update = g.floor_shift(g.op("Add", update, 1 << (extra - 1)), extra, 1 << (62 - extra))
    moved = g.op("Add", g.cast(state, INT64), update)
    hits = [
        g.compare("GreaterOrEqual", counts, group.max_count),
        g.compare("Greater", received, highest),
        g.compare("Less", bounded, lowest),
        g.compare("Greater", moved, group.state_max),
        *cut,
    ]
    numbers = [g.reduce("ReduceSum", g.cast(hit, INT32), 1, keepdims=True) for hit in hits]
    absent = [g.op("Mul", numbers[0], 0)] * (len(SATURATIONS) - len(numbers))
    after = g.cast(g.op("Clip", moved, group.state_min, group.state_max), INT32)
    return after, g.op("Concat", *numbers, *absent, axis=1)


def _received(
    g: Graph, network: IntegerNetwork, held: Value, counts: Value
) -> tuple[Value, list[Value]]:
    """Return the input of neurons without their self-inhibition, int64 (N, K).

    And where residual neurons saturate, (N, M), in a two-layer circuit.
    """
    if network.lateral is not None:
        lateral = lateral_current(g, network, network.lateral, counts)
        return g.op("Add", lateral, g.cast(held, INT64)), []
    error, cut = residual(g, network, held, counts)
    through_loop = network.own_inhibition - network.neurons.self_inhibition
    inhibition = g.constant(through_loop, "loop_inhibition")
    own = g.op("Mul", g.cast(counts, INT64), inhibition)
    return g.op("Add", residual_current(g, network, error), own), [cut]


def decode(g: Graph, network: IntegerNetwork, counts: Value) -> Value:
    """Return the reconstruction (N, M) float32: an exact integer sum and one float product."""
    weights = network.decoder.matrix.astype(np.int64).T
    bound = int(np.abs(weights).sum(axis=0).max()) * network.neurons.max_count
    narrow = bound <= INT32_MAX
    stored = weights.astype(np.int32 if narrow else np.int64)
    total = g.op(
        "MatMul", g.cast(counts, INT32 if narrow else INT64), g.constant(stored, "decoder")
    )
    return g.op("Mul", g.cast(total, FLOAT32), g.constant(network.decoder.scale, "decoder_scale"))


@dataclass(frozen=True)
class IntegerCircuit:
    """An integer network as the parts of an ONNX model: a `Circuit`."""

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
        """Number of neurons K."""
        return self.network.n_neurons

    @property
    def initial_state(self) -> Int32:
        """Initial membrane potentials (K,) of an image."""
        return self.network.neurons.initial_state

    @property
    def n_held(self) -> int:
        """Length of the stored input: K input currents, or M payloads in a two-layer circuit."""
        return self.n_neurons if self.network.residual is None else self.n_pixels

    def held(self, g: Graph, pixels: Value) -> Value:
        """Return the stored input of pixels (N, M) uint8: (N, n_held) int32."""
        return held(g, self.network, pixels)

    def step(self, g: Graph, keys: Keys, step: Value, state: Value, held: Value) -> Stepped:
        """Return counts and state after the update (N, K), and saturations (N, 5), all int32."""
        group = self.network.neurons
        sampling = IntegerSampling(group, self.network.tables)
        counts = spike_counts(g, sampling, keys, state, step, self.n_neurons)
        counts = g.op("Min", counts, group.max_count)
        return Stepped(counts, *integrate(g, self.network, state, held, counts))

    def decode(self, g: Graph, counts: Value) -> Value:
        """Return the reconstruction (N, M) float32 of counts (N, K) int32."""
        return decode(g, self.network, counts)

    def metadata(self) -> dict[str, str]:
        """Return the metadata of this network, by name."""
        return metadata(self.network)
