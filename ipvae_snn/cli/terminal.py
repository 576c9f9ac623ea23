"""A line on the terminal while a back end runs: what it does and, where it tells, how far it is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ipvae_snn.backends.watcher import Watcher, partial_path, watched


class Counted(ProgressColumn):
    """The bar, what is done and the time left; nothing until there is something to count."""

    parts = (BarColumn(24), TextColumn("{task.completed}/{task.total} {task.fields[unit]}"))
    left = TimeRemainingColumn()

    def render(self, task: Task) -> Table | Text:
        """Return the column's cell."""
        if task.total is None:
            return Text()
        row = Table.grid(padding=(0, 1))
        row.add_row(*(part(task) for part in (*self.parts, self.left)))
        return row


class Shown:
    """The line; what is updated is its text, as of rich's status."""

    def __init__(self, bar: Progress, text: str) -> None:
        self.bar, self.task = bar, bar.add_task(text, total=None, unit="images")

    def update(self, text: str) -> None:
        """Begin something else, of which nothing is done yet."""
        self.bar.reset(self.task, description=text, total=None)

    def progress(
        self, done: int, total: int, unit: str = "images", text: str | None = None
    ) -> None:
        """Show what is done as a bar; text: what the line says from now on."""
        self.bar.update(self.task, completed=done, total=total, unit=unit, description=text)


@contextmanager
def watching(
    screen: Console,
    text: str = "",
    out: Path | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> Iterator[Shown]:
    """Show a line, on a terminal only, while the block lasts; the back ends in it fill its bar.

    out: the result's file, beside which a run that breaks keeps the images that it had finished.
    limits: seconds of a run, and of a run without progress, for back ends that keep them.
    A signal that ends the block ends the program with one line and status 128 + its number.
    """
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        Counted(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
    try:
        with bar:
            shown = Shown(bar, text)
            keep = None if out is None else partial_path(out)
            with watched(Watcher(shown.progress, keep, *limits)):
                yield shown
    except KeyboardInterrupt as error:
        typer.echo(f"ipvae-snn: {str(error) or 'interrupted'}", err=True)
        raise typer.Exit(128 + getattr(error, "number", signal.SIGINT)) from None
