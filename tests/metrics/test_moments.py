"""Moments merged from parts are those of all values."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.metrics.estimates import estimate
from ipvae_snn.metrics.moments import NONE, Moments

VALUES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), max_size=40)


@given(VALUES, st.lists(st.integers(0, 40), max_size=5))
def test_any_division_gives_the_estimate_of_all(values: list[float], cuts: list[int]) -> None:
    array = np.array(values, np.float64)
    parts = np.split(array, sorted(min(cut, len(array)) for cut in cuts))
    merged = reduce(Moments.merged, map(Moments.of, parts), NONE).estimate()
    expected = estimate(array)
    assert (merged.n, merged.excluded) == (expected.n, expected.excluded)
    for name in ("mean", "low", "high"):
        given_, wanted = getattr(merged, name), getattr(expected, name)
        assert given_ == pytest.approx(wanted, rel=1e-9, abs=1e-6, nan_ok=True)


def test_few_values_have_no_interval() -> None:
    assert np.isnan(NONE.estimate().mean)
    one = Moments.of(np.array([2.0])).estimate()
    assert (one.mean, one.low, one.high, one.n) == (2.0, float("-inf"), float("inf"), 1)
