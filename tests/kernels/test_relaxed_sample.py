"""Compiled relaxed sample against the plain formula on the same arrivals."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import RelaxationKind
from ipvae_snn.kernels import relaxed_sample as kernel
from ipvae_snn.models.poisson_samples import relaxed_poisson_plain
from ipvae_snn.models.relaxations import CUBIC, RELAXATIONS

GOLDEN = 0x9E3779B97F4A7C15
ODD = 0xD1B54A32D192ED03
WORD = (1 << 64) - 1
# So late a cut-off leaves out nothing that float64 can see.
NO_CUTOFF = 45.0


def mixed(state: int) -> int:
    """SplitMix64's output function in plain integers."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & WORD
    return state ^ (state >> 31)


def unit_exponentials(row_key: int, rows: int, neurons: int, count: int) -> np.ndarray:
    """Return the exponentials (count, rows, neurons) that the kernel draws, from the definition.

    Row r has the key mixed(row_key + (r + 1) GOLDEN), and neurons 2 j and 2 j + 1 of it share the
    word mixed(key + (j + 1) GOLDEN). The first uniform of one comes from the word's lower half, of
    the other from the upper one. The state of the even one is the word, of the odd one ODD more;
    its n-th uniform comes from the mixed state after n - 1 additions of GOLDEN.
    """
    result = np.empty((count, rows, neurons))
    for r in range(rows):
        key = mixed((row_key + (r + 1) * GOLDEN) & WORD)
        for k in range(neurons):
            word = mixed((key + (k // 2 + 1) * GOLDEN) & WORD)
            state = word + k % 2 * ODD
            first = (word >> 32 * (k % 2) & 0xFFFFFFFF) >> 8
            bits = [first] + [mixed((state + n * GOLDEN) & WORD) >> 40 for n in range(1, count)]
            result[:, r, k] = [-math.log(1 - b * 2.0**-24) for b in bits]
    return result


def drawn_sample(
    u: np.ndarray,
    key: int = 5,
    temperature: float = 0.3,
    cutoff: float = NO_CUTOFF,
    rows: tuple[int, int] | None = None,
    cubic: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts, slope and arrivals of rows first .. last - 1; the others stay -1."""
    number = u.dtype.type
    z, slope = np.full_like(u, -1), np.full_like(u, -1)
    drawn = np.full(len(u), -1, np.int64)
    relaxation = kernel.Relaxation(number(1), number(temperature), number(cutoff), cubic)
    first, last = rows or (0, len(u))
    sample = kernel.Sample(z, slope, drawn)
    kernel.sample_rows(first, last, np.uint64(key), relaxation, u, sample)
    return z, slope, drawn


def log_rates(rows: int, neurons: int, kind: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(3).normal(-0.5, 1.5, (rows, neurons)).astype(kind)


@pytest.mark.parametrize("relaxation", ["sigmoid", "cubic"])
@pytest.mark.parametrize("temperature", [1.0, 0.3, 0.01])
def test_sample_and_slope_equal_the_plain_formula(
    temperature: float, relaxation: RelaxationKind
) -> None:
    u, law = log_rates(4, 11), RELAXATIONS[relaxation]
    table = torch.from_numpy(unit_exponentials(5, 4, 11, 2500))
    leaf = torch.from_numpy(u).requires_grad_()
    plain = relaxed_poisson_plain(leaf, temperature, table, law)
    (gradient,) = torch.autograd.grad(plain.sum(), leaf)
    # No cubic count comes after its cutoff, so that it leaves out nothing.
    cubic = law is CUBIC
    cutoff = law.cutoff if cubic else NO_CUTOFF
    z, slope, _ = drawn_sample(u, 5, temperature, cutoff, cubic=cubic)
    np.testing.assert_allclose(z, plain.detach().numpy(), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(slope, gradient.numpy(), rtol=1e-9, atol=1e-11)


def test_slope_is_the_finite_difference() -> None:
    # The arrivals of a neuron scale with exp(-u) while its exponentials stay what they are.
    u, step = log_rates(5, 13), 1e-6
    _, slope, _ = drawn_sample(u)
    above, below = drawn_sample(u + step)[0], drawn_sample(u - step)[0]
    np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-6, atol=1e-8)


def test_float32_draws_the_same_sample() -> None:
    u = log_rates(6, 33)
    wide, narrow = drawn_sample(u, cutoff=6.0), drawn_sample(u.astype(np.float32), cutoff=6.0)
    # An arrival within rounding of the horizon may fall on either side of it: it adds 0.0025.
    np.testing.assert_allclose(narrow[0], wide[0], rtol=1e-5, atol=3e-3)
    assert np.mean(np.abs(narrow[0] - wide[0]) > 1e-5 * (1 + wide[0])) < 0.02
    assert np.mean(np.abs(narrow[1] - wide[1]) > 1e-4 * (1 + wide[1])) < 0.02


def test_cutoff_leaves_out_what_comes_after_the_horizon() -> None:
    u, temperature = log_rates(4, 11), 0.3
    times = np.cumsum(unit_exponentials(5, 4, 11, 400) * np.exp(-u), 0)
    within = times <= 1 + 2.0 * temperature
    soft = 1 / (1 + np.exp(np.minimum((times - 1) / temperature, 700)))
    z, _, drawn = drawn_sample(u, cutoff=2.0)
    np.testing.assert_allclose(z, (soft * within).sum(0), rtol=1e-11, atol=1e-13)
    # Every neuron draws one arrival more than it uses: the one that is too late.
    assert drawn.tolist() == (within.sum(0) + 1).sum(1).tolist()


def test_cold_counts_have_the_rate_as_mean_and_variance() -> None:
    rates = np.array([0.02, 0.5, 1.0, 3.0, 12.0])
    n = 40_000
    z = drawn_sample(np.tile(np.log(rates), (n, 1)).astype(np.float32), temperature=1e-3)[0]
    error = np.sqrt(rates / n)
    assert (np.abs(z.mean(0) - rates) < 5 * error).all()
    # The variance of a Poisson count's sample variance is (rate + 2 rate^2) / n.
    spread = np.sqrt((rates + 2 * rates**2) / n)
    assert (np.abs(z.var(0) - rates) < 5 * spread + 2e-3 * rates).all()


@pytest.mark.parametrize("temperature", [1.0, 0.4, 0.05])
def test_cubic_counts_have_the_moments_of_the_formula(temperature: float) -> None:
    # Mean and mean slope are the rate, exactly; the variance is rate (1 - 9 temperature / 35).
    rates = np.array([0.02, 0.5, 1.0, 3.0, 12.0])
    n = 40_000
    u = np.tile(np.log(rates), (n, 1)).astype(np.float32)
    z, slope, _ = drawn_sample(u, temperature=temperature, cutoff=1.0, cubic=True)
    variance = rates * (1 - 9 * temperature / 35)
    assert (np.abs(z.mean(0) - rates) < 5 * np.sqrt(variance / n)).all()
    assert (np.abs(slope.mean(0) - rates) < 5 * slope.std(0) / np.sqrt(n)).all()
    spread = np.sqrt((rates + 2 * rates**2) / n)
    assert (np.abs(z.var(0) - variance) < 5 * spread).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_row_does_not_depend_on_the_range(kind: Any) -> None:
    u = log_rates(7, 19, kind)
    whole = drawn_sample(u, cutoff=6.0)
    parts = [drawn_sample(u, cutoff=6.0, rows=rows) for rows in ((0, 1), (1, 5), (5, 7))]
    for i, rows in enumerate((slice(0, 1), slice(1, 5), slice(5, 7))):
        for result, expected in zip(parts[i], whole, strict=True):
            np.testing.assert_array_equal(result[rows], expected[rows])
            others = np.delete(result, np.arange(len(u))[rows], 0)
            assert (others == -1).all()


def test_a_row_keeps_its_place_in_another_batch() -> None:
    # Row 3 of a batch is row 0 of one whose key is counted on by three.
    u = log_rates(5, 17, np.float32)
    whole = drawn_sample(u, key=9, cutoff=6.0)
    later = drawn_sample(u[3:].copy(), key=(9 + 3 * GOLDEN) & WORD, cutoff=6.0)
    for result, expected in zip(later, whole, strict=True):
        np.testing.assert_array_equal(result, expected[3:])


def test_a_neuron_does_not_depend_on_its_neighbours() -> None:
    u = log_rates(4, 23, np.float32)
    busy = u.copy()
    busy[:, ::2] += np.float32(3.0)
    busy[0] = -4.0
    before, after = drawn_sample(u, cutoff=6.0), drawn_sample(busy, cutoff=6.0)
    for first, second in zip(before[:2], after[:2], strict=True):
        np.testing.assert_array_equal(first[1:, 1::2], second[1:, 1::2])


def test_keys_rows_and_neurons_give_other_numbers() -> None:
    u = np.zeros((40, 50))
    z, other = drawn_sample(u, key=1)[0], drawn_sample(u, key=2)[0]
    assert len(np.unique(np.concatenate([z.ravel(), other.ravel()]))) == 2 * z.size


def test_a_run_away_row_stops_early() -> None:
    # 600 neurons at e^10 spikes per step would draw 600 * e^10 * 1.06 = 14 million arrivals.
    u = np.full((1, 600), 10.0, np.float32)
    drawn = drawn_sample(u, temperature=0.01, cutoff=6.0)[2]
    assert kernel.MAX_ROW_ARRIVALS <= drawn[0] < kernel.MAX_ROW_ARRIVALS + 600
