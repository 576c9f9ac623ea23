"""Exact law of the integer sampler: agreement with the code, and distance to Poisson."""

import json
import re
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

from ipvae_snn.arrays import Int64
from ipvae_snn.conversion.sampler_law import (
    LawBounds,
    distances,
    law_bounds,
    part_law,
    part_thresholds,
    step_law,
    tail_mass,
)
from ipvae_snn.ir.prng import UNIFORM_BITS
from ipvae_snn.ir.sampler import SamplerTables, part_count, part_rate, parts_log2

TABLES = SamplerTables()
BITS = 12
LOWEST, HIGHEST = -12 << BITS, 15 << BITS  # the widest limits that a network may have
PAGE = Path(__file__).parents[2] / "docs" / "numerics.md"


@cache
def every_state() -> LawBounds:
    """Return the bounds over all 110,593 states that a network with 12 fraction bits can have."""
    return law_bounds(BITS, LOWEST, HIGHEST, 1 << BITS)


def test_every_state_is_measured() -> None:
    bounds = every_state()
    assert (bounds.stride, bounds.states, bounds.all_states) == (1, 110_593, 110_593)
    assert [octave.top for octave in bounds.octaves] == list(range(-12, 16))


def test_law_meets_its_goals_at_every_state() -> None:
    """Total variation, mean and P(0) up to rate 16; total variation up to the largest cap."""
    low = every_state().up_to(4)
    assert low.total_variation < 1e-5
    assert low.mean < 1e-4
    assert low.zero < 1e-4
    assert every_state().up_to(15).total_variation < 1e-3


@pytest.mark.parametrize(("bits", "per_octave"), [(4, 16), (8, 256), (16, 4096)])
def test_law_meets_its_goals_at_other_resolutions(bits: int, per_octave: int) -> None:
    """All states at 4 and 8 fraction bits, every 16th at 16."""
    bounds = law_bounds(bits, -12 << bits, 15 << bits, per_octave)
    low = bounds.up_to(4)
    assert max(low.mean, low.zero) < 1e-4
    assert low.total_variation < 1e-5
    assert bounds.up_to(15).total_variation < 1e-3


def test_figures_on_the_page_are_those_measured() -> None:
    """The table of docs/numerics.md, read from the page; every figure to its last digit."""
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| 2\^(\d+) \| (\S+) \| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    assert [int(top) for top, *_ in rows] == [0, 3, 4, 10, 15]
    for top, *figures in rows:
        worst = every_state().up_to(int(top))
        result = [worst.total_variation, worst.mean, worst.zero]
        assert figures == [f"{value:.1e}" for value in result], top


def test_units_on_the_page() -> None:
    """P(0) of a part at rate 8 on grids of 31 and 24 bits; the mean at rate 2^-12 on 24."""
    text = PAGE.read_text(encoding="utf-8")
    fine = re.search(r"P\(0\) = e\^-8 has\s+([\d,]+) units", text)
    coarse = re.search(r"rate 8 is ([\d,]+) steps\s+and the mean at rate 2\^-12 is ([\d,]+),", text)
    assert fine is not None
    assert coarse is not None
    law = part_law(np.array([3 << BITS]), BITS, TABLES)[0]
    assert fine[1] == f"{round(law[0], -4):,}"
    assert coarse[1] == f"{round(np.exp(-8.0) * 2**24):,}"
    assert coarse[2] == f"{2**24 >> 12:,}"


POTENTIALS = np.array([LOWEST, -20_001, -4096, 0, 5000, 3 << BITS, (3 << BITS) + 1, HIGHEST])


def beside_thresholds(potential: int) -> Int64:
    """Return every uniform at, below and above a threshold of one part, and both ends."""
    edges = part_thresholds(np.array([potential]), BITS, TABLES)[0]
    uniforms = np.concatenate([edges - 1, edges, edges + 1, [0, (1 << UNIFORM_BITS) - 1]])
    return np.unique(uniforms[(uniforms >= 0) & (uniforms < 1 << UNIFORM_BITS)])


