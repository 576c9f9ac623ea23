"""A run's folder: one run at a time, and a resumed run begins where the run itself began."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset, to_toml, with_overrides
from ipvae_snn.errors import FileFormatError, IpvaeError, OutputError
from ipvae_snn.pretrained import network_path
from ipvae_snn.storage.locks import locked
from ipvae_snn.workflows.train import Extras, train_network

Run = Callable[..., tuple[int, str, str]]
SMALL = (
    "train.iterations=4",
    "model.n_latents=8",
    "train.steps=3",
    "train.batch_size=16",
    "data.limit=40",
    "data.validation_limit=10",
    "train.log_interval=100",
)
SETTINGS = [part for setting in SMALL for part in ("--set", setting)]


@pytest.fixture
def config() -> Config:
    return with_overrides(load_preset("digits"), SMALL)


class KilledError(Exception):
    """As a kill."""


def killed(config: Config, out: Path, at: int, extras: Extras) -> None:
    """Train until iteration `at`, of which no checkpoint is written."""

    def kill(what: str, iteration: int, iterations: int) -> None:
        if iteration == at:
            raise KilledError

    with pytest.raises(KilledError):
        train_network(config, out, extras=extras, progress=kill)


def test_a_run_that_ended_before_its_first_checkpoint_keeps_its_beginning(
    config: Config, tmp_path: Path
) -> None:
    """--resume needs no --start-from then, and does not train from random parameters."""
    train_network(config, tmp_path / "first")
    start = Extras(start_from=tmp_path / "first" / "model.safetensors")
    train_network(config, tmp_path / "whole", extras=start)
    killed(config, tmp_path / "run", 2, start)
    assert not (tmp_path / "run" / "model.safetensors").exists()
    train_network(config, tmp_path / "run", extras=Extras(resume=True))
    model = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert model == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert model != (tmp_path / "first" / "model.safetensors").read_bytes()


def test_a_start_that_fails_leaves_nothing_to_resume(config: Config, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(IpvaeError):  # of other sizes
        train_network(config, out, extras=Extras(start_from=network_path("mnist-512")))
    assert not out.exists()
    said: list[str] = []
    train_network(config, out, extras=Extras(resume=True), report=said.append)
    assert said == [f"{out}: holds no run to resume, so a new one starts"]
    said.clear()
    train_network(config, out, extras=Extras(resume=True), report=said.append)
    assert said == []


def test_settings_without_a_state_are_not_resumed(config: Config, tmp_path: Path) -> None:
    """Nor is a config.toml of the user's own replaced."""
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.toml").write_text("# mine\n")
    with pytest.raises(FileFormatError, match=r"saved no state\.safetensors, so there is nothing"):
        train_network(config, out, extras=Extras(resume=True))
    with pytest.raises(FileFormatError, match=r"config\.toml: exists and holds other settings"):
        train_network(config, out)
    assert (out / "config.toml").read_text() == "# mine\n"
    (out / "config.toml").write_text(to_toml(config))
    train_network(config, out)
    assert (out / "model.safetensors").exists()


def test_a_failed_beginning_may_be_begun_again(config: Config, tmp_path: Path) -> None:
    """With other settings: no checkpoint and no record is lost."""
    killed(config, tmp_path / "run", 2, Extras())
    other = with_overrides(config, ["train.learning_rate=0.001"])
    train_network(other, tmp_path / "run")
    with pytest.raises(FileFormatError, match="holds a training run already"):
        train_network(other, tmp_path / "run")


def test_a_second_run_is_refused_before_it_loads_images(config: Config, tmp_path: Path) -> None:
    missing = with_overrides(config, ["data.name=no/such/images"])
    with locked(tmp_path / "run"):
        for extras in (Extras(), Extras(resume=True)):
            with pytest.raises(OutputError, match=f"writes there .process {os.getpid()} on"):
                train_network(missing, tmp_path / "run", extras=extras)
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OutputError, match="is a file, not a folder"):
            train_network(missing, out)


@pytest.mark.slow
def test_two_commands_in_one_folder(run: Run, tmp_path: Path) -> None:
    """The second is refused while the first trains; a signal ends that one and frees the folder."""
    arguments = ("train", "--data", "digits", "--out", str(tmp_path / "run"), *SETTINGS)
    long = ("--set", "train.iterations=1000000", "--set", "train.checkpoint_interval=1000000")
    first = subprocess.Popen(
        [sys.executable, "-m", "ipvae_snn", *arguments, *long],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    state = tmp_path / "run" / "state.safetensors"
    while not state.exists():
        assert first.poll() is None
    for extra in ((), ("--resume",)):
        code, _, error = run(*arguments, *long, *extra)
        assert code == 1
        assert f"run: another run writes there (process {first.pid} on" in error
        assert error.count("\n") == 1
    first.send_signal(signal.SIGTERM)
    _, error = first.communicate(timeout=60)
    assert (first.returncode, error) == (143, "ipvae-snn: interrupted by SIGTERM\n")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "config.toml",
        "state.safetensors",
    ]
    code, _, error = run(*arguments, *long, "--resume", "--set", "train.log_interval=3")
    assert code == 1  # other settings: it is the same run
    assert "other settings for train.log_interval" in error
