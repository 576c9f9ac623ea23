"""model.noise=s: the noise of all pixels stays s, whatever a run starts from."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from short_runs import CONFIG, DECODERS, TEST, TRAIN, KilledError, files, killer

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.registry import new_module
from ipvae_snn.training.state import load_state
from ipvae_snn.training.together.stack import check_stack
from ipvae_snn.training.train import train

NOISE = math.sqrt(0.5)
CASES = {
    **DECODERS,
    "untied": {"kind": "poisson", "dictionary": "untied"},
    "unbounded": {"kind": "poisson", "log_sigma_limit": 0.0},
}


def fixed(case: str, **train: Any) -> Config:
    model = replace(CONFIG.model, noise=NOISE, **CASES[case])
    return replace(CONFIG, model=model, train=replace(CONFIG.train, **train))


@pytest.mark.parametrize("case", CASES)
def test_the_noise_stays_and_all_else_moves(case: str, tmp_path: Path) -> None:
    config = fixed(case, iterations=12)
    train(config, TRAIN, TEST, tmp_path / "run")
    state = load_state(tmp_path / "run" / "state.safetensors")
    generator = torch.Generator().manual_seed(0)
    names = dict(new_module(config.model, (4, 4), generator).named_parameters()).keys()
    assert state.parameters.keys() == names
    (noise,) = (name for name in names if name.endswith("log_sigma"))
    raw, limit = state.parameters[noise].double(), config.model.log_sigma_limit
    log_sigma = limit * torch.tanh(raw / limit) if limit else raw
    torch.testing.assert_close(torch.exp(log_sigma), torch.full_like(raw, NOISE), atol=1e-6, rtol=0)
    moved = {name.rpartition(".")[0] for name in state.moments}
    assert noise not in moved
    assert moved == names - {noise}


def test_a_run_that_starts_from_another_has_its_own_noise(tmp_path: Path) -> None:
    learnt = replace(CONFIG, model=replace(CONFIG.model, kind="poisson"))
    first = train(learnt, TRAIN, TEST, tmp_path / "first").checkpoint
    assert load_float_network(first).log_sigma.std() > 0
    second = train(fixed("compiled"), TRAIN, TEST, tmp_path / "second", start_from=first).checkpoint
    assert load_float_network(second).log_sigma == pytest.approx(math.log(NOISE), abs=1e-6)


def test_a_killed_run_resumes_to_the_same_files(tmp_path: Path) -> None:
    config = fixed("compiled")
    train(config, TRAIN, TEST, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(config, TRAIN, TEST, tmp_path / "run", progress=killer(17))
    train(config, TRAIN, TEST, tmp_path / "run", resume=True)
    assert files(tmp_path / "run") == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            {"kind": "lca"},
            "model.noise is 0.707107, but a model of kind lca has noise 1, which is not learnt; "
            "set model.noise=0",
        ),
        (
            {"noise": 100.0},
            "model.noise is 100, but model.log_sigma_limit 3.45 keeps it between 0.03175 and 31.5; "
            "set model.log_sigma_limit=0",
        ),
    ],
)
def test_noise_that_cannot_be_is_refused(
    settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    config = fixed("compiled")
    config = replace(config, model=replace(config.model, **settings))
    with pytest.raises(ConfigError) as caught:
        train(config, TRAIN, TEST, tmp_path / "run")
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [("model", "noise", 0.5), ("model", "fit_prior", False), ("train", "segments", 2)],
)
def test_stacks_refuse_what_their_passes_do_not_have(
    section: str, setting: str, value: Any
) -> None:
    changed = replace(getattr(CONFIG, section), **{setting: value})
    with pytest.raises(ConfigError, match=rf"^{section}\.{setting} is .*; train it alone$"):
        check_stack([replace(CONFIG, **{section: changed})])
