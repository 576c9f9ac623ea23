"""The integer program as ONNX subgraphs of integers only: a `Circuit` of onnx_models.

docs/ir.md is the specification. Sums of weights times payloads are MatMulInteger of unsigned
bytes (weights stored plus 128, with zero point 128): for unsigned operands every known kernel is
exact, whereas unsigned times signed may saturate at 16 bits on processors without VNNI.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from ipvae_snn.export.graph import (
    FLOAT32,
    INT32,
    INT64,
    UINT8,
    UINT64,
    Array,
    Graph,
    Value,
)
from ipvae_snn.export.onnx_primitives import Keys, spike_counts
from ipvae_snn.fixed_point import (
    LN2,
    LN2_BITS,
    LOG2E,
    LOG2E_BITS,
    PROBABILITY_BITS,
    RATE_BITS,
    RECIPROCAL_BITS,
    TABLE_BITS,
    exp2_negative,
    multiply_shift,
)
from ipvae_snn.ir import Connection, IntegerNetwork, NeuronGroup
from ipvae_snn.sampler import MAX_PART_COUNT, SPLIT_OCTAVES, SamplerTables, part_rate

BYTE: Final = 256
OCTAVE_BUCKETS_LOG2: Final = 3  # the test for surely silent neurons divides an octave by 2**3
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
    """The program's Poisson sampler (docs/ir.md, Poisson counts): a `Sampling`."""

    group: NeuronGroup
    tables: SamplerTables
    max_part_count: int = MAX_PART_COUNT

    @property
    def one_part_limit(self) -> int:
        """Three octaves: the largest membrane potential that takes a single part."""
        return SPLIT_OCTAVES << self.group.fraction_bits

    @property
    def splits(self) -> bool:
        """Whether the program's clamp lets a neuron take more than one part."""
        return self.group.state_max > self.one_part_limit

    @cached_property
    def silent_below(self) -> npt.NDArray[np.int32]:
        """Least uniform that can give a spike, for each eighth of an octave from state_min up.

        Exact by construction: it is the minimum over every membrane potential in the bucket, by
        the interpreter's own functions. A neuron spikes if its uniform is not below P(0), which
        stays below 2**31 down to the least state_min, -12 octaves: int32 holds it.
        """
        group, tables = self.group, self.tables
        width = 1 << (group.fraction_bits - OCTAVE_BUCKETS_LOG2)
        least = []
        for start in range(group.state_min, group.state_max + 1, width):
            potential = np.arange(start, min(start + width, group.state_max + 1), dtype=np.int64)
            exponent = multiply_shift(
                part_rate(potential, group.fraction_bits, tables), LOG2E, LOG2E_BITS
            )
            least.append(int(exp2_negative(exponent, tables.coarse, tables.fine).min()))
        return np.array(least, dtype=np.int32)

    def may_spike(self, g: Graph, state: Value, uniform: Value) -> Value:
        """Return false only where the uniform is below all that give a spike near this state."""
        above = g.op("Sub", state, self.group.state_min)
        bucket = g.shift_right(above, self.group.fraction_bits - OCTAVE_BUCKETS_LOG2)
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


def _scale_sum(g: Graph, total: Value, connection: Connection) -> Value:
    """Return (total * multiplier + half) >> shift as int64 (N, K), for int32 sums (N, K)."""
    shift = connection.shift.astype(np.int64)
    product = g.op("Mul", g.cast(total, INT64), g.constant(connection.multiplier.astype(np.int64)))
    rounded = g.op("Add", product, g.constant(np.int64(1) << (shift - 1), "half"))
    lifted = g.constant(np.int64(1) << (62 - shift), "lifted")
    return g.floor_shift(rounded, g.constant(shift.astype(np.uint64), "shift"), lifted)


def _byte_weights(g: Graph, weights: npt.NDArray[np.int8]) -> list[Value]:
    stored = (weights.astype(np.int16).T + 128).astype(np.uint8)
    return [g.constant(stored, "weights"), g.scalar(128, UINT8)]


def held_current(g: Graph, network: IntegerNetwork, pixels: Value) -> Value:
    """Return the held current (N, K) int32 of pixels (N, M) uint8."""
    weights, middle = _byte_weights(g, network.feedforward.weights)
    zero = g.scalar(network.input.zero_point, UINT8)
    total = g.raw("MatMulInteger", [pixels, weights, zero, middle], [INT32])[0]
    scaled = _scale_sum(g, total, network.feedforward)
    current = g.op("Add", scaled, g.constant(network.neurons.bias.astype(np.int64), "bias"))
    return g.cast(current, INT32)


