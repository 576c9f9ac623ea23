"""Scale of stored values: taken from the number type, named by the user, or refused; no guess."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.data.levels import Values, scaled
from ipvae_snn.errors import DataError, DataWarning
from small_sets import fails


def of(rows, white: float = 0.0, declared: float | None = None):
    """Return the scaled rows of one array."""
    return scaled(Values(np.atleast_2d(rows), declared, ("a.npy",)), white)


@pytest.mark.parametrize(
    ("array", "white"),
    [
        (np.array([0, 51, 255], np.uint8), 255),
        (np.array([0, 13107, 65535], np.uint16), 65535),
        (np.array([0, 1], bool), 1),
    ],
)
def test_number_types_have_a_white(array, white):
    result = of(array)
    assert result.kind == "unit"
    np.testing.assert_array_equal(result.pixels[0], (array / white).astype(np.float32))
    assert result.levels == f"0..{white} of {white}"


@pytest.mark.parametrize(
    ("dtype", "high", "white", "full"),
    [("uint8", 1, 1, 255), ("uint8", 16, 16, 255), ("uint16", 4080, 4095, 65535)],
)
def test_values_of_another_scale_are_refused_with_the_likely_one(dtype, high, white, full):
    rows = np.array([[0, 0], [high, 0], [0, 0]], dtype)
    with fails(
        f"a.npy: image 1: the largest value of all is {high}, nearly black where {full} is white; "
        f"divide by {white} and save floats in [0, 1], or give --white {white} (data.white; "
        f"{full} if they are that dark)"
    ):
        of(rows)
    np.testing.assert_array_equal(of(rows, white).pixels.max(), np.float32(high / white))
    assert of(rows, full).levels == f"0..{high} of {full}"


def test_fourteen_bits_in_sixteen_are_a_warning():
    with pytest.warns(DataWarning, match=r"^a\.npy: .* is 16383, and 65535 is taken as white"):
        assert of(np.array([0, 16383], np.uint16)).pixels.max() < 0.26


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_wide_integers_need_their_white(dtype):
    rows = np.array([0, 255], dtype)
    message = f"a.npy: pixels of type {dtype} from 0 to 255, and no value is known to be white"
    with pytest.raises(DataError, match=re.escape(message)):
        of(rows)
    np.testing.assert_array_equal(of(rows, 255).pixels, [[0, 1]])


@given(
    count=st.integers(2, 20),
    excess=st.floats(0, 1e-5),
    place=st.integers(0, 1),
)
def test_one_pixel_of_rounding_does_not_change_the_kind(count, excess, place):
    rows = np.linspace(0, 1, 4 * count).reshape(count, 4)
    rows[0, 0], rows[-1, -1] = (-excess, 1) if place else (0, 1 + excess)
    result = of(rows)
    assert result.kind == "unit"
    assert result.pixels.min() >= 0
    assert result.pixels.max() <= 1


@pytest.mark.parametrize("value", [1.001, 1.09, -0.001, -0.09])
def test_nearly_unit_floats_are_refused_with_the_image(value):
    rows = np.random.default_rng(0).random((5, 4))
    rows[3, 1] = value
    with pytest.raises(DataError, match=r"^a\.npy: image 3: pixels from .*nearly in \[0, 1\]"):
        of(rows)


def test_floats_that_are_never_negative_are_not_standardised():
    rows = np.random.default_rng(0).random((5, 4)) * 1.5 + 0.01
    with pytest.raises(DataError, match=r"^a\.npy: pixels from .*; give uint8, floats in \[0, 1\]"):
        of(rows)


def test_floats_divided_twice_are_a_warning():
    with pytest.warns(DataWarning, match=r"^a\.npy: floats up to 0\.00392, where 1 is white"):
        assert of(np.array([0, 1 / 255])).kind == "unit"


@given(low=st.integers(-5, 300), high=st.integers(-5, 300), white=st.integers(1, 255))
def test_named_white_bounds_the_values(low, high, white):
    rows = np.array([[low, high]])
    if min(low, high) >= 0 and max(low, high) <= white:
        pixels = of(rows, white).pixels
        np.testing.assert_array_equal(pixels, (rows / white).astype(np.float32))
    else:
        with pytest.raises(DataError, match=rf"outside 0 \(black\) to {white} \(white\)"):
            of(rows, white)


def test_declared_white_of_a_file_format():
    rows = np.array([0, 4095], np.uint16)
    np.testing.assert_array_equal(of(rows, declared=4095.0).pixels, [[0, 1]])
    with pytest.raises(DataError, match="outside 0"):
        of(np.array([0, 5000], np.uint16), declared=4095.0)
