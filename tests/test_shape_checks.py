"""Checks of shapes are active, and find violations planted here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from ipvae_snn.ir.bounds import scale_sum
from ipvae_snn.ir.float_sampler import poisson_from_uniforms
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.trace import Trace
from ipvae_snn.models.linear_gaussian import feed_forward


def zeros(dtype: type[np.generic], *shape: int) -> Any:
    return np.zeros(shape, dtype)


def trace(**changes: Any) -> Trace:
    arrays = {
        "counts_sum": zeros(np.int64, 2, 3),
        "state": zeros(np.int32, 2, 3),
        "spikes_per_step": zeros(np.int64, 2, 4),
        "reconstruction": zeros(np.float32, 2, 9),
        "saturated": zeros(np.int32, 2, 4, 5),
    }
    return Trace(**{**arrays, **changes})


def test_what_is_right_passes() -> None:
    assert trace().counts is None
    assert trace(state=zeros(np.float64, 2, 3)).state.dtype == np.float64
    sums = scale_sum(zeros(np.int64, 6, 2, 3), zeros(np.int32, 3), np.ones(3, np.int32))
    assert sums.shape == (6, 2, 3)
    assert uniforms(0, [1, 2], 0, 5).shape == (2, 5)
    # A platform may have two names of one type, such as long and long long.
    assert trace(counts_sum=zeros(np.longlong, 2, 3)).counts_sum.dtype == np.int64


@pytest.mark.parametrize(
    ("breach", "parameter"),
    [
        (
            lambda: scale_sum(zeros(np.int16, 2, 3), zeros(np.int32, 3), zeros(np.int32, 3)),
            "total",
        ),
        (
            lambda: scale_sum(zeros(np.int64, 2, 3), zeros(np.int32, 1, 3), zeros(np.int32, 3)),
            "multiplier",
        ),
        (
            lambda: scale_sum(zeros(np.int64, 2, 3), zeros(np.int32, 3), zeros(np.int32, 4)),
            "shift",
        ),
        (
            lambda: poisson_from_uniforms(zeros(np.float64, 2, 3), 0, zeros(np.int64, 3), 0),
            "images",
        ),
        (lambda: trace(state=zeros(np.int64, 2, 3)), "state"),
        (lambda: trace(spikes_per_step=zeros(np.int64, 3, 4)), "spikes_per_step"),
        (lambda: trace(saturated=zeros(np.int32, 2, 3, 5)), "saturated"),
        (lambda: trace(saturated=zeros(np.int32, 2, 4, 4)), "saturated"),
        (
            lambda: feed_forward(torch.zeros(2, 4), torch.zeros(3, 5), torch.zeros(1, 4)),
            "phi",
        ),
    ],
)
def test_a_planted_breach_is_found(breach: Callable[[], object], parameter: str) -> None:
    with pytest.raises(TypeCheckError, match=f"typechecking parameter '{parameter}'"):
        breach()
