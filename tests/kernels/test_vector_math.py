"""exp and log in float32 against float64, and the keyed uniforms against published numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from ipvae_snn.kernels.vector_math import GOLDEN, exp_float32, exp_of, log_float32, log_of, mixed
from ipvae_snn.kernels.vector_math import open_uniform as uniform_of


def mapped(function: Callable[..., Any], values: np.ndarray, like: Any) -> np.ndarray:
    """Return a compiled scalar function of every element, in a loop that LLVM vectorises."""

    @njit
    def loop(values: np.ndarray, out: np.ndarray) -> None:
        for i in range(values.size):
            out[i] = function(values[i])

    out = np.empty(values.size, like)
    loop(values, out)
    return out


def ulps(result: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest error in units in the last place of the float32 result."""
    spacing = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    return float((np.abs(result.astype(np.float64) - exact) / spacing).max())


def test_exp_is_within_two_units_in_the_last_place() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [np.linspace(-87, 88, 400_001), rng.uniform(-1, 1, 100_000), [0.0, -0.0, 1e-30, 88.0]]
    ).astype(np.float32)
    result = mapped(exp_float32, x, np.float32)
    assert ulps(result, np.exp(x.astype(np.float64))) <= 2.0
    assert mapped(exp_float32, np.zeros(1, np.float32), np.float32)[0] == 1.0


def test_exp_saturates() -> None:
    x = np.array([-1e30, -100.0, -87.0, 88.0, 89.0, 1e30, -np.inf, np.inf], np.float32)
    low, high = np.exp(np.float64(-87)), np.exp(np.float64(88))
    result = mapped(exp_float32, x, np.float32)
    assert result.tolist() == pytest.approx(
        [low, low, low, high, high, high, low, high], rel=3e-7, abs=0
    )


def test_log_is_within_two_units_in_the_last_place() -> None:
    rng = np.random.default_rng(1)
    tiny, huge = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
    x = np.concatenate(
        [
            np.exp(np.linspace(np.log(tiny), np.log(huge), 400_001))[1:-1],
            rng.uniform(0.5, 2.0, 200_000),
            (rng.integers(0, 1 << 24, 200_000) + 1) / (1 << 24),  # what the uniforms can be
            [tiny, huge, 1.0, np.sqrt(0.5), np.nextafter(np.float32(1), np.float32(0))],
        ]
    ).astype(np.float32)
    result = mapped(log_float32, x, np.float32)
    exact = np.log(x.astype(np.float64))
    assert result[x == 1].tolist() == [0.0] * int((x == 1).sum())
    assert ulps(result[x != 1], exact[x != 1]) <= 2.0


@pytest.mark.parametrize(("function", "plain"), [(exp_of, np.exp), (log_of, np.log)])
def test_compiled_code_follows_the_type(function: Any, plain: Callable[..., Any]) -> None:
    x = np.array([0.1, 0.7, 1.3, 4.0])
    wide, narrow = mapped(function, x, np.float64), mapped(function, x.astype("f4"), np.float64)
    np.testing.assert_allclose(wide, plain(x), rtol=4e-16)
    # The narrow results are float32 numbers: they went nowhere near float64's library.
    assert (narrow == narrow.astype(np.float32)).all()
    np.testing.assert_allclose(narrow, plain(x), rtol=3e-7)
    np.testing.assert_allclose([function(v) for v in x], plain(x), rtol=4e-16)


def test_splitmix64_known_answers() -> None:
    # Seed 1234567 of the reference implementation (Vigna, splitmix64.c): state += GOLDEN, output.
    known = (
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    )
    states = np.uint64(1234567) + GOLDEN * np.arange(1, 6, dtype=np.uint64)
    assert tuple(int(v) for v in mapped(mixed, states, np.uint64)) == known


def test_uniforms_lie_above_zero_and_reach_one() -> None:
    # The upper 24 bits n give 1 - n / 2^24, so that n = 0 is 1 and the largest n is 2^-24.
    bits = np.array([0, (1 << 40) - 1, 1 << 40, 1 << 63, (1 << 64) - 1], np.uint64)
    result = mapped(uniform_of, bits, np.float32)
    assert result.tolist() == [1.0, 1.0, 1 - 2.0**-24, 0.5, 2.0**-24]


def test_uniforms_are_uniform_and_uncorrelated() -> None:
    n = 200_000
    u = mapped(
        uniform_of,
        mapped(mixed, GOLDEN * np.arange(1, n + 1, dtype=np.uint64), np.uint64),
        np.float32,
    ).astype(np.float64)
    share = np.histogram(u, 64, (0, 1))[0] * 64 / n
    # 64 cells of n/64 = 3125 each have a standard deviation of 1.8 %.
    assert np.abs(share - 1).max() < 0.08
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5 / np.sqrt(n)
