"""Products with spike counts against dense ones, for every share of silent neurons."""

from typing import Any

import numpy as np
import pytest

from ipvae_snn.kernels import spike_products as products

SHARES = (0.0, 0.1, 0.5, 1.0)


def counts(share: float, kind: Any, rows: int = 21, neurons: int = 45) -> np.ndarray:
    """Return counts of which about `share` are not 0, and with them one silent and one full row."""
    rng = np.random.default_rng(int(share * 100))
    z = (rng.random((rows, neurons)) + 0.1) * (rng.random((rows, neurons)) < share)
    z[0], z[1] = 0.0, 1.0 + np.arange(neurons)
    return z.astype(kind)


def symmetric(n: int, kind: Any) -> np.ndarray:
    half = np.random.default_rng(1).normal(size=(n, n))
    return (half + half.T).astype(kind)


def tolerance(kind: Any) -> float:
    return 1e-3 if kind is np.float32 else 1e-11


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("neurons", [3, 8, 45])
def test_competition(kind: Any, share: float, neurons: int) -> None:
    z, G = counts(share, kind, neurons=neurons), symmetric(neurons, kind)
    lateral = np.full_like(z, 7.0)
    products.competition_rows(0, 9, z, G, lateral)
    products.competition_rows(9, 20, z, G, lateral)
    np.testing.assert_allclose(lateral[:20], (z @ G)[:20], atol=tolerance(kind))
    assert (lateral[20] == 7.0).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("neurons", [3, 8, 45])
def test_competition_where_it_is_needed(kind: Any, share: float, neurons: int) -> None:
    slope, G = counts(share, kind, neurons=neurons), symmetric(neurons, kind)
    values = np.random.default_rng(2).normal(size=slope.shape).astype(kind)
    result = np.full_like(values, 7.0)
    products.needed_competition_rows(0, len(values), values, slope, G, result)
    expected = np.where(slope != 0, values @ G, 0.0)
    np.testing.assert_allclose(result, expected, atol=tolerance(kind))
    assert (result[slope == 0] == 0).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("share", SHARES)
def test_outer_products(kind: Any, share: float) -> None:
    z = counts(share, kind)
    factor = np.random.default_rng(3).normal(size=z.shape).astype(kind)
    total = np.ones((z.shape[1], z.shape[1]), kind)
    products.add_outer_products(0, 30, z, factor, total)
    products.add_outer_products(30, 44, z, factor, total)
    np.testing.assert_allclose(total[:44], (1 + z.T @ factor)[:44], atol=tolerance(kind))
    assert (total[44] == 1).all()


def test_fit_by_hand() -> None:
    # 2 * (6 / 2 - 1) + 1 * (4 / 2 - 5) = 4 - 3 = 1; the other row is not asked for.
    z, lateral, b = (np.array([row, row]) for row in ([2.0, 1.0], [6.0, 4.0], [1.0, 5.0]))
    fit = np.array([9.0, 9.0])
    products.fit_rows(1, 2, z, lateral, b, fit)
    assert fit.tolist() == [9.0, 1.0]


def test_number_of_spikes() -> None:
    assert products.nonzero(np.array([0.0, 1e-30, -0.0, 2.0, 0.0], np.float32)) == 2