@pytest.mark.parametrize("potential", POTENTIALS.tolist())
def test_law_is_that_of_the_code(potential: int) -> None:
    """The sampler's counts change at the law's thresholds and nowhere beside them."""
    uniforms = beside_thresholds(potential)
    rate = part_rate(np.full(len(uniforms), potential), BITS, TABLES)
    edges = part_thresholds(np.array([potential]), BITS, TABLES)[0]
    expected = (edges[np.newaxis] <= uniforms[:, np.newaxis]).sum(axis=1)
    result = part_count(rate, uniforms, TABLES)
    np.testing.assert_array_equal(result, expected)
    # A count that never falls as U rises, seen on both sides of every step, has no other steps:
    # the number of uniforms between two of its steps is the law.
    law = part_law(np.array([potential]), BITS, TABLES)[0]
    starts = [int(uniforms[result >= k][0]) for k in range(int(result.max()) + 1)]
    np.testing.assert_array_equal(np.diff([*starts, 2**31]), law[law > 0])


def test_law_of_one_part_at_every_state() -> None:
    """Not negative, sums to 2^31, and the potentials of one octave repeat in every higher one."""
    states = np.arange(LOWEST, (4 << BITS) + 1, dtype=np.int64)
    law = part_law(states, BITS, TABLES)
    assert law.min() >= 0
    assert (law.sum(axis=1) == 1 << 31).all()
    np.testing.assert_array_equal(law[-4096:], law[-8192:-4096])


def test_what_the_floors_leave_is_no_burst() -> None:
    """Up to rate 2^-8: at most 3 uniforms are left over, and they count at most 3."""
    states = np.arange(LOWEST, (-8 << BITS) + 1, dtype=np.int64)
    rate = part_rate(states, BITS, TABLES)
    law = part_law(states, BITS, TABLES)
    assert int(np.flatnonzero(law.any(axis=0)).max()) == 3
    probability = cumulative = law[:, 0]
    for k in range(1, 29):
        probability = (((probability * rate) >> 28) * TABLES.reciprocal[k]) >> 30
        cumulative = cumulative + probability
    left_over = (1 << 31) - cumulative
    assert left_over.max() == 3
    # What they would do to the mean if they counted 28, as they would without the stop.
    burst = 28 * left_over / 2.0**31 / 2.0 ** (states / 4096)
    assert 1.0e-4 < burst.max() < 1.1e-4


def exact_convolution(law: Int64, n_parts: int) -> list[Fraction]:
    """Return the law of a sum of parts in Python's integers."""
    whole = law.astype(object)
    for _ in range(n_parts.bit_length() - 1):
        whole = np.convolve(whole, whole)
    return [Fraction(int(value), 2 ** (31 * n_parts)) for value in whole]


@pytest.mark.parametrize("potential", [-5000, (3 << BITS) + 1, (5 << BITS) - 7, 6 << BITS])
def test_law_of_a_step_is_the_exact_convolution(potential: int) -> None:
    """1, 2, 4 and 8 parts; and with saturation."""
    n_parts = 1 << int(parts_log2(np.array([potential]), BITS)[0])
    exact = exact_convolution(part_law(np.array([potential]), BITS, TABLES)[0], n_parts)
    result = step_law(potential, BITS, TABLES)
    np.testing.assert_allclose(result, np.array(exact, float), rtol=0, atol=1e-15)
    saturated = step_law(potential, BITS, TABLES, max_count=9)
    np.testing.assert_array_equal(saturated[:9], result[:9])
    assert saturated[9] == pytest.approx(float(sum(exact[9:])), abs=1e-14)
    np.testing.assert_array_equal(step_law(potential, BITS, TABLES, 28 * n_parts + 1), result)


