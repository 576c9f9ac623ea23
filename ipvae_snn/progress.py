"""Progress of long work, reported to a callback: one protocol for all workflows."""

from collections.abc import Callable

# Description of the work, units done, and total units; the total is 0 if it is unknown. Another
# description starts another part of the work.
Progress = Callable[[str, int, int], None]
# Receives the name of the next part of the work.
Begin = Callable[[str], None]


def ignore(what: str, done: int, total: int) -> None:
    """Show nothing."""


def ignore_part(what: str) -> None:
    """Show nothing."""


class Steps:
    """Sum of units done, for functions that report increments."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done, self._what = progress, total, 0, ""

    def begin(self, what: str) -> None:
        """Start another part of the work."""
        self._what = what
        self._progress(what, self._done, self._total)

    def add(self, units: int) -> None:
        """Count units as done."""
        self._done += units
        self._progress(self._what, self._done, self._total)
