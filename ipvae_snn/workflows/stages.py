"""What a workflow of several runs tells its caller: the stage that begins, in a few words."""

from collections.abc import Callable

Stage = Callable[[str], None]


def silent(_: str) -> None:
    """Show nothing."""