def test_law_of_the_most_parts_is_that_of_sums_of_positive_terms() -> None:
    """4,096 parts. Direct convolution has no cancellation: its relative error is tiny."""
    whole = part_law(np.array([HIGHEST]), BITS, TABLES)[0] / 2.0**31
    first = 0
    for _ in range(12):
        whole = np.convolve(whole, whole)
        kept = np.flatnonzero(whole > 1e-30)
        first = 2 * first + int(kept[0])
        whole = whole[kept[0] : kept[-1] + 1]
    result = step_law(HIGHEST, BITS, TABLES)
    np.testing.assert_allclose(result[first : first + len(whole)], whole, rtol=0, atol=1e-11)
    assert result.sum() == pytest.approx(1.0, abs=1e-10)


@pytest.mark.parametrize("potential", POTENTIALS.tolist())
def test_distances_are_those_of_the_whole_law(potential: int) -> None:
    """Against scipy's Poisson on every count that can occur, without any window."""
    result = distances(np.array([potential]), BITS, TABLES)
    rate = 2.0 ** (potential / 4096)
    law = step_law(potential, BITS, TABLES)
    counts = np.arange(len(law))
    true = poisson.pmf(counts, rate)
    variation = 0.5 * (np.abs(law - true).sum() + poisson.sf(counts[-1], rate))
    assert result.total_variation[0] == pytest.approx(variation, abs=1e-9)
    assert result.mean[0] == pytest.approx(law @ counts / rate - 1, abs=1e-9)
    if rate <= 16:
        assert result.zero[0] == pytest.approx(law[0] / np.exp(-rate) - 1, rel=1e-3, abs=1e-12)


def test_windows_leave_out_nothing_that_counts() -> None:
    """Chernoff's bound on what either law holds beyond half a window, at every octave."""
    for log2 in range(1, 13):
        n = 1 << log2
        half = (16 * (8 * n) ** 0.5 + 64) / 2
        potentials = ((2 + log2) << BITS) + np.array([1, 1000, 2500, 4096])
        law = part_law(potentials, BITS, TABLES) / 2.0**31
        rates = 2.0 ** (potentials / 4096)
        for row, rate in zip(law, rates, strict=True):
            outside = 0.0
            # A window that begins below 0 leaves out nothing on that side.
            for edge in (rate + half, rate - half)[: 1 + (rate > half)]:
                tilt = np.log(edge / rate)  # the best one for a Poisson law of this rate
                moment = np.log(row @ np.exp(tilt * np.arange(len(row))))
                outside += np.exp(n * moment - tilt * edge)
            outside += poisson.sf(rate + half - 1, rate) + poisson.cdf(rate - half, rate)
            assert outside < 1e-13, (log2, rate)


def test_bounds_are_plain_data_and_say_their_stride() -> None:
    bounds = law_bounds(BITS, -40_001, 20_000, 256)
    assert bounds.stride == 16
    assert bounds.all_states == 60_002
    # Multiples of 16 from -40,000 to 20,000, and the odd lower end.
    assert bounds.states == 3751 + 1
    assert bounds.octaves[-1].top == 5  # 20,000 / 4,096 = 4.9
    data = json.loads(json.dumps(bounds.as_json()))
    assert data["octaves"][0].keys() == {"top", "total_variation", "mean", "zero"}
    assert bounds.up_to(5).total_variation <= every_state().up_to(5).total_variation
    assert bounds.up_to(-12) == type(bounds.octaves[0])(-12, 0.0, 0.0, 0.0)


def test_tail_mass_by_hand() -> None:
    """P(count > 1) = 1 - 2/e at rate 1; saturation adds no more than that to the distance."""
    assert tail_mass(1.0, 1) == pytest.approx(1 - 2 / np.e)
    saturated = step_law(0, BITS, TABLES, max_count=1)
    true = poisson.pmf(np.arange(2), 1.0)
    distance = 0.5 * (np.abs(saturated - true).sum() + poisson.sf(1, 1.0))
    whole = distances(np.array([0]), BITS, TABLES).total_variation[0]
    assert distance <= tail_mass(1.0, 1) + whole + 1e-15
