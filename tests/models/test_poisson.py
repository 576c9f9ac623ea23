"""The formulas of the model against an independent transcription in float64 NumPy."""

import math

import numpy as np
import pytest
import torch

from ipvae_snn.models import linear_gaussian, poisson

M, K, B = 12, 7, 5


def problem(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "phi": rng.normal(0, 0.7, (M, K)),
        "log_sigma": rng.normal(0, 0.4, (1, M)),
        "log_bias": rng.normal(-2, 0.5, (1, K)),
        "x": rng.normal(0, 1, (B, M)),
        "u": rng.normal(-1, 2, (B, K)),
        "z": rng.poisson(0.8, (B, K)).astype(float),
    }


def clip_numpy(a: np.ndarray, c: float) -> np.ndarray:
    return c - np.log1p(np.exp(c - np.maximum(a, -8.0)))


def update_numpy(p: dict[str, np.ndarray], log_lr: float, c: float) -> np.ndarray:
    """One image at a time, one neuron at a time, straight from the formulas."""
    result = np.empty((B, K))
    for n in range(B):
        error = p["x"][n] - p["phi"] @ p["z"][n]
        weighted = error / np.exp(p["log_sigma"][0]) ** 2
        for k in range(K):
            drive = p["phi"][:, k] @ weighted
            du = math.exp(log_lr) * (drive - math.exp(p["log_bias"][0, k]))
            result[n, k] = clip_numpy(p["u"][n, k] + clip_numpy(np.array(du), c), c)
    return result


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
@pytest.mark.parametrize(("log_lr", "clip"), [(-0.7, 10.0), (-0.2, 3.0)])
def test_update_equals_the_papers_formulas(
    dtype: torch.dtype, limit: float, log_lr: float, clip: float
) -> None:
    for seed in range(5):
        p = problem(seed)
        t = {name: torch.tensor(value, dtype=dtype) for name, value in p.items()}
        rate = torch.tensor(log_lr, dtype=dtype)
        plain = linear_gaussian.drive(t["x"], t["z"], t["phi"], t["log_sigma"])
        b, G = (
            linear_gaussian.feed_forward(t["x"], t["phi"], t["log_sigma"]),
            linear_gaussian.gram(t["phi"], t["log_sigma"]),
        )
        expected = update_numpy(p, log_lr, clip)
        for drive in (plain, linear_gaussian.gram_drive(b, t["z"], G)):
            result = poisson.update(t["u"], drive, t["log_bias"], rate, clip)
            assert np.abs(result.numpy() - expected).max() < limit


def test_soft_clip_by_hand() -> None:
    # At the clip itself softplus(0) = log 2 is taken off; far above it, the clip is the limit.
    # -20 is first raised to -8, where softplus(18) = 18 + 1.5e-8 gives -8 again.
    a = torch.tensor([10.0, 1000.0, -20.0, 0.0], dtype=torch.float64)
    expected = [10 - math.log(2), 10.0, -8.0, 10 - math.log1p(math.exp(10))]
    assert poisson.soft_clip(a, 10.0).tolist() == pytest.approx(expected, abs=1e-7)


def test_kl_forms_by_hand() -> None:
    # Rates 2 and 1: KL = 2 log 2 - 2 + 1; the code's form has rate 2 where the exact one has 1.
    new, old = torch.tensor([[math.log(2.0)]]), torch.tensor([[0.0]])
    exact = 2 * math.log(2) - 1
    assert poisson.kl_exact(new, old).item() == pytest.approx(exact, abs=1e-6)
    assert poisson.kl_code(new, old).item() == pytest.approx(2 * exact, abs=1e-6)


def test_kl_exact_equals_the_sum_over_counts() -> None:
    new, old = 0.4, -0.3
    k = np.arange(60)
    log_factorial = np.array([math.lgamma(n + 1) for n in k])
    log_p, log_q = k * new - math.exp(new) - log_factorial, k * old - math.exp(old) - log_factorial
    expected = (np.exp(log_p) * (log_p - log_q)).sum()
    result = poisson.kl_exact(
        torch.tensor([[new]], dtype=torch.float64), torch.tensor([[old]], dtype=torch.float64)
    )
    assert result.item() == pytest.approx(expected, abs=1e-12)


def test_likelihood_plain_gram_and_torchs_own_agree() -> None:
    p = {name: torch.tensor(value) for name, value in problem(3).items()}
    G, b = (
        linear_gaussian.gram(p["phi"], p["log_sigma"]),
        linear_gaussian.feed_forward(p["x"], p["phi"], p["log_sigma"]),
    )
    x_squared = (p["x"] ** 2 * linear_gaussian.precision(p["log_sigma"])).sum(-1)
    normaliser = linear_gaussian.log_normaliser(p["log_sigma"])
    plain = linear_gaussian.negative_log_likelihood(p["x"], p["z"], p["phi"], p["log_sigma"])
    lateral = p["z"] @ G
    in_gram = linear_gaussian.gram_negative_log_likelihood(
        x_squared, b, p["z"], lateral, normaliser
    )
    normal = torch.distributions.Normal(p["z"] @ p["phi"].T, torch.exp(p["log_sigma"]))
    torch.testing.assert_close(plain, -normal.log_prob(p["x"]).sum(-1), rtol=1e-12, atol=0)
    torch.testing.assert_close(in_gram, plain, rtol=1e-11, atol=0)


def test_free_energy_weighs_the_kl() -> None:
    assert linear_gaussian.free_energy(torch.tensor([3.0]), torch.tensor([2.0]), 4.0).tolist() == [
        11.0
    ]
