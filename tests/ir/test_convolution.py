"""Weights that positions share equal a matrix that is filled in by the formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.errors import ProgramError
from ipvae_snn.ir import Convolution, Dense, Geometry, Sparse, Transposed, Weights
from ipvae_snn.ir.weights.convolution import geometry_of
from ipvae_snn.ir.weights.registry import weights_of


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    kernel_height, kernel_width = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    padding = draw(st.integers(0, 2))
    stride = draw(st.integers(1, 3))
    rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    height = stride * (rows - 1) + kernel_height - 2 * padding
    width = stride * (columns - 1) + kernel_width - 2 * padding
    if height < 1 or width < 1:
        padding, height, width = (
            0,
            stride * (rows - 1) + kernel_height,
            stride * (columns - 1) + kernel_width,
        )
    return Geometry(
        draw(st.integers(1, 3)),
        height,
        width,
        kernel_height,
        kernel_width,
        draw(st.integers(1, 3)),
        stride,
        padding,
        draw(st.booleans()),
    )


def kernel_of(g: Geometry, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    size = (g.features, g.channels, g.kernel_height, g.kernel_width)
    return rng.integers(-127, 128, size).astype(np.int8)


def by_formula(g: Geometry, kernel: np.ndarray) -> np.ndarray:
    """Return the matrix (features, pixels) that the geometry's docstring describes."""
    matrix = np.zeros((g.n_features, g.n_pixels), np.int8)
    for f, row, column in np.ndindex(g.features, g.rows, g.columns):
        for c, i, j in np.ndindex(g.channels, g.kernel_height, g.kernel_width):
            y, x = g.stride * row + i - g.padding, g.stride * column + j - g.padding
            if not (0 <= y < g.height and 0 <= x < g.width):
                continue
            planar, last = (c * g.height + y) * g.width + x, (y * g.width + x) * g.channels + c
            pixel = last if g.pixels_last else planar
            matrix[(f * g.rows + row) * g.columns + column, pixel] = kernel[f, c, i, j]
    return matrix


@given(geometries(), st.integers(0, 1000))
def test_convolutions_equal_their_matrices(g: Geometry, seed: int) -> None:
    kernel = kernel_of(g, seed)
    matrix = by_formula(g, kernel)
    check_equal(Convolution(kernel, g), Dense(matrix), seed)
    check_equal(Transposed(kernel, g), Dense(np.ascontiguousarray(matrix.T)), seed)


@settings(deadline=None)  # SciPy is imported within
@given(st.integers(1, 6), st.integers(1, 6), st.floats(0, 1), st.integers(0, 1000))
def test_sparse_weights_equal_their_matrices(m: int, k: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.integers(-127, 128, (k, m)) * (rng.random((k, m)) < share)).astype(np.int8)
    check_equal(Sparse.of(matrix), Dense(matrix), seed)


def check_equal(result: Weights, expected: Dense, seed: int) -> None:
    """Hold every answer of weights against those of the equal matrix, and a file's against them."""
    assert (result.n_targets, result.n_sources) == (expected.n_targets, expected.n_sources)
    payload = np.random.default_rng(seed).integers(-300, 300, (3, result.n_sources))
    for one in (result, weights_of(result.kind, result.arrays(), result.shared())):
        np.testing.assert_array_equal(one.sums(payload), expected.sums(payload), strict=True)
        np.testing.assert_array_equal(one.dense(), expected.dense(), strict=True)
        for low, high in ((-3, 5), (0, 9)):
            for got, want in zip(
                one.worst_sums(low, high), expected.worst_sums(low, high), strict=True
            ):
                np.testing.assert_array_equal(got, want, strict=True)
        np.testing.assert_array_equal(one.fan_in(), expected.fan_in(), strict=True)
        np.testing.assert_array_equal(one.fan_out(), expected.fan_out(), strict=True)
        if one.n_sources == one.n_targets:
            np.testing.assert_array_equal(one.diagonal(), expected.diagonal(), strict=True)
    assert result.bits >= expected.bits  # a kernel's corner may lie outside at every position


@given(st.integers(1, 3), st.integers(0, 2), st.integers(1, 4), st.integers(0, 1000))
def test_the_diagonal_of_a_competition_is_read_from_its_kernel(
    features: int, reach: int, places: int, seed: int
) -> None:
    side = 2 * reach + 1
    g = Geometry(features, places, places, side, side, features, 1, reach, False)
    kernel = kernel_of(g, seed)
    np.testing.assert_array_equal(
        Convolution(kernel, g).diagonal(), np.diagonal(by_formula(g, kernel))
    )


FAULTS = (
    ({"stride": 3}, "kernels of 2 pixels at stride 3 and padding 0 do not end at the edge of"),
    ({"channels": 0}, "a convolution's channels 0 is not 1 or more"),
    ({"height": 1}, "do not end at the edge of height 1"),
    ({"features": 1 << 17}, "a convolution's features 131072 is not 1 or more"),
)


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_impossible_geometries(change: dict[str, int], message: str) -> None:
    sizes = {
        "channels": 1,
        "height": 6,
        "width": 6,
        "kernel_height": 2,
        "kernel_width": 2,
        "features": 3,
        "stride": 2,
        "padding": 0,
    }
    with pytest.raises(ProgramError, match=message):
        Geometry(**sizes | change, pixels_last=False)


def test_a_file_names_what_is_wrong_with_weights() -> None:
    numbers = {"height": 4, "width": 4, "stride": 1, "padding": 0, "pixels_last": 2}
    with pytest.raises(ProgramError, match="pixels_last is 2, neither 0 nor 1"):
        geometry_of(np.zeros((1, 1, 2, 2), np.int8), numbers)
    with pytest.raises(ProgramError, match="a kernel has 4 axes, not 2"):
        geometry_of(np.zeros((2, 2), np.int8), numbers)
    with pytest.raises(ProgramError, match="weights of kind 'lacy' are not known here; known ones"):
        weights_of("lacy", {}, {})
    with pytest.raises(ProgramError, match="the columns of a row do not rise"):
        Sparse(np.array([0, 2]), np.array([1, 1], np.int32), np.ones(2, np.int8), 3)
    with pytest.raises(ProgramError, match=r"columns are not 2 numbers in 0\.\.2"):
        Sparse(np.array([0, 2]), np.array([1, 3], np.int32), np.ones(2, np.int8), 3)
    with pytest.raises(ProgramError, match="starts do not divide 2 weights into rows"):
        Sparse(np.array([0, 3]), np.array([1, 2], np.int32), np.ones(2, np.int8), 3)
    with pytest.raises(ProgramError, match="a symmetric int8 stops at -127"):
        Dense(np.full((2, 2), -128, np.int8))
