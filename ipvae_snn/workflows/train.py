"""Training with a progress bar; `train` and `demo` share it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ipvae_snn.config.settings import Config
from ipvae_snn.data import ImageSet, load
from ipvae_snn.training.distributed import launched
from ipvae_snn.training.tensorboard import TensorBoardLog
from ipvae_snn.training.train import TrainResult, ignore_progress, train
from ipvae_snn.training.trainer import TrainProgress


@dataclass(frozen=True)
class Extras:
    """What a training command may ask for beside settings.

    start_from: a checkpoint to take the initial parameters from. tensorboard: write its events.
    """

    resume: bool = False
    start_from: Path | None = None
    tensorboard: bool = False


NONE: Final = Extras()


def load_training_data(config: Config, data_root: Path | None) -> tuple[ImageSet, ImageSet]:
    """Return the training and validation images that a config asks for."""

    name, settings = config.data.name, config.data
    training = load(name, "train", data_root, settings.limit or None, holdout=True)
    held_out = load(name, "test", data_root, settings.validation_limit or None, holdout=True)
    return training, held_out


def train_with_progress(
    config: Config, out: Path, data_root: Path | None, screen: Console, extras: Extras = NONE
) -> TrainResult:
    """Train and show iterations, loss, and the latest R2 and zeros on held-out images."""

    training, held_out = load_training_data(config, data_root)
    columns = (
        TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[state]}"),
    )  # fmt: skip
    if not launched().leads:
        return train(
            config, training, held_out, out, extras.resume, ignore_progress, extras.start_from
        )
    with ExitStack() as stack:
        observers: list[Callable[[TrainProgress], None]] = []
        if extras.tensorboard:
            observers.append(stack.enter_context(TensorBoardLog(out / "tensorboard")))
        bar = stack.enter_context(Progress(*columns, console=screen, refresh_per_second=2))
        task = bar.add_task("training", total=config.train.end, state="")

        def show(progress: TrainProgress) -> None:
            state = f"loss {progress.loss:.1f}"
            if progress.validation is not None:
                found = progress.validation
                state += f", R2 {found.r2:.3f}, zeros {found.zeros:.3f}"
            bar.update(task, completed=progress.iteration, state=state)
            for observe in observers:
                observe(progress)

        return train(config, training, held_out, out, extras.resume, show, extras.start_from)
