"""The training benchmark: its baseline computes the same loss, and a tiny run has all its parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import small
from benchmarks import memory
from benchmarks.training_speed import __main__
from benchmarks.training_speed.page import page
from benchmarks.training_speed.plain_training import FixedSampler, fixed_arrivals, plain_loss
from ipvae_snn.config.settings import Config
from ipvae_snn.data import load
from ipvae_snn.errors import ConfigError, TrainingError
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson_samples import relaxed_poisson_plain
from ipvae_snn.training.objective import unrolled_plain


def tiny(iterations: int = 3) -> Config:
    config = __main__.config_of("patches", iterations, threads=1, seed=0)
    return replace(
        config,
        model=replace(config.model, n_latents=16),
        train=replace(config.train, batch_size=8, steps=4),
    )


@pytest.mark.parametrize("code_form", [True, False])
def test_plain_formulation_and_gram_space_agree_on_the_same_arrivals(code_form: bool) -> None:
    M, K, B, T, beta = 12, 7, 4, 5, 3.0
    g = torch.Generator().manual_seed(6)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=g)

    leaves = [
        value.requires_grad_()
        for value in (
            normal(M, K) * 0.3,
            normal(1, M) * 0.3,
            normal(1, K) - 1,
            normal(1, K) * 0.2 - 2,
            torch.tensor(-1.0, dtype=torch.float64),
        )
    ]
    p, x = Parameters(*leaves), normal(B, M)
    table = torch.empty(T + 1, 60, B, K, dtype=torch.float64).exponential_(generator=g)
    unrolling = small.small_unrolling(T, code_form=code_form)
    calls: list[int] = []

    def sample(u: Tensor) -> Tensor:
        # The calls are for u_0, u_1 (loss), u_1 (inference), u_2, u_2, ...
        calls.append(len(calls))
        return relaxed_poisson_plain(u, 0.5, table[(calls[-1] + 1) // 2])

    plain = plain_loss(p, x, sample, beta, unrolling)
    gram = unrolled_plain(
        p, x, lambda u, i: relaxed_poisson_plain(u, 0.5, table[i]), beta, unrolling
    )
    assert len(calls) == 2 * T
    for name in ("loss", "nll", "kl", "rate", "max_rate"):
        torch.testing.assert_close(getattr(plain, name), getattr(gram, name), rtol=1e-11, atol=0)
    for one, other in zip(
        torch.autograd.grad(plain.loss, leaves), torch.autograd.grad(gram.loss, leaves), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_fixed_number_of_arrivals() -> None:
    # The 0.999 quantile of Poisson(20) is 35 (CDF .9984 at 34, .9992 at 35); of Poisson(1) it is 5.
    assert fixed_arrivals(torch.tensor([1.0, 20.0]).log()) == 35
    assert fixed_arrivals(torch.tensor([1.0, 0.1]).log()) == 10


def test_sampler_stops_before_memory_ends() -> None:
    # 35 arrivals of 6 elements, 2 tensors in float32: 1,680 bytes, and the second is too much.
    sample = FixedSampler(torch.Generator().manual_seed(0), 0.1, memory=3000)
    u = torch.full((2, 3), 20.0).log()
    assert sample(u).shape == (2, 3)
    with pytest.raises(
        TrainingError,
        match=r"^the plain formulation ran out of memory: a sample of rates up to 20 spikes per "
        r"step takes n_exp = 35 arrivals, and samples kept 0\.0 GiB in one iteration "
        r"\(limit 0\.0\); lengthen the warm-up, or raise --memory$",
    ):
        sample(u)


def test_tiny_run(tmp_path: Path) -> None:
    images = load("natural", "train", limit=40, n_patches=60)
    seen: list[int] = []
    result = __main__.measure(tiny(), images, images, block=2, show=seen.append)
    assert seen == [2, 3]
    assert list(result["arms"]) == ["plain", "fast", "again", "two"]
    for arm in result["arms"].values():
        assert arm["iterations"] == 3
        assert arm["stopped"] == ""
        assert arm["seconds_per_iteration"]["median"] > 0
    assert result["arms"]["plain"]["arrivals"] >= 10
    assert 1 <= result["arms"]["fast"]["arrivals"] < 10
    assert len(result["ratios"]) == 1  # of whole blocks
    # The same network, batch and formulas: the losses differ by the samples' noise alone.
    loss = result["loss"]
    assert loss["iterations"] == 2
    assert loss["means"][1] == pytest.approx(loss["means"][0], rel=0.05)
    assert result["loss_with_other_noise"]["difference"] != 0
    written = __main__.written(tmp_path / "r.json", "patches", result)
    again = __main__.written(tmp_path / "r.json", "mnist", result)
    assert list(written) == ["patches"]
    assert list(again) == ["patches", "mnist"]
    text = page(again)
    assert "## MNIST" in text
    assert "## Patches 16x16" in text
    assert f"**{result['ratio_per_block']['median']:.1f} times** fewer" in text
    assert f"**{result['ratio_with_two_samples']['median']:.1f} times** fewer" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 99


def test_a_formulation_that_runs_out_of_memory_stops_alone() -> None:
    images = load("natural", "train", limit=40, n_patches=60)
    result = __main__.measure(tiny(), images, images, block=2, memory=1000.0)
    plain, fast = result["arms"]["plain"], result["arms"]["fast"]
    assert plain["iterations"] == 0
    assert plain["stopped"].startswith("iteration 0: the plain formulation ran out of memory")
    assert fast["iterations"] == 3
    assert result["ratio_per_block"] is None
    assert "stopped early. iteration 0: the plain" in " ".join(page({"patches": result}).split())


def test_unknown_setting() -> None:
    with pytest.raises(
        ConfigError, match=r"^there is no setting 'x'; known ones are patches, mnist$"
    ):
        __main__.config_of("x", 10, 1, 0)


def test_memory_growth_sees_what_a_block_allocates() -> None:
    with memory.measured_growth() as growth:
        # glibc may answer up to 32 MiB from memory that an earlier test freed but that the
        # process still holds; a larger block is always mapped anew.
        held = np.ones(80_000_000 // 8)
    if growth.bytes is not None:  # only Linux reports it
        assert 78e6 < growth.bytes < 100e6
    assert held.sum() == 10_000_000
