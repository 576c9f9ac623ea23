"""Progress line on the terminal while a back end runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
from ipvae_snn.report.terminal import plain_line


class Counted(ProgressColumn):
    """Bar, units done and time left; empty while the total is unknown."""

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
    """Progress line; `update` changes its text, as in rich's status."""

    def __init__(self, bar: Progress, text: str) -> None:
        self.bar, self.task = bar, bar.add_task(plain_line(text).plain, total=None, unit="images")

    def update(self, text: str) -> None:
        """Start another part of the work."""
        self.bar.reset(self.task, description=plain_line(text).plain, total=None)

    def progress(
        self, done: int, total: int, unit: str = "images", text: str | None = None
    ) -> None:
        """Show units done as a bar; text: the new text of the line."""
        self.bar.update(
            self.task,
            completed=done,
            total=total,
            unit=unit,
            description=None if text is None else plain_line(text).plain,
        )


@contextmanager
def watching(
    screen: Console,
    text: str = "",
    out: Path | None = None,
    limits: tuple[float | None, float | None] = (None, None),
) -> Iterator[Shown]:
    """Show a progress line, on a terminal only, during the block; back ends report to it.

    out: the result's file; a run that fails saves its finished images beside it. limits: seconds of
    a run, and of a run without progress, for back ends that support them.
    """
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        Counted(),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
    with bar:
        shown = Shown(bar, text)
        keep = None if out is None else partial_path(out)
        with watched(Watcher(shown.progress, keep, *limits)):
            yield shown
