"""What the benchmarks' results and pages share: the machine, tables, numbers, paragraphs."""

import os
import platform
import textwrap
from typing import Any

import torch

from ipvae_snn import __version__


def machine(threads: int = 1) -> dict[str, Any]:
    """Return what the times and the last digits of figures depend on."""
    return {
        "cpu_cores": os.cpu_count(),
        "threads": threads,
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "ipvae_snn": __version__,
    }


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, the first column to the left and the others to the right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))


def number(value: float | None, digits: int = 1) -> str:
    """Return a number, or "not published" where there is none."""
    return "not published" if value is None else f"{value:,.{digits}f}"


def wrapped(text: str) -> str:
    """Return a paragraph in lines of at most 99 characters."""
    return "\n".join(textwrap.wrap(" ".join(text.split()), 99, break_long_words=False))
