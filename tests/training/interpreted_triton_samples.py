"""The Triton kernel of relaxed samples, in Triton's interpreter; run by test_triton_samples.py."""

import math
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import Config, ModelConfig, RelaxationKind
from ipvae_snn.errors import TrainingError
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.poisson_samples import relaxed_poisson_plain
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.relaxations import CUBIC, RELAXATIONS, SIGMOID
from ipvae_snn.models.trainable import trainable
from ipvae_snn.training import loss
from ipvae_snn.training.device_samples import relaxed_draws
from ipvae_snn.training.schedules import ScheduleValues

SETTINGS = LatentSettings(clip=10.0, floor=-8.0)
SEED, NUMBER = (0x1234 << 32) | 0x89ABCDEF, 7


@pytest.fixture(scope="module")
def kernels() -> Iterator[ModuleType]:
    """The module, whose functions are interpreted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")  # read where kernels are declared, triton's own too
        yield import_module("ipvae_snn.training.triton_samples")


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32-10 from its definition: counter (4, ...) to words (4, ...), uint64 below 2^32."""
    a, b, c, d = counter.astype(np.uint64)
    low, high = (np.uint64(k) for k in key)
    word, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (
            (second >> half) ^ b ^ low,
            second & word,
            (first >> half) ^ d ^ high,
            first & word,
        )
        low, high = (low + np.uint64(0x9E3779B9)) & word, (high + np.uint64(0xBB67AE85)) & word
    return np.stack([a, b, c, d])


def exponentials(elements: int, blocks: int) -> torch.Tensor:
    """The kernel's unit exponentials (4 * blocks, elements), from their definition."""
    element, block = np.meshgrid(np.arange(elements), np.arange(blocks))
    counter = np.stack([element, block, np.full_like(block, NUMBER), np.zeros_like(block)])
    words = philox(counter, (SEED & 0xFFFFFFFF, SEED >> 32))
    uniform = (words >> np.uint64(8)).astype(np.float64) * 2.0**-24
    return torch.from_numpy(-np.log(1 - uniform).transpose(1, 0, 2).reshape(-1, elements))


@pytest.mark.parametrize("relaxation", ["sigmoid", "cubic"])
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_sample_and_gradient_are_those_of_the_plain_formula(
    kernels: ModuleType, relaxation: RelaxationKind, temperature: float
) -> None:
    law = RELAXATIONS[relaxation]._replace(cutoff={"sigmoid": 30.0, "cubic": 1.0}[relaxation])
    law = CUBIC if relaxation == "cubic" else law
    u = torch.from_numpy(np.random.default_rng(2).normal(-0.5, 1.0, (6, 50)).astype(np.float32))
    leaf, wide = u.clone().requires_grad_(), u.double().requires_grad_()
    z = kernels.relaxed_poisson_triton(leaf, temperature, kernels.Noise(SEED, NUMBER), law)
    table = exponentials(300, 200).reshape(800, 6, 50)
    plain = relaxed_poisson_plain(wide, temperature, table, law)
    torch.testing.assert_close(z.double(), plain, rtol=2e-5, atol=2e-6)
    (gradient,) = torch.autograd.grad(z.sum(), leaf)
    (expected,) = torch.autograd.grad(plain.sum(), wide)
    torch.testing.assert_close(gradient.double(), expected, rtol=2e-4, atol=2e-4)


def test_cubic_counts_have_the_moments_of_the_formula(kernels: ModuleType) -> None:
    rate, temperature, n = 1.7, 0.4, 8_000
    u = torch.full((n,), math.log(rate)).requires_grad_()
    z = kernels.relaxed_poisson_triton(u, temperature, kernels.Noise(3, 0), CUBIC)
    (slope,) = torch.autograd.grad(z.sum(), u)
    variance = rate * (1 - 9 * temperature / 35)
    assert z.mean().item() == pytest.approx(rate, abs=5 * math.sqrt(variance / n))
    assert slope.mean().item() == pytest.approx(rate, abs=5 * slope.std().item() / math.sqrt(n))
    assert z.var().item() == pytest.approx(variance, abs=5 * math.sqrt((rate + 2 * rate**2) / n))


def test_training_takes_the_kernel_if_it_is_wanted(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PoissonLatents(torch.zeros(1, 4), torch.zeros(1, 4), torch.zeros(()), SETTINGS)
    cubic = replace(Config().train, relaxation="cubic", sampling="triton")
    u = torch.zeros(3, 4)
    draws = [
        relaxed_draws(Config(train=cubic), model, torch.Generator().manual_seed(5), 0.5)
        for _ in range(2)
    ]
    first, again = ([draw(u), draw(u)] for draw in draws)
    expected = kernels.relaxed_poisson_triton(u, 0.5, kernels.Noise(5, 1), CUBIC)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], expected)
    assert not torch.equal(first[0], first[1])


def test_noise_depends_on_seed_and_number(kernels: ModuleType) -> None:
    u = torch.zeros(300)
    keys = [(1, 0), (2, 0), (1, 1), (1, 0)]
    one, other, third, again = (
        kernels.relaxed_poisson_triton(u, 0.5, kernels.Noise(*key), SIGMOID) for key in keys
    )
    assert torch.equal(one, again)
    counts = torch.cat([one, other, third])
    counts = counts[counts > 0]  # a few neurons have no arrival
    assert len(torch.unique(counts)) == len(counts) > 800


def test_an_iteration_that_is_run_again_on_the_same_memory_draws_anew(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel in the memory of a CUDA graph: figures and gradients are those without one."""
    train = replace(Config().train, steps=2, sampling="triton", samples=2)
    config = Config(ModelConfig(n_latents=5, phi_std=0.3, u0_low=-3.0, u0_high=-1.0), train)
    model = trainable(config.model, (3, 3), torch.Generator().manual_seed(1))
    monkeypatch.setattr(loss, "COMPILED", "none")
    cpu = torch.device("cpu")
    plain = loss.TrainingLoss(config, cpu, model, None, print)
    monkeypatch.setattr(loss, "uses_cuda_graphs", lambda *_: True)
    monkeypatch.setattr(loss, "captured_on_cuda", lambda work: work)
    captured = loss.TrainingLoss(config, cpu, model, None, print)
    for iteration in range(3):
        x = torch.randn(4, 9, generator=torch.Generator().manual_seed(iteration))
        now = ScheduleValues(0.01, 20.0, 0.5 + iteration, 3.0 + iteration, 0.9 / (1 + iteration), 2)
        results = []
        for way in (captured, plain):
            model.zero_grad(set_to_none=True)
            figures = way.differentiated(loss.Batch(x, 0, 1.0), iteration, now)
            gradients = [parameter.grad for parameter in model.parameters()]
            assert all(gradient is not None for gradient in gradients)
            kept = (figures.loss.detach(), figures.kl, *gradients)
            results.append([each.clone() for each in kept if each is not None])
        assert all(torch.equal(*pair) for pair in zip(*results, strict=True))
        assert captured.captured is not None
        assert 0 < captured.captured.draws.arrivals() < 30


def test_rates_that_ran_away_end_in_advice(kernels: ModuleType) -> None:
    u = torch.full((2, 8), math.log(2_000.0))
    with pytest.raises(TrainingError, match=r"^training ran away: rates reached 2000 .* lower tr"):
        kernels.relaxed_poisson_triton(u, 0.1, kernels.Noise(1, 0), CUBIC)
