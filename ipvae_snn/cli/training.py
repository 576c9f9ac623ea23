"""Training with a progress bar; `train` and `demo` share it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.config import Config
    from ipvae_snn.data import ImageSet
    from ipvae_snn.train import TrainProgress, TrainResult


def load_training_data(config: "Config", data_root: Path | None) -> "tuple[ImageSet, ImageSet]":
    """Return the training and validation images that a config asks for."""
    from ipvae_snn.data import load

    name, settings = config.data.name, config.data
    training = load(name, "train", data_root, settings.limit or None, holdout=True)
    held_out = load(name, "test", data_root, settings.validation_limit or None, holdout=True)
    return training, held_out


def train_with_progress(
    config: "Config", out: Path, data_root: Path | None, resume: bool, screen: "Console"
) -> "TrainResult":
    """Train and show iterations, loss, and the latest R2 and zeros on held-out images."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from ipvae_snn.train import train

    training, held_out = load_training_data(config, data_root)
    columns = (
        TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[state]}"),
    )  # fmt: skip
    with Progress(*columns, console=screen, refresh_per_second=2) as bar:
        task = bar.add_task("training", total=config.train.iterations, state="")

        def show(progress: "TrainProgress") -> None:
            state = f"loss {progress.loss:.1f}"
            if progress.validation is not None:
                found = progress.validation
                state += f", R2 {found.r2:.3f}, zeros {found.zeros:.3f}"
            bar.update(task, completed=progress.iteration, state=state)

        return train(config, training, held_out, out, resume, show)
