"""Progress of a workflow, reported to a callback."""

from collections.abc import Callable

# Description of the work, units done, and total units; the total is 0 if it is unknown.
Progress = Callable[[str, int, int], None]


def ignore(what: str, done: int, total: int) -> None:
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
