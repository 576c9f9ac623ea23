"""What `train` says comes next: a conversion, where there is one."""

from pathlib import Path

import pytest

from ipvae_snn.config.toml import load_preset, with_overrides
from ipvae_snn.workflows.train import train_network

SMALL = ("train.iterations=2", "train.steps=2", "train.batch_size=10", "data.validation_limit=20")


@pytest.mark.parametrize(
    ("change", "following"),
    [
        ('model.kind="poisson"', "convert"),
        ('model.kind="gaussian"', "evaluate --data digits"),
        ('model.dictionary="mlp"', "evaluate --data digits"),
    ],
)
def test_only_what_converts_is_to_be_converted(change: str, following: str, tmp_path: Path) -> None:
    config = with_overrides(load_preset("digits"), [*SMALL, change])
    assert train_network(config, tmp_path / "run").following == following
