"""Gaussian latents against the paper's formulas, written anew with NumPy, one number at a time."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from ipvae_snn.config.settings import ModelConfig
from ipvae_snn.models.gaussian import Gaussian, GaussianLatents, GaussianVAE
from ipvae_snn.models.protocol import LatentSettings, advance, drive

M, K, B = 6, 4, 3
NORMAL = partial(np.random.default_rng(5).normal)


def tensor(values: np.ndarray) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def latents(settings: LatentSettings, rectified: bool) -> GaussianLatents:
    scalars = (tensor(np.array(v)) for v in (-0.6, -0.9))
    rows = [tensor(NORMAL(size=(1, K)) * 0.3) for _ in range(3)]
    gain = tensor(NORMAL(size=(1, K)) * 0.3) if rectified else None
    return GaussianLatents(*rows, *scalars, gain, settings)


def clipped(value: float, clip: float) -> float:
    return clip * math.tanh(value / clip)


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(("updates", "clip"), [(1, 7.0), (3, 4.0)])
def test_a_step_equals_the_papers_formulas(rectified: bool, updates: int, clip: float) -> None:
    """Clips of 7 and 4: those of xi are 2 and 1.5, of its change 3 and 2."""
    model = latents(LatentSettings(clip, -8.0, updates, leak=0.7), rectified)
    clip_xi, clip_change = {7.0: (2.0, 3.0), 4.0: (1.5, 2.0)}[clip]
    phi, precision = NORMAL(size=(M, K)), np.exp(NORMAL(size=M))
    x, noise = NORMAL(size=(B, M)), NORMAL(size=(updates, B, K))
    mu, xi = NORMAL(size=(B, K)), NORMAL(size=(B, K)) * 0.3
    given = iter(tensor(noise))
    pixels, matrix = tensor(x), tensor(phi)

    def push(z: Tensor) -> Tensor:
        return ((pixels - z @ matrix.T) * tensor(precision)) @ matrix

    _, result = advance(model, Gaussian(tensor(mu), tensor(xi)), lambda _: next(given), push)

    gain = np.ones(K) if model.log_gain is None else np.exp(model.log_gain.numpy()[0])
    for n in range(B):
        m, s = mu[n].copy(), xi[n].copy()
        for i in range(updates):
            z = m + np.exp(s) * noise[i, n]
            code, slope = (gain * np.maximum(z, 0), gain * (z > 0)) if rectified else (z, gain)
            gradient = -slope * (phi.T @ (precision * (x[n] - phi @ code)))
            to_mu, to_xi = gradient.copy(), gradient * noise[i, n] * np.exp(s)
            if updates > 1:
                to_mu += 0.7 * (m - mu[n]) / np.exp(2 * xi[n])
                to_xi += 0.7 * (np.exp(2 * (s - xi[n])) - 1)
            for k in range(K):
                bias = math.exp(model.log_bias[0, k].item())
                d_mu = -math.exp(model.log_lr.item()) * (math.exp(2 * s[k]) * to_mu[k] + bias)
                d_xi = -math.exp(model.log_lr_xi.item()) * 0.5 * to_xi[k]
                m[k] = clipped(m[k] + clipped(d_mu, clip), clip)
                s[k] = clipped(s[k] + clipped(d_xi, clip_change), clip_xi)
        np.testing.assert_allclose(result.mu[n].numpy(), m, rtol=1e-10)
        np.testing.assert_allclose(result.xi[n].numpy(), s, rtol=1e-10)


def test_the_divergence_is_the_textbooks() -> None:
    model = latents(LatentSettings(7.0, -8.0), False)
    new, old = (Gaussian(tensor(NORMAL(size=(B, K))), tensor(NORMAL(size=(B, K)))) for _ in "ab")
    q, p = (torch.distributions.Normal(s.mu, torch.exp(s.xi)) for s in (new, old))
    expected = torch.distributions.kl_divergence(q, p).sum(-1)
    torch.testing.assert_close(model.divergence(new, old), expected)
    assert model.divergence(new, new).abs().max() < 1e-12


@pytest.mark.parametrize("rectified", [False, True])
def test_means_and_messages_are_those_of_samples(rectified: bool) -> None:
    model = latents(LatentSettings(7.0, -8.0), rectified)
    state = Gaussian(*(tensor(NORMAL(size=(1, K))).expand(40_000, -1) for _ in "ab"))
    z = model.sample(state, model.draws(torch.Generator().manual_seed(1)))
    tolerance = {"atol": 5 * z.std(0).max().item() / 200, "rtol": 0.0}
    torch.testing.assert_close(z.abs().mean(0), model.activity(state)[0], **tolerance)
    torch.testing.assert_close((z != 0).double().mean(0), model.messages(state)[0], **tolerance)
    if not rectified:
        torch.testing.assert_close(z.mean(0), model.rates(state)[0], **tolerance)


def test_neurons_of_a_feature_share_their_parameters() -> None:
    config = ModelConfig(
        kind="gaussian", n_latents=0, dictionary="convolutional", features=3, kernel=4, stride=2
    )
    module = GaussianVAE(config, (8, 8), torch.Generator().manual_seed(0), rectified=True)
    with torch.no_grad():
        module.mu0.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
    view = module.view()
    assert view.mu0.shape == (1, 27)
    assert view.mu0[0, ::9].tolist() == [1.0, 2.0, 3.0]
    x = torch.ones(2, 64)
    assert drive(view.dictionary, x, torch.zeros(2, 27)).shape == (2, 27)


@pytest.mark.parametrize("clip", [1.5, 7.0])
def test_the_explicit_gradient_is_the_tapes(clip: float) -> None:
    """In double precision, against the same formulas by automatic differentiation."""
    settings = LatentSettings(clip, -8.0)
    values = [NORMAL(size=(B, K)), NORMAL(size=(B, K)) * 0.5, NORMAL(size=(B, K)) * 2]
    values += [NORMAL(size=(1, K)), np.array(-0.3), np.array(0.4)]
    eps, weights = tensor(NORMAL(size=(B, K))), tensor(NORMAL(size=(2, B, K)))
    gradients, results = [], []
    for explicit in (True, False):
        leaves = [tensor(value).requires_grad_() for value in values]
        mu, xi, push, *rates = leaves
        model = GaussianLatents(mu[:1], xi[:1], *rates, None, settings)
        state = Gaussian(mu, xi)
        z = mu + torch.exp(xi) * eps
        after = (
            model.update(state, state, push, z)
            if explicit
            else model._leaking(state, state, push, eps)
        )
        loss = (weights[0] * after.mu + weights[1] * after.xi).sum()
        gradients.append(torch.autograd.grad(loss, leaves))
        results.append(after)
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
