"""Show the progress of a workflow on the terminal, and print its result as tables or JSON."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ipvae_snn.report.document import Document, faults, paragraph
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, plain_line, show


class Result(Protocol):
    """Result of a workflow."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""

    def document(self) -> Document:
        """Return tables and text."""


class Shown(Protocol):
    """Display of progress: description of the work, units done, and total units (0: unknown)."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show the progress."""


def deliver(result: Result, as_json: bool) -> None:
    """Print a result, and a line for each picture that failed."""
    document = result.document()
    if as_json:
        emit_json(result.as_json())
    else:
        show(console(), document)
    for fault in faults(document):
        typer.echo(f"ipvae-snn: warning: {fault}", err=True)


def say(screen: Console, text: str) -> None:
    """Print a line of plain text, whose brackets are no markup."""
    show(screen, Document("", (paragraph(text),)))


@contextmanager
def bar(as_json: bool) -> Iterator[Shown]:
    """Yield a function that shows a bar with the time left; on stderr for JSON output."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console(quiet=as_json), refresh_per_second=2)
    task = progress.add_task("", total=None)

    def shown(what: str, done: int, total: int) -> None:
        progress.update(
            task, description=plain_line(what).plain, completed=done, total=total or None
        )
        progress.start()  # only now, so that a mistake in the options shows no bar

    try:
        yield shown
    finally:
        if progress.live.is_started:
            progress.stop()


@contextmanager
def line(as_json: bool) -> Iterator[Shown]:
    """Yield a function that shows the current work in a line, which disappears at the end."""
    with console(quiet=as_json).status("") as status:
        yield lambda what, done, total: status.update(plain_line(what))
