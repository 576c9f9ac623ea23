"""Sums of rows times counts, in 16 bits and 32, against NumPy's."""

from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from ipvae_snn.arrays import Array
from ipvae_snn.kernels import count_sums, vector_rows

Add = Callable[[Array, Array], Array]


def added(add_counts: Any, matrix: Array, counts: Array) -> Array:
    """Return the sums (targets,) of counts (sources,) times matrix (sources, targets) int8."""
    columns = count_sums.padded(matrix)
    highest = np.abs(columns.astype(np.int64)).max(axis=1, initial=0)
    active = np.flatnonzero(counts)
    index, given_counts = np.append(active, 7), np.append(counts[active], 7).astype(np.int32)
    total = np.full(columns.shape[1], 99, np.int32)
    narrow = np.zeros(len(total), np.int16)
    add_counts(columns, highest, len(active), index, given_counts, narrow, total)
    assert not total[matrix.shape[1] :].any()
    assert not narrow.any()
    return total[: matrix.shape[1]]


@given(
    sources=st.integers(1, 40),
    targets=st.integers(1, 300),
    largest=st.sampled_from([1, 2, 9, 255, 256, 600, 32_767]),
    weight=st.sampled_from([1, 20, 127, 128]),
    active=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_sums_are_exact(
    sources: int, targets: int, largest: int, weight: int, active: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-weight, min(weight, 127) + 1, (sources, targets)).astype(np.int8)
    counts = rng.integers(1, largest + 1, sources) * (rng.random(sources) < active)
    result = added(count_sums.add_counts, matrix, counts)
    np.testing.assert_array_equal(result, counts @ matrix.astype(np.int64))


@pytest.mark.parametrize("sign", [-1, 1])
def test_sums_reach_the_ends_of_16_bits(sign: int) -> None:
    """Sums of 32,766 and 32,767 stay narrow; one more does not, and is right."""
    for counts in ([1, 127, 130], [2, 128, 128], [3, 128, 128], [1, 255, 2]):
        matrix = np.full((3, 33), sign * 127, np.int8)
        matrix[0] = sign
        result = added(count_sums.add_counts, matrix, np.array(counts))
        np.testing.assert_array_equal(result, np.array(counts) @ matrix.astype(np.int64))


def test_processors_without_the_instruction_get_the_same_sums(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other way to multiply, compiled anew for this test."""
    monkeypatch.setattr(vector_rows, "_Avx2", vector_rows._Widened)

    def anew(function: Any, **given: Any) -> Any:
        code = function.py_func.__code__
        return njit(FunctionType(code, {**function.py_func.__globals__, **given}))

    narrow = anew(count_sums._add_narrow)
    add_counts = anew(count_sums.add_counts, _add_narrow=narrow)
    rng = np.random.default_rng(0)
    for targets in (1, 31, 32, 128, 200):
        matrix = rng.integers(-127, 128, (50, targets)).astype(np.int8)
        counts = rng.integers(0, 12, 50)
        result = added(add_counts, matrix, counts)
        np.testing.assert_array_equal(result, counts @ matrix.astype(np.int64))
    assert "pmaddubsw" not in next(iter(narrow.inspect_asm().values()))
