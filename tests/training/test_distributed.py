"""Several training processes: their shares, and that two give the result of one."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.training.distributed import Processes, launched

SETTINGS = (
    "train.iterations=12", "model.n_latents=16", "train.steps=4", "train.batch_size=15",
    "train.checkpoint_interval=6",
)  # fmt: skip


def test_shares_cover_a_batch_once() -> None:
    for n_rows in (4, 7, 100):
        rows = np.concatenate([np.arange(n_rows)[Processes(r, 4).rows(n_rows)] for r in range(4)])
        assert rows.tolist() == list(range(n_rows))
    with pytest.raises(ConfigError, match=r"^a batch of 3 images cannot be shared by 4 processes"):
        Processes(0, 4).rows(3)


def test_the_launcher_tells_a_process_its_place() -> None:
    assert launched({}) == Processes(0, 1)
    assert launched({"RANK": "2", "WORLD_SIZE": "3"}) == Processes(2, 3)
    assert [launched({"RANK": r, "WORLD_SIZE": "2"}).leads for r in "01"] == [True, False]


def command(folder: Path, *extra: str) -> list[str]:
    sets = [part for setting in SETTINGS for part in ("--set", setting)]
    return ["train", "--data", "digits", "--out", str(folder), "--json", *sets, *extra]


def launch(arguments: list[str], port: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--nproc-per-node",
            "2",
            "--master-port",
            str(port),
            "-m",
            "ipvae_snn",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    """15 images a batch: shares of 7 and 8, with the same noise as in one process."""
    alone = subprocess.run(
        [sys.executable, "-m", "ipvae_snn", *command(tmp_path / "one")],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    both = launch(command(tmp_path / "two"), free_port())
    assert both.returncode == 0, both.stderr
    # Only the first process prints.
    assert json.loads(both.stdout)["iterations"] == json.loads(alone.stdout)["iterations"] == 12
    networks = [load_float_network(tmp_path / n / "model.safetensors") for n in ("one", "two")]
    for name in ("phi", "log_sigma", "u0", "log_bias"):
        one, two = (getattr(network, name) for network in networks)
        assert np.abs(one - two).max() < 1e-6
    assert abs(networks[0].log_lr - networks[1].log_lr) < 1e-6
    assert (tmp_path / "two" / "metrics.jsonl").read_text().count("\n") == (
        tmp_path / "one" / "metrics.jsonl"
    ).read_text().count("\n")


@pytest.mark.slow
def test_two_processes_resume(tmp_path: Path) -> None:
    done = launch(command(tmp_path / "two"), free_port())
    assert done.returncode == 0, done.stderr
    again = launch(command(tmp_path / "two", "--resume"), free_port())
    assert again.returncode == 0, again.stderr
    refused = launch(command(tmp_path / "two"), free_port())
    assert refused.returncode != 0
    assert "holds a training run already" in refused.stderr
