"""Weights: what each kind answers, against its dense matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.errors import ProgramError
from ipvae_snn.ir.weights import Dense
from ipvae_snn.ir.weights.dense import row_blocks


def matrix(seed: int, targets: int = 7, sources: int = 12, zeros: float = 0.3) -> np.ndarray:
    """Return random weights (targets, sources) int8, a share of them 0."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-127, 128, (targets, sources))
    return np.where(rng.random(weights.shape) < zeros, 0, weights).astype(np.int8)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_dense_weights_answer_as_their_matrix(seed: int, zeros: float) -> None:
    """Sums, numbers of synapses, bits and bytes."""
    values = matrix(seed, zeros=zeros)
    weights, wide = Dense(values), values.astype(np.int64)
    payload = np.random.default_rng(seed + 1).integers(-255, 256, (3, 12))
    np.testing.assert_array_equal(weights.sums(payload), payload @ wide.T, strict=True)
    np.testing.assert_array_equal(weights.fan_in(), (wide != 0).sum(axis=1), strict=True)
    np.testing.assert_array_equal(weights.fan_out(), (wide != 0).sum(axis=0), strict=True)
    assert (weights.n_targets, weights.n_sources, weights.n_bytes) == (7, 12, 84)
    assert 2 ** (weights.bits - 1) - 1 >= abs(wide).max() > 2 ** (weights.bits - 2) - 1
    assert weights.dense() is values
    assert weights.arrays()["weights"] is values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3), np.int32), r"weights is int32\(2, 3\), but must be int8 of 2 axes"),
        (np.zeros(3, np.int8), r"weights is int8\(3,\), but must be int8 of 2 axes"),
        (np.zeros((0, 3), np.int8), "weights 0x3 connect nothing"),
        (np.full((2, 3), -128, np.int8), "weights reach -128; a symmetric int8 stops at -127"),
    ],
    ids=["type", "axes", "empty", "-128"],
)
def test_a_wrong_matrix_is_refused(values: np.ndarray, message: str) -> None:
    """By type, axes, size and range."""
    with pytest.raises(ProgramError, match=message):
        Dense(values)


@pytest.mark.parametrize("elements", [1, 12, 30, 1 << 22])
def test_sums_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch, elements: int) -> None:
    """Rows in blocks of any size, each row once, give the sums of all rows at once."""
    monkeypatch.setattr("ipvae_snn.ir.weights.dense.BLOCK_ELEMENTS", elements)
    values = matrix(3)
    rows = [row for block in row_blocks(values) for row in range(7)[block]]
    assert rows == list(range(7))
    wide = values.astype(np.int64)
    positive, negative = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
    least, most = Dense(values).worst_sums(-100, 155)
    np.testing.assert_array_equal(least, -100 * positive + 155 * negative)
    np.testing.assert_array_equal(most, 155 * positive - 100 * negative)
    np.testing.assert_array_equal(Dense(values).fan_in(), (wide != 0).sum(axis=1))
    np.testing.assert_array_equal(Dense(values).fan_out(), (wide != 0).sum(axis=0))
