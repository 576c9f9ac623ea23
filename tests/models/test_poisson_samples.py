"""Relaxed, exact and inversion-sampled Poisson counts; and the loss that is built on them."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

import small
from ipvae_snn.errors import TrainingError
from ipvae_snn.ir.float_sampler import invert_cdf, parts_of, poisson_from_uniforms
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson_samples import (
    Draw,
    exact_poisson,
    generator_draw,
    relaxed_poisson,
    relaxed_poisson_plain,
)
from ipvae_snn.models.relaxations import CUBIC, RELAXATIONS, SIGMOID, Relaxation
from ipvae_snn.training.objective import unrolled_plain

# So late a cut-off leaves out nothing that float64 can see.
NO_CUTOFF = SIGMOID._replace(cutoff=45.0)


def injected(exponentials: Tensor) -> Draw:
    """Return a source that reads a table (n_exp, ...) instead of a generator."""
    flat = exponentials.reshape(len(exponentials), -1)

    def draw(index: Tensor | None, first: int, count: int) -> Tensor:
        rows = flat[first : first + count]
        return rows if index is None else rows[:, index]

    return draw


@pytest.mark.parametrize("relaxation", [NO_CUTOFF, CUBIC])
@pytest.mark.parametrize("temperature", [1.0, 0.3, 0.01])
def test_fast_relaxed_sample_equals_the_plain_one(
    temperature: float, relaxation: Relaxation
) -> None:
    torch.manual_seed(1)
    u = torch.randn(6, 9, dtype=torch.float64).requires_grad_()
    weights = torch.randn(6, 9, dtype=torch.float64)
    table = torch.empty(2000, 6, 9, dtype=torch.float64).exponential_()
    fast = relaxed_poisson(u, temperature, injected(table), relaxation)
    plain = relaxed_poisson_plain(u, temperature, table, relaxation)
    (fast_grad,) = torch.autograd.grad((fast * weights).sum(), u)
    (plain_grad,) = torch.autograd.grad((plain * weights).sum(), u)
    torch.testing.assert_close(fast, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(fast_grad, plain_grad, rtol=1e-10, atol=1e-10)


def test_cutoff_changes_little() -> None:
    torch.manual_seed(2)
    u = torch.randn(40, 50, dtype=torch.float64)
    table = torch.empty(600, 40, 50, dtype=torch.float64).exponential_()
    cut = relaxed_poisson(u, 0.2, injected(table))
    whole = relaxed_poisson_plain(u, 0.2, table)
    assert (whole - cut).min() > -1e-12
    # The tail of the expectation is rate * temperature * log(1 + exp(-6)) = rate * 5e-4 at most.
    assert ((whole - cut).mean() / torch.exp(u).mean()).item() < 1e-3


def test_relaxed_moments() -> None:
    # E z = rate * integral of sigmoid((1 - s)/T) ds = rate * T * log(1 + exp(1/T)).
    rate, temperature, n = 2.5, 0.1, 200_000
    u = torch.full((n,), math.log(rate), dtype=torch.float64)
    generator = torch.Generator().manual_seed(3)
    z = relaxed_poisson(u, temperature, generator_draw(u.shape, u, generator))
    expected = rate * temperature * math.log1p(math.exp(1 / temperature))
    assert z.mean().item() == pytest.approx(expected, abs=5 * math.sqrt(rate / n))


@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_cubic_mean_and_mean_gradient_are_the_rate(temperature: float) -> None:
    # Exactly at every temperature up to 1: c(1 + d) + c(1 - d) = 1.
    rate, n = 1.7, 200_000
    u = torch.full((n,), math.log(rate), dtype=torch.float64).requires_grad_()
    generator = torch.Generator().manual_seed(3)
    z = relaxed_poisson(u, temperature, generator_draw(u.shape, u, generator), CUBIC)
    (gradient,) = torch.autograd.grad(z.sum(), u)
    for values in (z.detach(), gradient):
        assert values.mean().item() == pytest.approx(rate, abs=5 * values.std().item() / n**0.5)


@pytest.mark.parametrize("relaxation", RELAXATIONS.values())
def test_soft_counts_fall_from_1_to_0_and_are_half_at_the_end(relaxation: Relaxation) -> None:
    times = torch.linspace(0.0, 2.0, 201, dtype=torch.float64).requires_grad_()
    soft, weight = relaxation.counts(times, 0.25)
    assert soft[100].item() == pytest.approx(0.5)
    assert (soft[1:] <= soft[:-1]).all()
    torch.testing.assert_close(soft + soft.flip(0), torch.ones_like(soft))
    (slope,) = torch.autograd.grad(soft.sum(), times)
    torch.testing.assert_close(weight.detach(), -times.detach() * slope, rtol=1e-9, atol=1e-12)


def test_mean_gradient_of_a_cold_sample_is_the_rate() -> None:
    # d E[z] / du = rate for Poisson; the relaxed gradient is its unbiased estimate as T -> 0.
    n = 400_000
    u = torch.full((n,), math.log(1.7), dtype=torch.float64).requires_grad_()
    generator = torch.Generator().manual_seed(4)
    z = relaxed_poisson(u, 0.05, generator_draw(u.shape, u, generator))
    (gradient,) = torch.autograd.grad(z.sum(), u)
    assert gradient.mean().item() == pytest.approx(1.7, rel=0.02)


@pytest.mark.parametrize(("rate", "rows"), [(20_000.0, 10), (2_000.0, 100)])
def test_exploding_rates_end_in_advice(rate: float, rows: int) -> None:
    u = torch.full((rows, 8), math.log(rate))
    generator = torch.Generator().manual_seed(0)
    with pytest.raises(
        TrainingError, match=r"^training ran away: rates reached .* lower train\.learning_rate"
    ):
        relaxed_poisson(u, 0.01, generator_draw(u.shape, u, generator))


def test_exact_poisson_is_seeded_and_fits() -> None:
    u = torch.full((100_000,), math.log(0.6))
    first = exact_poisson(u, torch.Generator().manual_seed(5))
    again = exact_poisson(u, torch.Generator().manual_seed(5))
    assert torch.equal(first, again)
    assert first.mean().item() == pytest.approx(0.6, abs=0.013)
    assert (first == 0).double().mean().item() == pytest.approx(math.exp(-0.6), abs=0.008)


def test_loss_in_gram_space_equals_the_plain_one() -> None:
    torch.manual_seed(6)
    M, K, B, T, beta = 12, 7, 4, 5, 3.0

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64)

    leaves = [
        leaf.requires_grad_()
        for leaf in (
            random(M, K) * 0.3,
            random(1, M) * 0.3,
            random(1, K) - 1,
            random(1, K) * 0.2 - 2,
            torch.tensor(-2.0, dtype=torch.float64),
        )
    ]
    p, x = Parameters(*leaves), random(B, M)
    table = torch.empty(T + 1, 500, B, K, dtype=torch.float64).exponential_()
    unrolling = small.small_unrolling(T, cutoff=NO_CUTOFF.cutoff)

    def sample(u: Tensor, update: int) -> Tensor:
        return relaxed_poisson(u, 0.5, injected(table[update]), NO_CUTOFF)

    result = unrolled_plain(p, x, sample, beta, unrolling)
    u = p.u0.expand(B, -1)
    z = relaxed_poisson_plain(u, 0.5, table[0])
    total = torch.zeros((), dtype=torch.float64)
    for t in range(T):
        drive = linear_gaussian.drive(x, z, p.phi, p.log_sigma)
        u_new = poisson.update(u, drive, p.log_bias, p.log_lr, 10.0)
        z = relaxed_poisson_plain(u_new, 0.5, table[t + 1])
        nll = linear_gaussian.negative_log_likelihood(x, z, p.phi, p.log_sigma)
        total = total + (nll + beta * poisson.kl_code(u_new, u)).mean()
        u = u_new
    plain = total / T * 256 / M
    torch.testing.assert_close(result.loss, plain, rtol=1e-10, atol=0)
    for one, other in zip(
        torch.autograd.grad(result.loss, leaves), torch.autograd.grad(plain, leaves), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def test_inversion_equals_the_quantile_function() -> None:
    # #{k : CDF_k <= u} is scipy's quantile but for u within rounding of a CDF value.
    rng = np.random.default_rng(7)
    rates = rng.uniform(0.001, 8.0, 20_000)
    u = (rng.integers(0, 1 << 31, 20_000) + 0.5) / (1 << 31)
    assert (invert_cdf(u, rates) == stats.poisson.ppf(u, rates)).mean() > 0.9999


def test_parts_by_hand() -> None:
    # log2(8) - 3 = 0, so 8 is one part; 8.1 takes 2, 64 takes 8, 65 takes 16.
    assert parts_of(np.array([0.0, 1.0, 8.0, 8.1, 64.0, 65.0])).tolist() == [1, 1, 1, 2, 8, 16]


def test_counts_sum_over_parts() -> None:
    images, step, seed = np.array([3, 9]), 5, 11
    rates = np.array([[0.5, 20.0, 3.0], [100.0, 0.01, 8.0]])
    expected = np.zeros(rates.shape, dtype=int)
    for part in range(16):
        u = (uniforms(seed, images, step, 3, part) + 0.5) / (1 << 31)
        for place in np.ndindex(*rates.shape):
            parts = max(1, 2 ** math.ceil(math.log2(rates[place]) - 3))
            if part < parts:
                expected[place] += int(stats.poisson.ppf(u[place], rates[place] / parts))
    assert (poisson_from_uniforms(rates, seed, images, step) == expected).all()


def test_inversion_sampling_has_poisson_moments() -> None:
    rates = np.tile(np.array([0.05, 1.0, 7.0, 40.0]), (20_000, 1))
    counts = poisson_from_uniforms(rates, 1, np.arange(20_000), 0)
    assert counts.mean(0) == pytest.approx(rates[0], rel=0.05)
    assert counts.var(0) == pytest.approx(rates[0], rel=0.05)


def test_a_count_does_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.5, 20.0, (6, 10))
    images = np.arange(6)
    whole = poisson_from_uniforms(rates, 2, images, 3)
    for n in range(6):
        alone = poisson_from_uniforms(rates[n : n + 1], 2, images[n : n + 1], 3)
        assert (alone[0] == whole[n]).all()


def test_rates_are_capped() -> None:
    counts = poisson_from_uniforms(np.array([[1e300, np.inf]]), 0, np.array([0]), 0)
    assert np.abs(counts / math.exp(10) - 1).max() < 0.05
