"""Callback for the stages of a workflow: receives the stage that starts, in a few words."""

from collections.abc import Callable

Stage = Callable[[str], None]


def silent(_: str) -> None:
    """Show nothing."""
