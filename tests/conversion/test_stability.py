"""The certificate's statements, each compared with a direct calculation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from ipvae_snn.conversion.stability import (
    RATE_BOUND,
    Limits,
    RequiredInhibition,
    energy_margin,
    least_own_inhibition,
    loop_gain,
    rate_bound,
    steadied,
)


def crossing(own: int, limits: Limits) -> float:
    """Return the largest P(v + round((excitation_max 2^E - own z) / 2^E) > state_max), every v."""
    fine = 1 << limits.extra_bits
    worst = 0.0
    for v in range(limits.state_max - limits.excitation_max - 2, limits.state_max + 1):
        z = np.arange(limits.max_count + 1)
        update = ((limits.excitation_max * fine - own * z) + (fine >> 1)) >> limits.extra_bits
        law = poisson.pmf(z, 2.0 ** (v / (1 << limits.fraction_bits)))
        law[-1] += max(0.0, 1.0 - law.sum())  # counts saturate
        worst = max(worst, float(law[v + update > limits.state_max].sum()))
    return worst


@settings(max_examples=20, deadline=None)
@given(
    own=st.integers(1, 1200),
    extra=st.integers(0, 3),
    octaves=st.integers(2, 6),
    lift=st.integers(20, 200),
)
def test_the_rate_bound_holds_everywhere(own: int, extra: int, octaves: int, lift: int) -> None:
    """6 fraction bits, so that every potential below the cap can be tried."""
    limits = Limits(6, extra, octaves << 6, lift, 400)
    result = float(rate_bound(np.array([own]), limits)[0])
    assert crossing(own, limits) <= result + 1e-12


def test_the_rate_bound_is_not_trivial() -> None:
    """Strong inhibition holds, none does not, and the bound is near the truth."""
    limits = Limits(8, 2, 6 << 8, 256, 200)
    truth = crossing(60, limits)
    result = rate_bound(np.array([0, 60, 4000]), limits)
    assert result[0] == 1.0
    assert truth <= result[1] < 2 * truth + 1e-12
    assert result[2] < RATE_BOUND


def test_least_own_inhibition_is_the_least() -> None:
    """One unit less does not hold."""
    limits = Limits(12, 0, 8 << 12, 6000, 400)
    least = least_own_inhibition(limits, 1 << 20)
    assert (
        rate_bound(np.array([least]), limits)[0]
        <= RATE_BOUND
        < rate_bound(np.array([least - 1]), limits)[0]
    )
    assert least_own_inhibition(limits, 5) == 6


def test_weak_neurons_are_exempt() -> None:
    """Inhibition below `exempt` stays as it is; above, it is at least `least`."""
    rule = RequiredInhibition(least=10.0, exempt=3.0)
    own = np.array([0.5, 2.9, 3.0, 9.0, 12.0])
    assert rule.strengthened(own).tolist() == [0.5, 2.9, 10.0, 10.0, 12.0]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.3))
def test_a_margin_means_no_negative_energy(seed: int, noise: float) -> None:
    """Random rates within the box, also along the most negative direction."""
    rng = np.random.default_rng(seed)
    phi = rng.normal(size=(4, 8))
    competition = phi.T @ phi + noise * rng.normal(size=(8, 8))
    threshold, rates = rng.uniform(0.1, 1, 8), rng.uniform(0.5, 5, 8)
    if energy_margin(competition, threshold, rates) < 0:
        return
    _, vectors = np.linalg.eigh((competition + competition.T) / 2)
    points = np.concatenate([rng.uniform(0, 1, (200, 8)), np.maximum(vectors.T, 0)]) * rates
    energy = np.einsum("ni,ij,nj->n", points, competition, points) / 2 + points @ threshold
    assert energy.min() >= -1e-9


def test_a_margin_by_hand() -> None:
    """C = [[1, -2], [-2, 1]] has eigenvalue -1; threshold / rate adds 2 x .25 and 2 x .75."""
    c = np.array([[1.0, -2.0], [-2.0, 1.0]])
    threshold = np.array([1.0, 1.0])
    assert energy_margin(c, threshold, np.array([4.0, 4.0])) == pytest.approx(-0.5)
    assert energy_margin(c, threshold, np.array([4 / 3, 4 / 3])) == pytest.approx(0.5)


def test_loop_gain_by_hand() -> None:
    """sqrt(r) C sqrt(r) of a diagonal C is r c."""
    assert loop_gain(np.diag([0.1, 0.3]), np.array([5.0, 2.0])) == pytest.approx(0.6)


def test_steadied_by_hand() -> None:
    # [[0, .3], [.1, 0]], symmetrised, has the eigenvalues .2 and -.2 with (1, -1) / sqrt 2.
    competition, rates = np.array([[0.0, 0.3], [0.1, 0.0]]), np.full(2, 1.6)
    wanted = [[0.1, 0.2], [0.0, 0.1]]
    np.testing.assert_allclose(steadied(competition, np.zeros(2), rates), wanted, atol=1e-12)
    # Without the second synapse the first one makes the whole change.
    one = np.array([[0.0, 0.4], [0.0, 0.0]])
    np.testing.assert_allclose(steadied(one, np.zeros(2), rates, 1), wanted, atol=1e-12)
    # A threshold of .16 at a rate of 1.6 makes up for .2.
    held = np.full(2, 0.16 + 1e-12)
    np.testing.assert_array_equal(steadied(competition, held, rates), competition)


@settings(deadline=None)
@given(seed=st.integers(0, 1 << 30), density=st.floats(0.1, 1.0))
def test_steadied_keeps_zeros_and_approaches_the_margin(seed: int, density: float) -> None:
    g = np.random.default_rng(seed)
    competition = g.standard_normal((7, 7)) * (g.random((7, 7)) < density)
    threshold, rates = g.random(7), 1 + g.random(7)
    before = energy_margin(competition, threshold, rates)
    result = steadied(competition, threshold, rates)
    assert not result[(competition == 0) & (np.eye(7) == 0)].any()
    assert energy_margin(result, threshold, rates) >= 0.2 * min(before, 0.0) - 1e-9
    # The second projection moves no further than the first.
    once = steadied(competition, threshold, rates, 1)
    twice = steadied(once, threshold, rates, 1)
    assert np.linalg.norm(twice - once) <= np.linalg.norm(once - competition) + 1e-12
