"""Stimuli: what is shown, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.metrics.gabor import gabor_fit
from ipvae_snn.probing.stimuli import Waves, bars, gratings, noise, pixels

SHAPE = (4, 4)


def wave(x: float, y: float, frequency: float, orientation: float, phase: float) -> Waves:
    return Waves(*(np.array([value]) for value in (x, y, frequency, orientation, phase)))


def test_vertical_stripes_are_those_of_90_degrees() -> None:
    """A quarter of a cycle per pixel from column 0: 1, 0, -1, 0, in every row."""
    light = gratings(SHAPE, wave(0, 0, 0.25, 90, 0), np.array([0.5]))
    np.testing.assert_allclose(light.reshape(4, 4), [[0.5, 0, -0.5, 0]] * 4, atol=1e-7)


def test_horizontal_stripes_are_those_of_0_degrees_and_run_down() -> None:
    """90 degrees clockwise of 0 is down: a phase of 90 is sin(-), so row 1 is -1."""
    light = gratings(SHAPE, wave(0, 0, 0.25, 0, 90), np.array([1.0]))
    np.testing.assert_allclose(light.reshape(4, 4)[:, 0], [0, -1, 0, 1], atol=1e-7)


def test_45_degrees_rise_to_the_right() -> None:
    """Along stripes from the lower left to the upper right, light is equal."""
    image = gratings(SHAPE, wave(1, 1, 0.2, 45, 20), np.array([1.0])).reshape(4, 4)
    assert image[3, 0] == pytest.approx(image[0, 3], abs=1e-6)
    assert abs(image[0, 0] - image[3, 3]) > 0.1


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 179), st.floats(-180, 180), st.floats(4, 11))
def test_a_gabor_answers_its_own_grating_most(angle: float, phase: float, place: float) -> None:
    """The conventions of fits and of gratings are the same."""
    shape = (16, 16)
    own = wave(place, 15 - place, 0.2, angle, phase)
    y, x = np.mgrid[:16, :16]
    envelope = np.exp(-((x - place) ** 2 + (y - 15 + place) ** 2) / (2 * 2.5**2))
    element = envelope * gratings(shape, own, np.ones(1)).reshape(shape)
    fit = Waves.preferred(gabor_fit(element))
    shown = gratings(shape, fit, np.ones(1)).reshape(shape)
    turns = np.linspace(0, 360, 24, endpoint=False)
    others = gratings(shape, fit.turned(np.full(24, 0.0), turns), np.ones(24))
    assert (element * shown).sum() >= 0.98 * (others @ element.ravel()).max()
    assert (element * shown).sum() > 0.9 * np.abs(element).sum() * 0.6


def test_waves_are_turned_in_order() -> None:
    both = Waves(*(np.array([1.0, 2.0]) for _ in range(5)))
    turned = both.turned(np.array([0.0, 90.0]), np.array([5.0, 6.0]))
    np.testing.assert_array_equal(turned.orientation, [1, 91, 2, 92])
    np.testing.assert_array_equal(turned.phase, [6, 7, 7, 8])
    np.testing.assert_array_equal(turned.frequency, [1, 1, 2, 2])


def test_a_bar_moves_up_and_covers_pixels_in_part() -> None:
    """Two pixels wide, from the middle of row 2, upwards (90 degrees) by 0 and 0.5."""
    one = np.ones(1)
    light = bars(SHAPE, 90 * one, 0 * one, 2 * one, 2 * one, np.array([0.0, 0.5]))
    assert light.shape == (1, 2, 16)
    np.testing.assert_allclose(light[0].reshape(2, 4, 4)[:, :, 0], [[0, 0.5, 1, 0.5], [0, 1, 1, 0]])


def test_noise_is_uniform_and_keyed() -> None:
    first, second = (noise(SHAPE, 3, 50, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (3, 50, 16)
    assert -1 <= first.min() < -0.9 < 0.9 < first.max() <= 1


def test_pixels_of_both_kinds() -> None:
    """In [0, 1] about grey; standardised, a full grating has a variance of 1."""
    light = np.array([[-1.0, 0.0, 1.0]])
    np.testing.assert_allclose(pixels(light, (1, 3), "unit"), [[0, 0.5, 1]])
    np.testing.assert_allclose(pixels(light, (1, 3), "standardised"), [[-(2**0.5), 0, 2**0.5]])
    colour = pixels(light, (1, 3, 2), "unit")
    np.testing.assert_allclose(colour, [[0, 0, 0.5, 0.5, 1, 1]])
    cycle = gratings((1, 4), wave(0, 0, 0.25, 90, 0), np.ones(1))
    assert pixels(cycle, (1, 4), "standardised").var() == pytest.approx(1.0)
