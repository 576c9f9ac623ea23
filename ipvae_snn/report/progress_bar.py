"""Progress of any work on a terminal: a line at once, then a bar with the time left."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ipvae_snn.errors import printable
from ipvae_snn.report.terminal import plain_line

REFRESHES_PER_SECOND: Final = 4


class Counted(ProgressColumn):
    """Bar, percentage and time left; the time so far while the total is unknown."""

    known = (BarColumn(24), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("left"))
    unknown = TimeElapsedColumn()

    def render(self, task: Task) -> Table | Text:
        """Return the column's cell."""
        if task.total is None:
            return self.unknown.render(task)
        row = Table.grid(padding=(0, 1))
        row.add_row(*(part(task) for part in self.known))
        return row


class Display:
    """Receives progress, and draws it on a terminal.

    With `log`, each part of the work is also a line with the seconds since the start, which stays,
    and which a file gets as well. A description names the part up to its first comma.
    """

    def __init__(self, screen: Console, log: bool = False) -> None:
        self.screen, self.log, self.start = screen, log, time.perf_counter()
        self.what, self.done, self.total, self.part_name = "", 0, 0, ""
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            Counted(),
            console=screen,
            transient=True,
            disable=screen.quiet or not screen.is_terminal,
            refresh_per_second=REFRESHES_PER_SECOND,
        )
        self.task = self.bar.add_task("starting", total=None)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show units done of a total, 0 if it is unknown; the protocol of `progress.Progress`."""
        what = plain_line(what).plain
        if total != self.total or done < self.done or (total == 0 and what != self.what):
            # A new task: Rich's `reset` cannot make a total unknown again.
            self.bar.remove_task(self.task)
            self.task = self.bar.add_task(what, total=total or None)
        self.what, self.done, self.total = what, done, total
        self.bar.update(self.task, description=what, completed=done)
        self._note(what.partition(",")[0])

    def print(self, text: str) -> None:
        """Print a line that stays, above the bar."""
        self.screen.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def _note(self, name: str) -> None:
        if self.log and name != self.part_name:
            self.print(f"{time.perf_counter() - self.start:7.1f} s  {name}")
        self.part_name = name


@contextmanager
def progress_bar(screen: Console, log: bool = False) -> Iterator[Display]:
    """Draw a display during the block, on a terminal only; it disappears at the end."""
    display = Display(screen, log)
    with display.bar:
        yield display
