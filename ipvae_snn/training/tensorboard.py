"""Metrics of a training run as TensorBoard events."""

from pathlib import Path
from typing import TYPE_CHECKING

from ipvae_snn.errors import ConfigError
from ipvae_snn.training.trainer import TrainProgress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoardLog:
    """Writer of every record that training adds to its metrics; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`; ConfigError if tensorboard is not installed."""
        self.folder = folder
        self.writer = _writer_class()
        self.open: SummaryWriter | None = None

    def __enter__(self) -> "TensorBoardLog":
        """Create no file yet: a run that is refused must leave none."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write buffered records."""
        if self.open is not None:
            self.open.close()

    def __call__(self, progress: TrainProgress) -> None:
        """Add the records of one iteration."""
        for record in progress.records:
            step = int(record["iteration"])
            if self.open is None:
                # This hides records that an earlier process wrote after its last checkpoint.
                self.open = self.writer(str(self.folder), purge_step=step)
            for name, value in record.items():
                if name not in ("iteration", "kind"):
                    self.open.add_scalar(f"{record['kind']}/{name}", float(value), step)


def _writer_class() -> "type[SummaryWriter]":
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            f"TensorBoard is not installed ({error}); pip install 'ipvae-snn[tensorboard]', or "
            "leave --tensorboard out"
        ) from error
    return SummaryWriter