def _lateral_sum(g: Graph, network: IntegerNetwork, counts: Value) -> Value:
    """Return the lateral sums (N, K) int32; counts above 255 take a second, rare, product."""
    weights, middle = _byte_weights(g, network.lateral.weights)
    zero = g.scalar(0, UINT8)

    def product(h: Graph, byte: Value) -> Value:
        operands = [h.cast(byte, UINT8), weights, zero, middle]
        return h.raw("MatMulInteger", operands, [INT32])[0]

    if network.neurons.max_count < BYTE:
        return product(g, counts)

    def wide(h: Graph) -> Value:
        high = product(h, h.shift_right(counts, 8))
        low = product(h, h.op("BitwiseAnd", counts, BYTE - 1))
        return h.op("Add", h.op("Mul", high, BYTE), low)

    large = g.compare("Greater", g.reduce("ReduceMax", counts), BYTE - 1)
    return g.branch(large, wide, lambda h: product(h, counts))


def integrate(
    g: Graph, network: IntegerNetwork, state: Value, current: Value, counts: Value
) -> Value:
    """Return the membrane potentials (N, K) int32 after this step's counts have competed."""
    group = network.neurons
    scaled = _scale_sum(g, _lateral_sum(g, network, counts), network.lateral)
    own = g.constant(group.self_inhibition.astype(np.int64), "self_inhibition")
    total = g.op("Add", scaled, g.cast(current, INT64))
    total = g.op("Sub", total, g.op("Mul", g.cast(counts, INT64), own))
    extra = group.extra_bits
    total = g.op("Clip", total, group.update_min << extra, group.update_max << extra)
    if extra:
        rounded = g.op("Add", total, 1 << (extra - 1))
        total = g.floor_shift(rounded, extra, 1 << (62 - extra))
    after = g.op("Add", g.cast(state, INT64), total)
    return g.cast(g.op("Clip", after, group.state_min, group.state_max), INT32)


def decode(g: Graph, network: IntegerNetwork, counts: Value) -> Value:
    """Return the reconstruction (N, M) float32: an exact integer sum, then one float product."""
    weights = network.decoder.weights.astype(np.int64).T
    bound = int(np.abs(weights).sum(axis=0).max()) * network.neurons.max_count
    narrow = bound <= INT32_MAX
    stored = weights.astype(np.int32 if narrow else np.int64)
    total = g.op(
        "MatMul", g.cast(counts, INT32 if narrow else INT64), g.constant(stored, "decoder")
    )
    return g.op("Mul", g.cast(total, FLOAT32), g.constant(network.decoder.scale, "decoder_scale"))


@dataclass(frozen=True)
class IntegerCircuit:
    """An integer program as the parts of an ONNX model: a `Circuit`."""

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
    def initial_state(self) -> npt.NDArray[np.int32]:
        """Membrane potentials (K,) when an image appears."""
        return self.network.neurons.initial_state

    def held_current(self, g: Graph, pixels: Value) -> Value:
        """Return the held current (N, K) int32 of pixels (N, M) uint8."""
        return held_current(g, self.network, pixels)

    def step(
        self, g: Graph, keys: Keys, step: Value, state: Value, current: Value
    ) -> tuple[Value, Value]:
        """Return (counts, state after the update) of one step, both (N, K) int32."""
        group = self.network.neurons
        sampling = IntegerSampling(group, self.network.tables)
        counts = spike_counts(g, sampling, keys, state, step, self.n_neurons)
        counts = g.op("Min", counts, group.max_count)
        return counts, integrate(g, self.network, state, current, counts)

    def decode(self, g: Graph, counts: Value) -> Value:
        """Return the reconstruction (N, M) float32 of counts (N, K) int32."""
        return decode(g, self.network, counts)

    def metadata(self) -> dict[str, str]:
        """Return what distinguishes this program, by name."""
        return metadata(self.network)


def metadata(network: IntegerNetwork) -> dict[str, str]:
    """Return the scales, limits and provenance of a program as texts."""
    code, group = network.input, network.neurons
    return {
        "program_version": str(network.version),
        "input_kind": code.kind,
        "input_shape": f"{code.image_shape[0]}x{code.image_shape[1]}",
        "input_scale": repr(float(code.scale)),
        "input_zero_point": str(code.zero_point),
        "fraction_bits": str(group.fraction_bits),
        "extra_bits": str(group.extra_bits),
        "state_unit": f"2**-{group.fraction_bits} octaves (log2 of the rate)",
        "state_min": str(group.state_min),
        "state_max": str(group.state_max),
        "update_min": str(group.update_min),
        "update_max": str(group.update_max),
        "max_count": str(group.max_count),
        "feedforward_scale": _extent(_octaves(network.feedforward, group)),
        "lateral_scale": _extent(_octaves(network.lateral, group)),
        "decoder_scale": _extent(network.decoder.scale),
        **{f"provenance.{name}": text for name, text in network.provenance.items()},
    }


def _octaves(connection: Connection, group: NeuronGroup) -> Array:
    """Return octaves a unit of the synaptic sum, per neuron."""
    bits = connection.shift + group.fraction_bits + group.extra_bits
    return np.asarray(connection.multiplier * np.exp2(-bits.astype(np.float64)))


def _extent(values: Array) -> str:
    return f"{values.min():.9g} .. {values.max():.9g}"
