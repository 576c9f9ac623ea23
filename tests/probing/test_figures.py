"""Figures of responses that were made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.probing import bar, latency, masking, noise, orientation
from ipvae_snn.probing.normalisation import normalisation

CONTRASTS = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.8])


@settings(max_examples=15, deadline=None)
@given(st.floats(0.7, 3), st.floats(0.1, 0.6), st.floats(0.05, 2))
def test_a_normalised_response_is_recognised(n: float, half: float, weight: float) -> None:
    c, m = (grid.ravel() for grid in np.meshgrid(CONTRASTS, CONTRASTS, indexing="ij"))
    response = 1.0 + 20.0 * c**n / (half**n + c**n + weight * m**n)
    fit = normalisation(c, m, response)
    assert fit.r2 > 0.99
    assert fit.exponent == pytest.approx(n, rel=0.1)
    assert fit.weight == pytest.approx(weight, rel=0.1, abs=0.02)


def test_a_linear_response_does_not_saturate() -> None:
    fit = normalisation(CONTRASTS, np.zeros(6), 50 * CONTRASTS)
    assert fit.r2 > 0.999
    assert fit.half > 1
    assert fit.weight == 0


def test_a_silent_neuron_has_no_fit() -> None:
    assert np.isnan(normalisation(CONTRASTS, np.zeros(6), np.zeros(6)).r2)


def test_half_of_a_ramp_is_between_two_steps() -> None:
    """0, 0, 0, 2, 4, 6, 8, 8, 8: the mean of three steps is half of 8 at the fifth, step 5."""
    course = np.array([0.0, 0, 0, 2, 4, 6, 8, 8, 8])
    assert latency.half_time(course, 0.0) == pytest.approx(5.0)
    # From a blank of 2, half way is 5: between steps 5 (4) and 6 (6).
    assert latency.half_time(course, 2.0) == pytest.approx(5.5)


def test_a_response_at_once_has_latency_1_and_none_has_none() -> None:
    assert latency.half_time(np.full(9, 3.0), 0.0) == 1.0
    assert np.isnan(latency.half_time(np.full(9, 0.4), 0.0))


def test_steps_saved_per_doubling() -> None:
    """From 40 steps at 1/4 to 10 at 1 are 15 per doubling; one contrast gives no line."""
    rows = np.array([[40.0, 25.0, 10.0], [np.nan, np.nan, 10.0]])
    saved = latency.saved(np.array([0.25, 0.5, 1.0]), rows)
    assert saved[0] == pytest.approx(15.0)
    assert np.isnan(saved[1])


def test_suppression_is_what_the_mask_takes() -> None:
    """8 above a blank of 2 become 5 above it: 3/8 are lost; a weak grating shows none."""
    responses = np.array([[[2.0, 2.0], [10.0, 7.0]]])
    found = masking.suppression(responses, np.array([2.0]))
    np.testing.assert_allclose(found[0, 1], [0.0, 0.375])
    assert np.isnan(found[0, 0]).all()


def test_von_mises_width() -> None:
    """k = 4: cos 2d = 1 - ln 2 / 4, so d = 17.1 degrees."""
    angles = np.radians(orientation.OFFSETS)
    curve = 1 + 9 * np.exp(4 * (np.cos(2 * (angles - 0.2)) - 1))
    width, r2 = orientation.von_mises(orientation.OFFSETS, curve)
    assert width == pytest.approx(0.5 * np.degrees(np.arccos(1 - np.log(2) / 4)), abs=0.1)
    assert r2 == pytest.approx(1.0)
    assert np.isnan(orientation.von_mises(orientation.OFFSETS, np.ones(18))).all()


def test_modulation_of_cells() -> None:
    """A sine about its mean 1 / 2: F1 / F0 = 1. A cell that answers all phases alike: 0."""
    phases = np.radians(orientation.PHASES)
    rows = np.stack([0.5 + 0.5 * np.cos(phases), np.full(8, 3.0), np.zeros(8)])
    found = orientation.modulation(rows, np.zeros(3))
    np.testing.assert_allclose(found[:2], [1.0, 0.0], atol=1e-12)
    assert np.isnan(found[2])


def test_the_average_at_spikes_is_the_image_shown() -> None:
    """A neuron that spikes in the last step of every image whose place 2 is bright."""
    light = noise_light()
    steps = 4
    counts = np.zeros((2, 40, steps, 1), np.int32)
    counts[:, :, -1, 0] = light[:, :, 2] > 0.5
    found = noise.sums(light, counts)
    later = light[:, noise.BEFORE - 1 :]
    spikes = int((later[:, :, 2] > 0.5).sum())
    np.testing.assert_array_equal(found.spikes, [[0, 0, 0, spikes]])
    shown = later[later[:, :, 2] > 0.5].sum(axis=0)
    np.testing.assert_allclose(found.triggered[0, 0, -1], shown, rtol=1e-5)
    before = light[:, noise.BEFORE - 2 : -1][later[:, :, 2] > 0.5].sum(axis=0)
    np.testing.assert_allclose(found.triggered[0, 1, -1], before, rtol=1e-4, atol=1e-5)


def noise_light() -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (2, 40, 6)).astype(np.float32)


def test_correlation_of_pictures() -> None:
    a = np.array([[[0.0, 1], [2, 3]], [[1, 1], [1, 1]]])
    found = noise.correlation(a, (-2 * a + 5).astype(np.float32))
    assert found[0] == pytest.approx(-1.0)
    assert np.isnan(found[1])


def test_indices_of_two_responses() -> None:
    first, second = np.array([3.0, 1.0, 0.01]), np.array([1.0, 3.0, 0.02])
    np.testing.assert_allclose(bar.contrast_of(first, second)[:2], [0.5, -0.5])
    np.testing.assert_allclose(bar.contrast_of(first, second, ordered=True)[:2], [0.5, 0.5])
    assert np.isnan(bar.contrast_of(first, second)[2])


def test_a_late_response_follows_the_bar_both_ways() -> None:
    """A place 2 pixels ahead, and a delay of one pixel: centres 3 there and -1 back."""
    offsets = bar.sweep((6, 8))
    np.testing.assert_array_equal(offsets, np.arange(-5.0, 6.0))
    pair = np.zeros((1, 2, len(offsets)))
    pair[0, 0, 5 + 3] = pair[0, 1, 5 - 1] = 4.0
    assert bar.delays(offsets, pair)[0] == pytest.approx(bar.STEPS_PER_FRAME)
    assert np.isnan(bar.delays(offsets, 0 * pair)[0])
