"""Gabor functions are described by Gabor functions, and noise is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.errors import DataError
from ipvae_snn.metrics.gabor import gabor_fit, gabor_fits, gabor_r2

SIDE = 16


def wave(direction: float, frequency: float, phase: float, width: float, x0: float) -> np.ndarray:
    """Return a plane wave under a round envelope, (16, 16)."""
    y, x = np.mgrid[:SIDE, :SIDE] - x0
    along = x * np.cos(direction) + y * np.sin(direction)
    envelope = np.exp(-(x**2 + y**2) / (2 * width**2))
    return np.asarray(envelope * np.cos(2 * np.pi * frequency * along + phase))


@settings(max_examples=20, deadline=None)
@given(
    st.floats(0, np.pi),
    st.floats(0.1, 0.35),
    st.floats(0, 2 * np.pi),
    st.floats(1.8, 3.5),
    st.floats(5, 10),
    st.floats(1e-3, 1e3),
)
def test_a_gabor_is_found(
    direction: float, frequency: float, phase: float, width: float, x0: float, size: float
) -> None:
    """Whatever its direction, frequency, phase, width, place and size."""
    assert gabor_r2(size * wave(direction, frequency, phase, width, x0)[None])[0] > 0.9


@settings(max_examples=20, deadline=None)
@given(st.floats(0, np.pi), st.floats(0.2, 0.3), st.floats(-3, 3), st.floats(6, 9))
def test_its_parameters_are_those_it_was_made_of(
    direction: float, frequency: float, phase: float, x0: float
) -> None:
    """Rows are counted downwards, and stripes stand across the wave's direction."""
    fit = gabor_fit(2.0 * wave(direction, frequency, phase, 2.5, x0))
    assert fit.r2[0] == pytest.approx(1.0, abs=1e-3)
    assert fit.tuned[0]
    assert (fit.x[0], fit.y[0]) == pytest.approx((x0, x0), abs=0.05)
    assert (fit.along[0], fit.across[0]) == pytest.approx((2.5, 2.5), abs=0.05)
    assert fit.height[0] == pytest.approx(2.0, rel=0.02)
    assert fit.frequency[0] == pytest.approx(frequency, abs=0.004)
    apart = (fit.orientation[0] - (90 - np.degrees(direction)) + 90) % 180 - 90
    assert apart == pytest.approx(0, abs=2)
    # Described along the opposite direction, a wave has the opposite phase.
    sign = 1 if -90 < fit.orientation[0] - 90 + np.degrees(direction) < 90 else -1
    assert np.cos(np.radians(fit.phase[0]) - sign * phase) > 0.99


def test_the_grating_of_an_edge_is_that_of_its_spectrum() -> None:
    """x exp(-x^2 / 2 s^2) has no cycle; its spectrum f exp(-2 pi^2 s^2 f^2) peaks at 1 / 2 pi s."""
    y, x = np.mgrid[:SIDE, :SIDE] - 7.5
    fit = gabor_fit(x * np.exp(-(x**2 + y**2) / (2 * 2.0**2)))
    assert fit.tuned[0]
    assert fit.frequency[0] == pytest.approx(1 / (4 * np.pi), abs=0.003)
    assert fit.orientation[0] == pytest.approx(90, abs=1)
    assert abs(fit.phase[0]) == pytest.approx(90, abs=2)


def test_a_blob_prefers_plain_light() -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - 7.5
    fit = gabor_fit(np.exp(-(x**2 + y**2) / (2 * 2.0**2)))
    assert fit.fitted[0]
    assert not fit.tuned[0]
    assert fit.low[0] == pytest.approx(1.0, abs=0.01)


def test_noise_and_nothing_are_not() -> None:
    """White noise, a constant, and an element of zeros."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((6, SIDE, SIDE))
    fits = gabor_fits(np.concatenate([noise, np.zeros((1, SIDE, SIDE))]))
    assert (fits.r2[:6] < 0.35).all()
    assert fits.r2[6] == 0.0
    assert np.isnan(fits.frequency[6])
    assert not fits.fitted.any()


def test_an_element_of_few_pixels_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        gabor_fits(np.ones((1, 2, 4)))
    assert str(caught.value) == (
        "an element of 2x4 pixels cannot be fitted by a Gabor function, which has 9 parameters; "
        "give larger elements"
    )
