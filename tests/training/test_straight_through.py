"""Quantisation-aware training: rounding, gradients, and no effect when switched off.

That the compiled and the plain loss agree under rounding is tested in test_unrolled.py.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.quantise_aware import __main__
from benchmarks.recipe.__main__ import recipe
from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.config.toml import from_toml, with_overrides
from ipvae_snn.conversion import quantise
from ipvae_snn.data import load
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.pretrained import network_path
from ipvae_snn.training import objective
from ipvae_snn.training.straight_through import (
    CLIP_RATIOS,
    FakeRounding,
    RoundedDictionary,
    rounded_rows,
    rounded_rows_plain,
    straight_through,
)
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.training.unrolling import Rounded, Unrolling
from ipvae_snn.training.validation import validate

M, K, B = 12, 7, 5
CONFIG = Config(
    ModelConfig(n_latents=6, phi_std=0.3, log_lr=-1.0, u0_low=-3.0, u0_high=-1.0),
    TrainConfig(
        steps=4,
        batch_size=8,
        iterations=12,
        learning_rate=0.02,
        beta=1.0,
        log_interval=1,
        checkpoint_interval=4,
        validation_interval=0,
    ),
    DataConfig(name="noise"),
)
Run = Callable[..., tuple[int, str, str]]


def parameters(seed: int = 0) -> Parameters:
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=g)

    lr = torch.tensor(-0.7, dtype=torch.float64)
    return Parameters(normal(M, K) * 0.3, normal(1, M) * 0.2, normal(1, K), normal(1, K) - 1, lr)


def images() -> Tensor:
    """Return images whose third pixel never changes."""
    x = torch.randn(B, M, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    x[:, 2] = 1.5
    return x


def unrolling() -> Unrolling:
    keys = np.arange(1, 6, dtype=np.uint64)
    return Unrolling(4, 1, 0.0, 5.0, -8.0, True, 0.3, 6.0, keys)


def noise(n: int) -> ImageSet:
    pixels = np.random.default_rng(0).standard_normal((n, 6)).astype(np.float32)
    return ImageSet("noise", "train", pixels, (2, 3), "standardised")


def test_rows_by_hand() -> None:
    # Two bits: levels -1, 0, 1. Row 0 is clipped at .6 of its 8, to 4.8, where its error is least:
    # 3.2^2 + 4 * .8^2 = 12.8, against 16 at .5 and at .7, and 64 at 1 (a 4 goes to 0, half way
    # to even). Row 1 is exact as it is, and a row of zeros stays.
    rows = torch.tensor([[8.0, 4.0, -4.0, 4.0, 4.0], [3.0, 0.0, -3.0, 3.0, 0.0], [0.0] * 5])
    expected = [[4.8, 4.8, -4.8, 4.8, 4.8], [3.0, 0.0, -3.0, 3.0, 0.0], [0.0] * 5]
    result = rounded_rows(rows, 2)
    torch.testing.assert_close(result, torch.tensor(expected), rtol=1e-6, atol=0)


@settings(deadline=None)  # the first call may compile
@given(
    st.integers(2, 8), st.integers(1, 40), st.integers(1, 40), st.integers(0, 1000), st.booleans()
)
def test_rows_are_the_best_of_all_clippings(
    bits: int, n: int, width: int, seed: int, double: bool
) -> None:
    kind = torch.float64 if double else torch.float32
    rows = torch.randn(n, width, dtype=kind, generator=torch.Generator().manual_seed(seed))
    result, levels = rounded_rows(rows, bits), 2 ** (bits - 1) - 1
    torch.testing.assert_close(result, rounded_rows_plain(rows, levels), rtol=1e-5, atol=0)
    assert CLIP_RATIOS == quantise.CLIP_RATIOS
    exact = rows.double().numpy()
    peak = np.abs(exact).max(axis=1, keepdims=True)
    errors = []
    for ratio in CLIP_RATIOS:
        scale = peak * ratio / levels
        error = np.clip(np.rint(exact / scale), -levels, levels) * scale - exact
        errors.append((error**2).sum(axis=1))
    own = ((result.double().numpy() - exact) ** 2).sum(axis=1)
    # The type rounds the scale and the value, a few units in the last place each: a vector d, and
    # |e + d|^2 is within 2 |e| |d| + |d|^2 of |e|^2.
    best, d = np.min(errors, axis=0), 4 * torch.finfo(kind).eps * peak[:, 0] * np.sqrt(width)
    assert (np.abs(own - best) <= 2 * np.sqrt(best) * d + d**2).all()
    assert all(len(row.abs().unique()) <= levels + 1 for row in result)


def test_a_straight_gradient() -> None:
    exact = torch.tensor([0.2, 0.9], requires_grad=True)
    rounded = torch.tensor([0.0, 1.0])
    result = straight_through(exact, rounded)
    assert result.tolist() == [0.0, 1.0]
    (gradient,) = torch.autograd.grad((result * torch.tensor([3.0, 5.0])).sum(), exact)
    assert gradient.tolist() == [3.0, 5.0]


def test_what_inference_sees() -> None:
    p, x = parameters(), images()
    seen = FakeRounding.of(x, 4)(p, x.unsqueeze(0), linear_gaussian.gram(p.phi, p.log_sigma))
    moving = [i for i in range(M) if i != 2]
    phi, log_sigma = p.phi[moving], p.log_sigma[:, moving]
    gram = linear_gaussian.gram(phi, log_sigma)
    assert torch.equal(seen.competition, seen.back.T)
    # The diagonal is exact, and a row has at most 2 * 7 + 1 values beside it.
    torch.testing.assert_close(torch.diagonal(seen.back), torch.diagonal(gram), rtol=1e-12, atol=0)
    off = seen.back - torch.diag(torch.diagonal(seen.back))
    for row, exact in zip(off, gram - torch.diag(torch.diagonal(gram)), strict=True):
        scale = row[row != 0].abs().min()
        assert (row / scale).abs().max() <= 7 + 1e-9
        assert 0 < (row - exact).abs().max() < 0.2 * exact.abs().max()
    # The drive's mean is exact, as the bias makes it.
    exact_drive = linear_gaussian.feed_forward(x[:, moving], phi, log_sigma)
    torch.testing.assert_close(seen.drive[0].mean(0), exact_drive.mean(0), rtol=1e-10, atol=1e-12)
    assert (seen.drive[0] - exact_drive).abs().max() > 1e-3


def test_a_pixel_that_never_changes_spoils_no_scale() -> None:
    p, x = parameters(), images()
    p.log_sigma[0, 2] = -4.0  # its precision is 3000 times that of the others
    G = linear_gaussian.gram(p.phi, p.log_sigma)
    seen = FakeRounding.of(x, 4)(p, x.unsqueeze(0), G)
    other = replace(p, phi=p.phi.clone())
    other.phi[2] = 0.0
    same = FakeRounding.of(x, 4)(other, x.unsqueeze(0), G)
    for name in ("competition", "back", "drive"):
        assert torch.equal(getattr(seen, name), getattr(same, name))


class Exactly(FakeRounding):
    """Rounds nothing."""

    def __call__(self, p: DenseDictionary, frames: Tensor, G: Tensor) -> Rounded:
        drive = linear_gaussian.feed_forward(frames, p.phi, p.log_sigma)
        return Rounded(G.detach(), G.detach(), drive.detach())


def models(p: Parameters) -> tuple[PoissonLatents, DenseDictionary]:
    return PoissonLatents.of(p, LatentSettings(clip=10.0, floor=-8.0)), DenseDictionary.of(p)


def bound(rounding: FakeRounding | None, p: Parameters) -> RoundedDictionary | None:
    return None if rounding is None else RoundedDictionary(rounding, DenseDictionary.of(p))


def test_rounding_nothing_changes_no_bit() -> None:
    x = images()
    exactly = Exactly(4, torch.arange(M), torch.zeros(M))
    results = []
    for rounding in (None, exactly):
        p = parameters()
        values = [v.requires_grad_() for v in vars(p).values()]
        loss = objective.unrolled_loss(p, x, 2.0, unrolling(), rounding).loss
        results.append([loss, *torch.autograd.grad(loss, values)])
        generator = torch.Generator().manual_seed(0)
        judged = validate(*models(p), x, steps=4, generator=generator, rounding=bound(rounding, p))
        results[-1].append(torch.tensor([judged.r2, judged.free_energy]))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_validation_judges_the_rounded_network() -> None:
    p, x = parameters(), images()
    free_energies = [
        validate(
            *models(p),
            x,
            steps=16,
            rounding=bound(rounding, p),
            generator=torch.Generator().manual_seed(0),
        ).free_energy
        for rounding in (None, FakeRounding.of(x, 8), FakeRounding.of(x, 2))
    ]
    assert len(set(free_energies)) == 3


def test_a_run_learns_under_rounding_resumes_exactly_and_says_so(tmp_path: Path) -> None:
    aware = with_overrides(CONFIG, ["train.quantise_aware=3"])
    off = train(CONFIG, noise(40), noise(8), tmp_path / "off").checkpoint
    whole = train(aware, noise(40), noise(8), tmp_path / "whole").checkpoint
    assert load_checkpoint_config(whole).train.quantise_aware == 3
    assert load_checkpoint_config(off).train.quantise_aware == 0

    def stop(event: TrainProgress) -> None:
        if event.iteration == 6:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(aware, noise(40), noise(8), tmp_path / "part", progress=stop)
    again = train(aware, noise(40), noise(8), tmp_path / "part", resume=True).checkpoint
    assert again.read_bytes() == whole.read_bytes()
    first = [
        json.loads((tmp_path / name / "metrics.jsonl").read_text().splitlines()[0])["loss"]
        for name in ("off", "whole")
    ]
    assert first[0] != first[1]


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (
            1,
            r"t: train\.quantise_aware is 1, but signed weights have 2 to 8 bits; give 0 to "
            r"train without rounding",
        ),
        (9, r"t: train\.quantise_aware is 9; it must lie in \[0, 8\]"),
        (-1, r"t: train\.quantise_aware is -1; it must lie in \[0, 8\]"),
    ],
)
def test_bits_that_weights_cannot_have(bits: int, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}$"):
        from_toml(f"[train]\nquantise_aware = {bits}", "t")
    for good in itertools.chain([0], range(2, 9)):
        result = from_toml(f"[train]\nquantise_aware = {good}", "t")
        assert result.train.quantise_aware == good


def test_the_page_has_the_figures_of_the_result() -> None:
    result = json.loads(__main__.RESULT.read_text())
    page = __main__.PAGE.read_text()
    assert __main__.written(page, __main__.figures_table(result)) == page
    # What the page says of them: rounding in training helps nearest rounding at 3 bits, and
    # conversion without it is better still.
    networks = result["networks"]
    aware, plain = networks["fine-tuned at 3 bits"], networks["fine-tuned, not rounded"]
    assert aware["nearest"]["3"]["256"] > plain["nearest"]["3"]["256"] + 0.03
    for bits in ("3", "4"):
        for name in networks:
            assert networks[name]["integer"][bits]["256"] > aware["nearest"][bits]["256"] + 0.01


def test_the_benchmark_judges_every_kind() -> None:
    training, held_out = (
        load("digits", s, None, n, holdout=True) for s, n in (("train", 60), ("test", 12))
    )
    inputs = __main__.Inputs(recipe("digits"), training, held_out)
    result = __main__.judged(network_path("digits"), inputs)
    kinds = [result["float"], *(result[k][b] for k in ("integer", "nearest") for b in ("4", "3"))]
    assert all(0.7 < figures[step] < 1 for figures in kinds for step in ("16", "64", "256"))
    for bits in (0, 4):
        assert __main__.settings(inputs.recipe, bits, 50).train.quantise_aware == bits


def test_the_command_takes_bits(run: Run, tmp_path: Path) -> None:
    command = ("train", "--preset", "digits", "--out", tmp_path / "run", "--json")
    short = ("--set", "train.iterations=2", "--set", "model.n_latents=8", "--set", "data.limit=120")
    code, _, _ = run(*command, *short, "--quantise-aware", "4")
    assert code == 0
    result = load_checkpoint_config(tmp_path / "run" / "model.safetensors")
    assert result.train.quantise_aware == 4
    code, _, error = run(*command, "--quantise-aware", "1")
    assert code != 0
    assert "train.quantise_aware is 1, but signed weights have 2 to 8 bits" in " ".join(
        error.split()
    )
