"""Settings as a user names them, and the input and output of training."""

from pathlib import Path

import pytest

from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset, to_toml, with_overrides
from ipvae_snn.errors import ConfigError
from ipvae_snn.workflows.train import Extras, SettingsChoice, given, train_network

SMALL = ["train.iterations=6", "model.n_latents=8", "train.steps=4", "train.batch_size=16",
         "data.limit=64", "data.validation_limit=16"]  # fmt: skip


def test_what_is_named_last_wins(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(with_overrides(Config(), ["train.beta=7", "train.device=cuda"])))
    choice = SettingsChoice(
        config=file,
        overrides=("train.beta=8", "data.name=mnist", "train.quantise_aware=4"),
        data="digits",
        short=given({"device": "cpu", "quantise_aware": 0, "seed": None, "threads": 2}),
    )
    result = choice.resolve()
    assert (result.train.beta, result.train.device) == (8, "cpu")
    assert (result.data.name, result.train.quantise_aware) == ("digits", 0)
    assert (result.train.threads, result.train.seed) == (2, Config().train.seed)


def test_the_preset_is_that_of_the_data_set() -> None:
    assert SettingsChoice(data="digits").resolve() == load_preset("digits")
    assert SettingsChoice(data="digits", preset="demo").resolve().model == load_preset("demo").model
    with pytest.raises(ConfigError, match="give --config or --preset, not both"):
        SettingsChoice(config=Path("a.toml"), preset="demo").resolve()


def test_progress_hears_every_iteration(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    config = with_overrides(load_preset("digits"), SMALL)
    end = config.train.end
    done = train_network(config, tmp_path / "run", progress=lambda *new: seen.append(new))
    assert seen[0] == ("images of digits", 0, 0)
    assert seen[1] == ("training", 0, end)
    assert [now[1:] for now in seen[2:]] == [(iteration, end) for iteration in range(1, end + 1)]
    assert all(what.startswith("training, loss ") for what, _, _ in seen[2:])
    assert ", R2 " in seen[-1][0]
    assert done.leads
    assert done.checkpoint.is_file()
    assert done.trained_on == "digits"
    assert list(done.as_json()) == ["model", "iterations", "seconds", "validation"]
    assert done.document().blocks[-1].plain == f"next: ipvae-snn convert {done.checkpoint}"
    missing = with_overrides(config, ["data.name=nowhere"])
    with pytest.raises(Exception, match="neither a data set nor an existing path"):
        train_network(missing, tmp_path / "other", None, Extras())
    assert not (tmp_path / "other").exists()
