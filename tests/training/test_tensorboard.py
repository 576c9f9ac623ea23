"""TensorBoard gets the records of the metrics; without its package there is a one-line error."""

import sys
from pathlib import Path

import pytest

from ipvae_snn.errors import ConfigError
from ipvae_snn.training.tensorboard import TensorBoardLog
from ipvae_snn.training.trainer import TrainProgress

RECORDS = (
    {"iteration": 25, "kind": "train", "loss": 3.5},
    {"iteration": 25, "kind": "validation", "r2": 0.5},
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's own imports
def test_records_become_scalars(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TensorBoardLog(tmp_path / "tensorboard") as log:
        log(TrainProgress(24, 50, 4.0, None))
        assert not (tmp_path / "tensorboard").exists()
        log(TrainProgress(25, 50, 3.5, None, RECORDS))
    result = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert sorted(result.Tags()["scalars"]) == ["train/loss", "validation/r2"]
    assert [(e.step, e.value) for e in result.Scalars("train/loss")] == [(25, 3.5)]


def test_a_missing_package_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"TensorBoard is not installed .* leave --tensorboard o"):
        TensorBoardLog(tmp_path)
