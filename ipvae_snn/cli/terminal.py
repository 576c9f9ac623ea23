"""Progress on the terminal, and the result of a command."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import typer

from ipvae_snn.errors import IpvaeError, printable
from ipvae_snn.watcher import Watcher, partial_path, watched

if TYPE_CHECKING:
    from ipvae_snn.report.document import Document
    from ipvae_snn.report.progress_bar import Display


class Result(Protocol):
    """Result of a workflow."""

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""

    def document(self) -> "Document":
        """Return tables and text."""


@dataclass(frozen=True)
class Limits:
    """A run's file, beside which a failed run saves its finished images, and time limits.

    timeout, stall: seconds of a run, and of a run without progress, for back ends that have them.
    threads: of compiled code and ONNX Runtime, None for the default.
    """

    out: Path | None = None
    timeout: float | None = None
    stall: float | None = None
    threads: int | None = None


NO_LIMITS: Final = Limits()


@dataclass(frozen=True)
class Screen:
    """The form of a command's output.

    as_json: the result is one JSON object. quiet: neither progress nor a result, unless as_json.
    verbose: each part of the work in a line with its time, and the traceback of an error.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False

    @contextmanager
    def working(self, limits: Limits = NO_LIMITS) -> Iterator["Display"]:
        """Show progress on stderr during the block, which a command begins with its late imports.

        It yields a `progress.Progress`. `cli.process` ends the block at a signal.
        """
        # Rich loads here, since `--help` needs none of it.
        from ipvae_snn.report.progress_bar import progress_bar
        from ipvae_snn.report.terminal import console

        screen = console(quiet=True, silent=self.quiet)
        try:
            with (
                progress_bar(screen, self.verbose) as display,
                watched(self._watcher(limits, display.print)),
            ):
                yield display
        except IpvaeError:
            if self.verbose:
                traceback.print_exc()
            raise

    def note(self, text: str) -> None:
        """Print a line on what was read, on stderr; --quiet and --json leave it out."""
        if not (self.quiet or self.as_json):
            notice(text)

    def _watcher(self, limits: Limits, show: Callable[[str], None]) -> Watcher:
        shown: set[str] = set()

        def once(text: str) -> None:
            if text not in shown:
                shown.add(text)
                show(f"ipvae-snn: {text}")

        keep = None if limits.out is None else partial_path(limits.out)
        return Watcher(
            notice=once,
            keep=keep,
            timeout_s=limits.timeout,
            stall_s=limits.stall,
            threads=limits.threads,
            note=self.note,
        )

    def deliver(self, result: Result) -> None:
        """Print a result, and on stderr a line for each picture that failed."""
        from ipvae_snn.report.document import faults

        document = result.document()
        if self.as_json:
            from ipvae_snn.report.json_files import emit_json

            emit_json(result.as_json())
        elif not self.quiet:
            from ipvae_snn.report.terminal import console, show

            show(console(), document)
        for fault in faults(document):
            notice(f"warning: {fault}")


def notice(text: str) -> None:
    """Print a line that is no result."""
    typer.echo(f"ipvae-snn: {printable(text)}", err=True)
