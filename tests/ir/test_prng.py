"""Keyed generator against its published vectors, and the keying of the specification."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.ir.prng import threefry2x32, uniforms

# Known-answer vectors of the Random123 distribution (kat_vectors, threefry2x32, 20 rounds).
VECTORS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def word(value: int) -> np.ndarray:
    """Return a one-element uint32 array."""
    return np.array([value], dtype=np.uint32)


@pytest.mark.parametrize(("key", "counter", "expected"), VECTORS)
def test_published_vectors(
    key: tuple[int, int], counter: tuple[int, int], expected: tuple[int, int]
) -> None:
    """All three published vectors."""
    result = threefry2x32((word(key[0]), word(key[1])), (word(counter[0]), word(counter[1])))
    assert (int(result[0][0]), int(result[1][0])) == expected


def test_first_uniforms_are_the_first_vector() -> None:
    """Seed 0, image 0, step 0: neurons 0 and 1 get the two words of vector 1, shifted by 1.

    0x6B200159 = 2 * 0x359000AC + 1; 0x99BA4EFE = 2 * 0x4CDD277F.
    """
    assert uniforms(0, [0], 0, 2).tolist() == [[0x359000AC, 0x4CDD277F]]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 3),
    st.integers(0, 2**20 - 1),
    st.integers(1, 9),
    st.integers(0, 2**12 - 1),
)
def test_a_draw_depends_on_its_key_only(
    seed: int, image: int, step: int, neurons: int, part: int
) -> None:
    """Neither the neighbours in the batch nor the number of neurons change a draw."""
    whole = uniforms(seed, [image, image + 1, image + 2], step, neurons + 3, part)
    alone = uniforms(seed, [image + 1], step, neurons, part)
    assert whole.dtype == np.uint32
    assert whole.max() < 1 << 31
    np.testing.assert_array_equal(whole[1:2, :neurons], alone)


def test_every_part_of_the_key_matters() -> None:
    """Changing seed, image, step or part changes nearly all of 512 draws."""
    base = uniforms(1, [1], 1, 512, 1)
    for other in (
        uniforms(2, [1], 1, 512, 1),
        uniforms(1, [2], 1, 512, 1),
        uniforms(1, [1], 2, 512, 1),
        uniforms(1, [1], 1, 512, 2),
    ):
        assert (base != other).mean() > 0.99


def test_uniforms_are_uniform_and_uncorrelated() -> None:
    """Over a million draws: mean, variance, byte histogram, and correlation along each axis."""
    draws = np.stack([uniforms(7, np.arange(64), step, 512) for step in range(32)]) / 2.0**31
    assert abs(draws.mean() - 0.5) < 4 * (1 / 12 / draws.size) ** 0.5
    histogram = np.bincount((draws * 256).astype(int).ravel(), minlength=256)
    expected = draws.size / 256
    chi_square = ((histogram - expected) ** 2 / expected).sum()
    assert chi_square < 255 + 5 * (2 * 255) ** 0.5
    centred = draws - 0.5
    for axis in range(3):
        neighbours = (centred * np.roll(centred, 1, axis=axis)).mean() * 12
        assert abs(neighbours) < 5 / draws.size**0.5
