"""The decorators for compiled code: division as IEEE has it, and a machine without a cache."""

import math

import numpy as np
import pytest
from numba.core import caching

from ipvae_snn.kernels import compiled


def inverses(values: np.ndarray, out: np.ndarray) -> None:
    for i in range(values.size):
        out[i] = 1.0 / values[i]


def total(values: np.ndarray) -> float:
    result = 0.0
    for value in values:
        result += value
    return result


def test_division_by_zero_is_no_exception() -> None:
    values, out = np.array([0.0, -0.0, 4.0]), np.empty(3)
    compiled.kernel(inverses)(values, out)
    assert out.tolist() == [math.inf, -math.inf, 0.25]


def test_a_sum_in_any_order_is_the_sum() -> None:
    values = np.random.default_rng(0).normal(size=1001)
    assert compiled.summing(total)(values) == pytest.approx(math.fsum(values), rel=1e-12)


def test_compiles_where_no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on an installation and a home that are both read-only.
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    values, out = np.array([2.0]), np.empty(1)
    compiled.kernel(inverses)(values, out)
    assert out.tolist() == [0.5]
    assert compiled.summing(total)(np.ones(3)) == 3.0
