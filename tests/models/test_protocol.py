"""Protocols of latent models and dictionaries: Poisson, and another model with no more methods."""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

import small
from ipvae_snn.errors import ConfigError
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.family import MEMBERS, check_kind
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import (
    Dictionary,
    Draw,
    LatentModel,
    LatentSettings,
    advance,
    drive,
    negative_log_likelihood,
)
from ipvae_snn.training.objective import unrolled_by_autodiff
from ipvae_snn.training.validation import validate

M, K, B = 12, 7, 5
SETTINGS = LatentSettings(clip=6.0, floor=-8.0, updates_per_step=3, leak=0.8)


def parameters(seed: int = 0) -> Parameters:
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=g)

    log_lr = torch.tensor(-0.7, dtype=torch.float64)
    return Parameters(
        normal(M, K) * 0.3, normal(1, M) * 0.2, normal(1, K), normal(1, K) - 1, log_lr
    )


def images(seed: int = 1) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(B, M, dtype=torch.float64, generator=g)


def clip_numpy(a: np.ndarray, c: float) -> np.ndarray:
    return c - np.log1p(np.exp(c - np.maximum(a, -8.0)))


def fixed(table: Tensor) -> Draw:
    """Return a source that gives the entries of `table` (n, B, K) one after the other."""
    entries = iter(table)
    return lambda _: next(entries)


def test_a_step_of_several_updates_equals_the_papers_formulas() -> None:
    """One image and one neuron at a time; the leak times the step size, from the step's start."""
    p, x = parameters(), images()
    model, dictionary = PoissonLatents.of(p, SETTINGS), DenseDictionary.of(p)
    counts = torch.poisson(torch.full((3, B, K), 0.8, dtype=torch.float64))
    u = torch.linspace(-2, 1, B * K, dtype=torch.float64).reshape(B, K)
    z, result = advance(model, u, fixed(counts), lambda z: drive(dictionary, x, z))
    assert torch.equal(z, counts[2])
    phi, precision = p.phi.numpy(), np.exp(-2 * p.log_sigma.numpy()[0])
    lr, bias = math.exp(p.log_lr.item()), np.exp(p.log_bias.numpy()[0])
    expected = u.numpy().copy()
    for n in range(B):
        for i in range(3):
            push = phi.T @ (precision * (x[n].numpy() - phi @ counts[i, n].numpy()))
            du = lr * (push - bias - SETTINGS.leak * (expected[n] - u[n].numpy()))
            expected[n] = clip_numpy(expected[n] + clip_numpy(du, 6.0), 6.0)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12)


def test_a_leak_has_no_effect_on_single_updates() -> None:
    p, x = parameters(), images()
    counts = torch.poisson(torch.full((1, B, K), 0.8, dtype=torch.float64))
    ends = []
    for leak in (0.0, 0.8):
        model = PoissonLatents.of(p, replace(SETTINGS, updates_per_step=1, leak=leak))
        push = partial(drive, DenseDictionary.of(p), x)
        ends.append(advance(model, model.initial(B), fixed(counts), push)[1])
    assert torch.equal(*ends)


def test_the_dense_dictionary_by_its_formulas() -> None:
    p, x = parameters(), images()
    d = DenseDictionary.of(p)
    z = torch.poisson(torch.ones(B, K, dtype=torch.float64))
    noise = torch.diag(torch.exp(-2 * p.log_sigma[0]))
    torch.testing.assert_close(d.decode(z), (p.phi @ z.T).T)
    torch.testing.assert_close(d.project(x), x @ noise @ p.phi)
    torch.testing.assert_close(d.gram(), p.phi.T @ noise @ p.phi)
    torch.testing.assert_close(d.power(x), torch.einsum("bm,mn,bn->b", x, noise, x))
    torch.testing.assert_close(
        negative_log_likelihood(d, x, z),
        linear_gaussian.negative_log_likelihood(x, z, p.phi, p.log_sigma),
    )


