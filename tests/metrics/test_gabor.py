"""Gabor functions are described by Gabor functions, and noise is not."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.metrics.gabor import gabor_r2

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


def test_noise_and_nothing_are_not() -> None:
    """White noise, a constant, and an element of zeros."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((6, SIDE, SIDE))
    shares = gabor_r2(np.concatenate([noise, np.zeros((1, SIDE, SIDE))]))
    assert (shares[:6] < 0.35).all()
    assert shares[6] == 0.0
