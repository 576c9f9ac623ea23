"""Products with shared weights against those with the matrix that they make, for every geometry."""

from typing import Any, NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.kernels import shared_products
from ipvae_snn.kernels.spike_products import SharedGram


class Case(NamedTuple):
    """Shared weights, their matrix G (K, K) by position, counts z and values (B, K)."""

    shared: SharedGram
    G: np.ndarray
    z: np.ndarray
    values: np.ndarray


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows, columns, features = (draw(st.integers(1, most)) for most in (5, 5, 19))
    a, b = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    share = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    weights = rng.normal(size=(features, 2 * a + 1, 2 * b + 1, features)).astype(kind)
    G = np.zeros((rows, columns, features, rows, columns, features))
    for r, c, s, e in np.ndindex(rows, columns, rows, columns):
        if abs(s - r) <= a and abs(e - c) <= b:
            G[r, c, :, s, e] = weights[:, a + s - r, b + e - c]
    K = rows * columns * features
    z = (rng.random((7, K)) + 0.1) * (rng.random((7, K)) < share)
    z[0], z[1] = 0.0, 1.0
    values = rng.normal(size=(7, K)).astype(kind)
    return Case(SharedGram(weights, rows, columns), G.reshape(K, K), z.astype(kind), values)


def assert_near(result: np.ndarray, expected: np.ndarray) -> None:
    tolerance = 1e-4 if result.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance * (1 + abs(expected).max()))


@settings(deadline=None, max_examples=60)
@given(cases())
def test_competition_and_its_transpose(case: Case) -> None:
    shared, G, z, values = case
    lateral, product = np.full_like(z, 7.0), np.full_like(z, 7.0)
    for first, last in ((0, 2), (2, 6)):
        shared_products.competition_rows(first, last, z, shared, lateral)
        shared_products.needed_competition_rows(first, last, values, z, shared, product)
    assert_near(lateral[:6], (z @ G)[:6])
    assert_near(product[:6], np.where(z != 0, values @ G.T, 0.0)[:6])
    assert (product[:6][z[:6] == 0] == 0).all()
    assert (lateral[6] == 7.0).all()
    assert (product[6] == 7.0).all()


@settings(deadline=None, max_examples=60)
@given(cases(), st.integers(0, 19))
def test_outer_products_in_two_shares_of_features(case: Case, middle: int) -> None:
    (weights, rows, columns), _, z, values = case
    features, high, wide, _ = weights.shape
    middle = min(middle, features)
    total, expected = np.ones_like(weights), np.ones(weights.shape)
    for first, last in ((0, middle), (middle, features)):
        shared_products.add_outer_products(first, last, z, values, (rows, columns), total)
    a, b = high // 2, wide // 2
    by_place: Any = (array.reshape(-1, rows, columns, features) for array in (z, values))
    counts, factors = by_place
    for r, c, i, j in np.ndindex(rows, columns, high, wide):
        s, e = r + i - a, c + j - b
        if 0 <= s < rows and 0 <= e < columns:
            expected[:, i, j] += counts[:, r, c].T.astype(float) @ factors[:, s, e]
    assert_near(total, expected)


def test_many_images_in_blocks() -> None:
    """So many that add_outer_products takes several blocks of them."""
    rng, places = np.random.default_rng(0), (3, 2)
    z = rng.integers(0, 3, (500, 3 * 2 * 16)).astype(float)
    factor = rng.integers(-3, 4, z.shape).astype(float)
    whole, parts = np.zeros((16, 3, 1, 16)), np.zeros((16, 3, 1, 16))
    shared_products.add_outer_products(0, 16, z, factor, places, whole)
    for n in range(500):  # integers: every order of a sum is exact
        shared_products.add_outer_products(0, 16, z[n : n + 1], factor[n : n + 1], places, parts)
    assert (whole != 0).any()
    np.testing.assert_array_equal(whole, parts)
