"""Tables and numbers on the terminal."""

import math

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def console(quiet: bool = False) -> Console:
    """Return the console for tables; with `quiet` (JSON is asked for) it writes to stderr."""

    return Console(stderr=quiet)


def table(title: str, *columns: str, text: bool = False) -> Table:
    """Return an empty table: the first column to the left, the others right unless `text`."""

    made = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(
            column, justify="left" if index == 0 or text else "right", no_wrap=index == 0
        )
    return made


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for a table; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.{digits}f}"
