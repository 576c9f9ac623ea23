"""The benchmark of the Gaussian siblings' training time."""

import json

import pytest

from benchmarks import siblings
from ipvae_snn.config.toml import with_overrides
from ipvae_snn.data import load


def test_the_models_train_from_the_same_settings() -> None:
    poisson = siblings.config_of("poisson")
    for kind in siblings.KINDS[1:]:
        config = siblings.config_of(kind)
        assert config.model.kind == kind
        assert (config.model.n_latents, config.train.steps, config.train.batch_size) == (
            512,
            16,
            200,
        )
        clips = f"model.clip={poisson.model.clip}", f"train.clip_start={poisson.train.clip_start}"
        back = ['model.kind="poisson"', *clips]
        assert with_overrides(config, back) == poisson


def test_a_run_is_timed() -> None:
    small = ["model.n_latents=8", "train.batch_size=4", "train.steps=2"]
    config = with_overrides(siblings.config_of("gaussian", iterations=5), small)
    images = load("natural", "train", limit=20)
    assert 0 < siblings.measured(config, images, images, last=3) < 60


def test_the_page_is_that_of_its_result() -> None:
    result = json.loads(siblings.RESULT.read_text(encoding="utf-8"))
    text = siblings.PAGE.read_text(encoding="utf-8")
    assert siblings.with_results(text, result) == text
    made_up = {**result, "seconds": {"poisson": [1.0, 2.0], "gaussian": [2.0, 1.0]}}
    made_up["seconds"]["gaussian-relu"] = [1.0, 1.0]
    assert "| `gaussian` | 1500 | 1.25 (0.50..2.00) |" in siblings.section(made_up)
    with pytest.raises(ValueError, match="not enough values"):
        siblings.with_results("no table", result)