def test_draws_are_exact_at_temperature_0_and_relaxed_above() -> None:
    model = PoissonLatents.of(parameters(), SETTINGS)
    u = torch.full((200, 50), 0.5, dtype=torch.float64, requires_grad=True)
    exact = model.sample(u, model.draws(torch.Generator().manual_seed(0)))
    assert torch.equal(exact, exact.round())
    assert exact.mean().item() == pytest.approx(math.exp(0.5), abs=5 * math.exp(0.25) / 100)
    relaxed = model.sample(u, model.draws(torch.Generator().manual_seed(0), 0.1))
    assert not torch.equal(relaxed, relaxed.round())
    assert torch.autograd.grad(relaxed.sum(), u)[0].mean().item() > 1


@dataclass(frozen=True)
class FixedGaussian:
    """Gaussian latents of mean m and a fixed sigma: the state is the mean (B, K) alone."""

    p: Parameters
    sigma: float
    updates_per_step: int = 2

    def initial(self, n_rows: int) -> Tensor:
        return self.p.u0.expand(n_rows, -1)

    def draws(self, generator: torch.Generator, temperature: float = 0.0) -> Draw:
        return lambda mean: torch.randn(mean.shape, dtype=mean.dtype, generator=generator)

    def sample(self, state: Tensor, draw: Draw) -> Tensor:
        return state + self.sigma * draw(state)

    def update(self, state: Tensor, start: Tensor, drive: Tensor, z: Tensor) -> Tensor:
        return state + torch.exp(self.p.log_lr) * self.sigma**2 * (drive - 0.1 * (state - start))

    def divergence(self, new: Tensor, old: Tensor) -> Tensor:
        return 0.5 * ((new - old) ** 2).sum(-1) / self.sigma**2

    def first(self, x: Tensor) -> Tensor:
        return self.initial(len(x))

    def rates(self, state: Tensor) -> Tensor:
        return state

    activity = potential = rates


def test_a_sibling_trains_and_is_validated_by_the_same_functions() -> None:
    """A Gaussian model's gradients are finite differences, and its updates explain the images."""
    p, x = parameters(), images()
    values = [v.clone().requires_grad_() for v in vars(p).values()]
    noise = torch.randn(9, B, K, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    unrolling = small.small_unrolling(4, updates_per_step=2, clip=9.0, temperature=1.0)

    def loss(leaves: list[Tensor]) -> Tensor:
        q = Parameters(*leaves)
        model: LatentModel[Tensor] = FixedGaussian(q, 0.3)
        dictionary: Dictionary = DenseDictionary.of(q)
        return unrolled_by_autodiff(
            model, dictionary, x, lambda _, i: noise[i], 2.0, unrolling
        ).loss

    gradients = torch.autograd.grad(loss(values), values, allow_unused=True)
    for i in (0, 1, 2, 4):  # it has no log_bias
        ends = []
        for sign in (1, -1):
            moved = [v.detach().clone() for v in values]
            moved[i].reshape(-1)[0] += sign * 1e-6
            ends.append(loss(moved).item())
        result = gradients[i]
        assert result is not None
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(result.reshape(-1)[0].item(), rel=1e-5)
    generator = torch.Generator().manual_seed(0)
    far, near = (
        validate(FixedGaussian(p, 0.05), DenseDictionary.of(p), x, steps=n, generator=generator)
        for n in (0, 2000)
    )
    # 7 features of 12 pixels can explain about half of white noise.
    assert (far.r2, near.r2) == (pytest.approx(-0.39, abs=0.05), pytest.approx(0.39, abs=0.1))
    assert near.free_energy < far.free_energy


def test_models_by_name() -> None:
    p = parameters()
    assert isinstance(p.latents(SETTINGS), PoissonLatents)
    with pytest.raises(ConfigError) as caught:
        check_kind("gausian")
    assert str(caught.value) == (
        "model.kind is 'gausian', but there is no such model; did you mean 'gaussian'?"
    )
    with pytest.raises(ConfigError) as caught:
        check_kind("zebra")
    assert str(caught.value) == (
        f"model.kind is 'zebra', but there is no such model; known ones are {', '.join(MEMBERS)}"
    )
