"""The integer network's Poisson sampler as ONNX subgraphs (docs/ir.md, Poisson counts)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ipvae_snn.arrays import Int32
from ipvae_snn.export.onnx.graph import INT32, INT64, UINT64, Graph, Value
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
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.sampler import (
    BUCKETS_LOG2,
    MAX_PART_COUNT,
    SPIKE_BITS,
    SPLIT_OCTAVES,
    SamplerTables,
    least_spiking_uniforms,
)


def exp2_negative_graph(g: Graph, exponent: Value, tables: SamplerTables) -> Value:
    """Return 2**-x in 2**-31 for int64 x in 2**-28, 0 <= x < 2**32 (docs/ir.md)."""
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
        rate = self._part_rate(g, state)
        exponent = g.shift_right(g.op("Mul", rate, LOG2E), LOG2E_BITS)
        return g.cast(uniform, INT64), rate, exp2_negative_graph(g, exponent, self.tables)

    def rates(self, g: Graph, state: Value) -> Value:
        """Return the rates at states, int32 in 2**-12 spikes per step, of all parts together."""
        rate, shift = self._part_rate(g, state), RATE_BITS - SPIKE_BITS
        if self.splits:
            rate = g.op("Mul", rate, self.parts(g, state))
        rounded = g.shift_right(g.op("Add", rate, 1 << (shift - 1)), shift)
        return g.cast(g.op("Min", rounded, self.group.max_count << SPIKE_BITS), INT32)

    def _part_rate(self, g: Graph, state: Value) -> Value:
        """Return the rates of one part at states, int64 in 2**-28."""
        bits = self.group.fraction_bits
        within = g.cast(state, INT64)
        if self.splits:
            whole = g.op("Mul", self._parts_log2(g, state), 1 << bits)
            within = g.op("Sub", within, whole)
        below = g.op("Sub", g.scalar(self.one_part_limit, INT64), within)
        return exp2_negative_graph(g, g.op("Mul", below, 1 << (RATE_BITS - bits)), self.tables)

    def advance(self, g: Graph, probability: Value, rate: Value, k: Value) -> Value:
        """Return probability * rate / k, each product shifted down."""
        reciprocal = g.gather(g.constant(self.tables.reciprocal, "reciprocal"), k)
        scaled = g.shift_right(g.op("Mul", probability, rate), RATE_BITS)
        return g.shift_right(g.op("Mul", scaled, reciprocal), RECIPROCAL_BITS)
