"""How a workflow reports how far it is, whoever shows it."""

from collections.abc import Callable

# What is being done, the units done, and the units in all; 0 in all where they are not known.
Progress = Callable[[str, int, int], None]


def ignore(what: str, done: int, total: int) -> None:
    """Show nothing."""


class Steps:
    """Adds up what is done, for functions that report only what is new."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done, self._what = progress, total, 0, ""

    def begin(self, what: str) -> None:
        """Begin something else, of which nothing is done yet."""
        self._what = what
        self._progress(what, self._done, self._total)

    def add(self, units: int) -> None:
        """Count units as done."""
        self._done += units
        self._progress(self._what, self._done, self._total)
