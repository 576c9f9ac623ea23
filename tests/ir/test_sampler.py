"""The Poisson sampler: exact against big integers, golden counts, parts and saturation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.ir.fixed_point import LOG2E
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.sampler import SamplerTables, part_count, part_rate, parts_log2, spike_counts

TABLES = SamplerTables()
BITS = 12


def exp2_by_hand(exponent: int) -> int:
    """The specification's exponential in Python integers, which do not wrap."""
    fraction = exponent & (2**28 - 1)
    rest = 2**31 - (((fraction & 4095) * 744261118) >> 27)
    p = (int(TABLES.coarse[fraction >> 20]) * int(TABLES.fine[(fraction >> 12) & 255])) >> 31
    return ((p * rest) >> 31) >> (exponent >> 28)


def count_by_hand(rate: int, uniform: int) -> int:
    """The specification's loop in Python integers."""
    probability = exp2_by_hand((rate * LOG2E) >> 30)
    cumulative, k = probability, 0
    while cumulative <= uniform and k < 28:
        probability = (((probability * rate) >> 28) * int(TABLES.reciprocal[k + 1])) >> 30
        if probability == 0:
            break
        k += 1
        cumulative += probability
    return k


@given(st.integers(-12 << BITS, 3 << BITS), st.integers(0, 2**31 - 1))
def test_counts_equal_the_specification_in_unbounded_integers(v: int, uniform: int) -> None:
    """NumPy's 64 bits lose nothing."""
    rate = part_rate(np.array([v]), BITS, TABLES)
    assert rate[0] == exp2_by_hand((3 * 4096 - v) << 16)
    result = part_count(rate, np.array([uniform]), TABLES)
    assert result[0] == count_by_hand(int(rate[0]), uniform)


def test_golden_counts() -> None:
    """At rate 1 (0 octaves) CDF = .3679, .7358, .9197, .9810: uniforms beside each boundary."""
    rate = part_rate(np.zeros(6, np.int64), BITS, TABLES)
    beside = np.array([0.0, 0.3678, 0.3679, 0.7357, 0.7359, 0.9198]) * 2**31
    counts = part_count(rate, beside.astype(np.int64), TABLES)
    assert counts.tolist() == [0, 0, 1, 1, 2, 3]


def test_a_silent_neuron_has_no_burst_in_its_tail() -> None:
    """At rate 2^-12 the probabilities are p0, p1, 2^-25 / 2 (64 of 2^31) and 0.

    The floors leave a few uniforms over at the top; they count 2, not MAX_PART_COUNT.
    """
    rate = part_rate(np.full(3, -12 << BITS), BITS, TABLES)
    top = np.array([2**31 - 1, 2**31 - 60, 2**31 - 80])
    assert part_count(rate, top, TABLES).tolist() == [2, 2, 1]


def test_parts_hold_the_rate_at_eight_or_below() -> None:
    """3 octaves: one part; a little above: two; 4: two; 7.5 octaves: 2^5."""
    v = np.array([3 << BITS, (3 << BITS) + 1, 4 << BITS, 15 << (BITS - 1)])
    assert parts_log2(v, BITS).tolist() == [0, 1, 1, 5]
    assert part_rate(v, BITS, TABLES).max() <= 8 << 28


def test_large_rates_have_poisson_mean_and_variance() -> None:
    """Rate 2^6.5 = 90.5 in 16 parts: 40,000 draws, five standard errors."""
    rate = 2.0**6.5
    v = np.full((40, 1000), int(6.5 * 4096), dtype=np.int64)

    def of_part(part: int) -> np.ndarray:
        return uniforms(3, np.arange(40), 0, 1000, part).astype(np.int64)

    z = spike_counts(v, of_part, BITS, 1 << 15, TABLES)
    n = z.size
    assert abs(z.mean() - rate) < 5 * (rate / n) ** 0.5
    assert abs(z.var() - rate) < 5 * rate * (2 / n) ** 0.5 * 1.1


def test_counts_saturate_at_the_largest_count() -> None:
    """Rate 64 never passes a limit of 10, and reaches it."""
    v = np.full((1, 50), 6 << BITS, dtype=np.int64)

    def of_part(part: int) -> np.ndarray:
        return uniforms(3, [0], 0, 50, part).astype(np.int64)

    assert (spike_counts(v, of_part, BITS, 10, TABLES) == 10).all()
