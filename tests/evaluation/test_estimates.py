"""Sparseness, intervals and the linear read-out, each by hand or by a plain formula."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ipvae_snn.evaluation import figures, readout
from ipvae_snn.metrics import estimates, sparseness


def test_sparseness_by_hand() -> None:
    """(4, 0): mean 2, mean square 8, 1 - 4/8 = 1/2 over 1 - 1/2 gives 1; equal rates give 0."""
    rates = np.array([[4.0, 3.0, 0.0], [0.0, 3.0, 0.0]])
    np.testing.assert_allclose(sparseness.lifetime(rates), [1.0, 0.0, np.nan])
    # Image 0: mean 7/3, mean square 25/3: (1 - 49/75) / (2/3) = 0.52; image 1: one neuron of three.
    np.testing.assert_allclose(sparseness.population(rates), [0.52, 1.0])
    assert np.isnan(sparseness.lifetime(rates[:1])).all()


RATES = st.just(0.0) | st.floats(1e-290, 1e3)  # which stay normal numbers in any of the units


@given(st.lists(RATES, min_size=2, max_size=20), st.floats(1e-3, 1e3))
@example([0.0, 2.8e-160], 0.0078125)  # whose square is no normal number
def test_sparseness_is_within_0_and_1_whatever_the_unit(rates: list[float], unit: float) -> None:
    row = np.array([rates])
    result = sparseness.population(row)
    if not np.isnan(result).any():
        assert -1e-9 <= result[0] <= 1 + 1e-9
        np.testing.assert_allclose(sparseness.population(unit * row), result, atol=1e-9)


def test_wilsons_interval_by_hand() -> None:
    """Newcombe (1998), table I: 81 of 263 gives 0.2553 .. 0.3662, and 0 of 20 gives 0 .. 0.1611."""
    result = estimates.share(81, 263)
    assert (result.mean, result.n) == (81 / 263, 263)
    assert (round(result.low, 4), round(result.high, 4)) == (0.2553, 0.3662)
    nothing = estimates.share(0, 20)
    assert (nothing.low, round(nothing.high, 4)) == (0.0, 0.1611)
    assert estimates.share(20, 20).high == 1.0
    assert estimates.share(0, 10_000).low == 0.0


def test_the_corner_s_interval_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(0)
    r2, zeros = rng.normal(0.7, 0.1, 400), rng.normal(0.8, 0.05, 400)
    r2[3] = np.nan
    result = figures.corner(r2, zeros)
    again = []
    for _ in range(2000):
        rows = rng.integers(0, 400, 400)
        again.append(math.hypot(1 - np.nanmean(r2[rows]), 1 - zeros[rows].mean()))
    assert result.excluded == 1
    assert result.mean == pytest.approx(np.mean(again), rel=2e-3)
    np.testing.assert_allclose([result.low, result.high], np.quantile(again, [0.025, 0.975]), 0.01)
    assert figures.corner(np.ones(5), np.ones(5)).mean == 0.0


def clusters(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Three classes in five features of very different scale; one feature is constant."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    features = rng.normal(0, 1, (n, 5))
    features[np.arange(n), labels] += 6
    return features * [1, 1e3, 1e-3, 1, 0], labels


def test_a_readout_of_clear_classes_is_right_and_of_none_is_chance() -> None:
    features, labels = clusters(600, 0)
    judged, truth = clusters(300, 1)
    result = readout.linear_readout(features, labels, judged, truth)
    assert result.accuracy.mean > 0.99
    assert (result.fitted_on, result.converged, result.accuracy.n) == (600, True, 300)
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, (600, 5)), rng.normal(0, 1, (300, 5))
    blind = readout.linear_readout(noise[0], labels, noise[1], truth)
    assert blind.accuracy.low < 1 / 3 < blind.accuracy.high


def test_a_fit_that_stops_early_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readout, "MAX_ITERATIONS", 1)
    assert not readout.linear_readout(*clusters(100, 0), *clusters(50, 1)).converged


def test_the_penalty_is_chosen_on_images_that_are_fitted_on() -> None:
    """Among 800 useless features, the weakest penalty fits noise and is less accurate."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 1500)
    features = rng.normal(0, 1, (1500, 801))
    features[:, 0] += 1.5 * labels
    result = readout.linear_readout(features, labels, features, labels)
    assert result.c < 1.0
    few = readout.linear_readout(features[:400], labels[:400], features, labels)
    assert few.c == 1.0


def test_the_papers_readout_takes_rates_as_they_are() -> None:
    """A class in a feature of small scale is found by ours alone; the penalty hides it from it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 800)
    features = np.stack([rng.normal(0, 1, 800), 1e-4 * (3.0 * labels + rng.normal(0, 1, 800))], 1)
    paper = readout.paper_readout(features, labels, features, labels)
    ours = readout.linear_readout(features, labels, features, labels)
    assert paper.accuracy.mean < 0.7 < 0.9 < ours.accuracy.mean
    assert (paper.c, paper.fitted_on, paper.converged) == (1.0, 800, True)
    large = 1e4 * features
    assert readout.paper_readout(large, labels, large, labels).accuracy.mean > 0.9


def test_labels_that_allow_no_readout() -> None:
    some, other = np.array([0, 1, 1]), np.array([2, 3])
    assert readout.unfit_reason(None, some) == "the data set has no labels"
    assert readout.unfit_reason(some[1:], some) == "the training images have one label only"
    assert readout.unfit_reason(some, other) == "no label of these images occurs in training"
    assert readout.unfit_reason(some, some) is None
