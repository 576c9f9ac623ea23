"""Progress bar of training."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ipvae_snn.training import trainer


@contextmanager
def training_bar(screen: Console, iterations: int) -> Iterator[trainer.Progress]:
    """Show iterations, loss, and the latest R2 and zeros on held-out images during the block."""
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=screen, refresh_per_second=2) as bar:
        task = bar.add_task("training", total=iterations, state="")
        yield lambda progress: bar.update(
            task, completed=progress.iteration, state=training_state(progress)
        )


def training_state(progress: trainer.TrainProgress) -> str:
    """Return the loss, and R2 and zeros if this iteration measured them."""
    state = f"loss {progress.loss:.1f}"
    if progress.validation is None:
        return state
    return f"{state}, R2 {progress.validation.r2:.3f}, zeros {progress.validation.zeros:.3f}"
