"""Integer Poisson sampler: spike counts from membrane potentials and 31-bit uniforms.

Inversion: the count is the number of k whose cumulative probability does not exceed the uniform,
both in 2**-31; it stops at the last count whose probability is above 0 in these units.
Rates up to 8 take one uniform. Above, a step is divided into 2**j equal parts, each with its own
uniform and 2**-j of the rate; the sum of the parts' counts is again Poisson. The distribution
depends on the membrane potential alone, so its distance to the true Poisson is measured over
every possible potential (docs/numerics.md, tests/ir/test_sampler.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Int32, Int64
from ipvae_snn.ir.fixed_point import (
    LOG2E,
    LOG2E_BITS,
    RATE_BITS,
    RECIPROCAL_BITS,
    exp2_negative,
    exp2_tables,
    multiply_shift,
    reciprocals,
    round_shift,
)
from ipvae_snn.ir.shapes import Elements, PerNeuron, Table

SPLIT_OCTAVES: Final = 3  # a part's rate is at most 2**3
MAX_PART_COUNT: Final = 28  # P(count > 28) is 8e-9 at rate 8: 17 of 2**31 uniforms
BUCKETS_LOG2: Final = 3  # bounds for silent neurons divide an octave by 2**3
MAX_PARTS_LOG2: Final = 12  # the generator's counter gives a part 12 bits
SPIKE_BITS: Final = 12  # fraction bits of a decoded rate: the least potential still has one unit

Uniforms = Callable[[int], PerNeuron]


@dataclass(frozen=True)
class SamplerTables:
    """The sampler's constants: 2**-(i/256), 2**-(i/65536) in 2**-31, and 1/k in 2**-30."""

    coarse: Table = field(default_factory=lambda: exp2_tables()[0])
    fine: Table = field(default_factory=lambda: exp2_tables()[1])
    reciprocal: Int64 = field(default_factory=lambda: reciprocals(MAX_PART_COUNT))


def parts_log2(potential: Elements, fraction_bits: int) -> Elements:
    """Return j: the step is divided into 2**j parts, so that a part's rate is at most 8."""
    above = potential - (SPLIT_OCTAVES << fraction_bits)
    return np.asarray(np.maximum(0, -((-above) >> fraction_bits)), dtype=np.int64)


def part_rate(potential: Elements, fraction_bits: int, tables: SamplerTables) -> Elements:
    """Return a part's rate in units of 2**-28; potential in 2**-fraction_bits octaves."""
    within = potential - (parts_log2(potential, fraction_bits) << fraction_bits)
    below_eight = (SPLIT_OCTAVES << fraction_bits) - within
    return exp2_negative(below_eight << (RATE_BITS - fraction_bits), tables.coarse, tables.fine)


def spike_rates(
    potential: Elements, fraction_bits: int, max_count: int, tables: SamplerTables
) -> Elements:
    """Return the rates at membrane potentials in units of 2**-12 spikes per step, rounded half up.

    They are the rates at which counts are drawn, all parts together, and end at max_count as counts
    do.
    """
    parts = parts_log2(potential, fraction_bits)
    rate = part_rate(potential, fraction_bits, tables) << parts
    return np.minimum(round_shift(rate, RATE_BITS - SPIKE_BITS), max_count << SPIKE_BITS)


def part_count(rate: Elements, uniform: Elements, tables: SamplerTables) -> Elements:
    """Return the count of one part by sequential inversion.

    rate in 2**-28 (at most 8), uniform in [0, 2**31). A uniform U stands for U + 1/2, so that
    cumulative <= U is an exact comparison of numbers in 2**-31, and count 0 has exactly the
    probability that the first exponential gives. probability_{k+1} = probability_k * rate /
    (k + 1), each product shifted down. The probability lost in the shifts goes to the last count
    with a probability above 0, not to MAX_PART_COUNT.
    """
    exponent = multiply_shift(rate, LOG2E, LOG2E_BITS)
    probability = exp2_negative(exponent, tables.coarse, tables.fine)
    cumulative = probability
    count = np.zeros_like(rate)
    for k in range(1, MAX_PART_COUNT + 1):
        above = cumulative <= uniform
        if not above.any():
            break
        scaled = multiply_shift(probability, rate, RATE_BITS)
        probability = multiply_shift(scaled, tables.reciprocal[k], RECIPROCAL_BITS)
        cumulative = cumulative + probability
        count = count + (above & (probability > 0))
    return count


def least_spiking_uniforms(
    state_min: int, state_max: int, fraction_bits: int, tables: SamplerTables
) -> Annotated[Int32, "buckets"]:
    """Return the least uniform that can give a part a spike, for each eighth of an octave.

    Buckets go from state_min up. Exact by construction: the minimum over every membrane potential
    in the bucket, by the functions above. A part spikes if its uniform is not below P(0), which
    stays below 2**31 down to the least state_min, -12 octaves: int32 holds it.
    """
    width = 1 << (fraction_bits - BUCKETS_LOG2)
    least = []
    for start in range(state_min, state_max + 1, width):
        potential = np.arange(start, min(start + width, state_max + 1), dtype=np.int64)
        exponent = multiply_shift(part_rate(potential, fraction_bits, tables), LOG2E, LOG2E_BITS)
        least.append(int(exp2_negative(exponent, tables.coarse, tables.fine).min()))
    return np.array(least, dtype=np.int32)


def spike_counts(
    potential: PerNeuron,
    uniforms: Uniforms,
    fraction_bits: int,
    max_count: int,
    tables: SamplerTables,
) -> PerNeuron:
    """Return the spike counts drawn at membrane potentials.

    `uniforms(p)` gives the uniforms of part p. Counts above `max_count` saturate there.
    """
    n_parts = np.int64(1) << parts_log2(potential, fraction_bits)
    rate = part_rate(potential, fraction_bits, tables)
    count = part_count(rate, uniforms(0), tables)
    for part in range(1, int(n_parts.max(initial=1))):
        drawn = part_count(rate, uniforms(part), tables)
        count = count + np.where(part < n_parts, drawn, 0)
    return np.minimum(count, max_count)
