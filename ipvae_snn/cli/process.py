"""Surroundings of a command: its terminal, its signals, and a notebook's settings."""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from ipvae_snn.cli.usage import Group
from ipvae_snn.hw.lava.bundle.simulator.ending import handled, interrupt

ESCAPED = "backslashreplace"  # for characters that the terminal's encoding has not
PLAIN, BY_CTRL_C = "interrupted", " by SIGINT"
REPEAT_S = 0.05  # until a lost signal is sent again


class Root(Group):
    """Group of all commands; each of them ends at a signal as it does at Ctrl-C."""

    def invoke(self, ctx: Any) -> object:
        """Run the command; ctx: the Context of Click, or of the one that typer carries."""
        with ended_by_signals():
            return super().invoke(ctx)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End the block at SIGINT, SIGTERM and SIGHUP with one line and status 128 + the number.

    The signals raise an error, so that temporary files are removed and child processes ended.
    """
    with repeated_if_lost(), handled(interrupt):
        try:
            yield
        except KeyboardInterrupt as error:
            typer.echo(f"ipvae-snn: {str(error).removesuffix(BY_CTRL_C) or PLAIN}", err=True)
            raise typer.Exit(128 + getattr(error, "number", signal.SIGINT)) from None


@contextmanager
def repeated_if_lost() -> Iterator[None]:
    """Repeat a signal whose error Python ignored, as it does in a callback from C and in `__del__`.

    Without this a signal that meets the compilation of a kernel is lost.
    """
    former = sys.unraisablehook

    def hook(ignored: "sys.UnraisableHookArgs") -> None:
        error = ignored.exc_value
        if not isinstance(error, KeyboardInterrupt):
            former(ignored)
            return
        number = getattr(error, "number", signal.SIGINT)
        again = threading.Timer(REPEAT_S, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = former


def prepare() -> None:
    """Let every text be printed on every terminal, and draw pictures without a notebook.

    A command that a notebook starts inherits MPLBACKEND, which names a module that need not be
    installed here; Matplotlib cannot be imported then. Commands draw into files only.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)
    os.environ["MPLBACKEND"] = "agg"
