"""model.fit_prior=false: the prior stays where it began, and all else is learnt."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from short_runs import CONFIG, DECODERS, TEST, TRAIN, KilledError, files, killer

from ipvae_snn.config.settings import Config
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.prior import NAMES
from ipvae_snn.models.registry import new_module
from ipvae_snn.training.random_streams import Stream, keyed_generator
from ipvae_snn.training.state import load_state
from ipvae_snn.training.train import train


def fixed(case: str, **train: Any) -> Config:
    model = replace(CONFIG.model, fit_prior=False, **DECODERS[case])
    return replace(CONFIG, model=model, train=replace(CONFIG.train, **train))


@pytest.mark.parametrize("case", DECODERS)
def test_the_prior_stays_and_all_else_moves(case: str, tmp_path: Path) -> None:
    config = fixed(case, iterations=12)
    generator = keyed_generator(torch.device("cpu"), config.train.seed, Stream.INITIAL, 0)
    before = dict(new_module(config.model, (4, 4), generator).named_parameters())
    train(config, TRAIN, TEST, tmp_path / "run")
    state = load_state(tmp_path / "run" / "state.safetensors")
    assert state.parameters.keys() == before.keys()
    prior = {name for name in before if name.rpartition(".")[2] in NAMES}
    assert prior
    for name, values in state.parameters.items():
        assert torch.equal(values, before[name]) is (name in prior), name
    assert not any(name.rpartition(".")[0] in prior for name in state.moments)
    learnt = replace(config, model=replace(config.model, fit_prior=True))
    train(learnt, TRAIN, TEST, tmp_path / "learnt")
    moved = load_state(tmp_path / "learnt" / "state.safetensors").parameters
    assert not any(torch.equal(moved[name], before[name]) for name in prior)


def test_a_killed_run_resumes_to_the_same_files(tmp_path: Path) -> None:
    config = fixed("compiled")
    train(config, TRAIN, TEST, tmp_path / "whole")
    with pytest.raises(KilledError):
        train(config, TRAIN, TEST, tmp_path / "run", progress=killer(17))
    train(config, TRAIN, TEST, tmp_path / "run", resume=True)
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_a_model_without_a_learnt_prior_refuses(tmp_path: Path) -> None:
    config = replace(CONFIG, model=replace(CONFIG.model, kind="lca", fit_prior=False))
    with pytest.raises(ConfigError) as caught:
        train(config, TRAIN, TEST, tmp_path / "run")
    assert str(caught.value) == (
        "model.fit_prior is false, but a model of kind lca has no prior that is learnt; set "
        "model.fit_prior=true"
    )
