"""The machine, tables, numbers and paragraphs of the benchmarks' results and pages."""

import os
import platform
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch

from ipvae_snn import __version__
from ipvae_snn.report import document, markdown


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


def table(head: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """Return a table of Markdown cells: the first `text` columns to the left, others right."""
    laid_out = document.table("", head, rows)
    left = (replace(column, align="left") for column in laid_out.columns[:text])
    return markdown.table(replace(laid_out, columns=(*left, *laid_out.columns[text:])), ready=True)


def number(value: float | None, digits: int = 1) -> str:
    """Return a number, or "not published" where there is none."""
    return "not published" if value is None else f"{value:,.{digits}f}"


def timed(seconds: float | None, unit: str = "") -> str:
    """Return whole seconds, or "not timed" for a point that ran on a cluster."""
    return "not timed" if seconds is None else f"{seconds:.0f}{unit}"


def wrapped(text: str, hyphens: bool = True) -> str:
    """Return a paragraph in lines of at most 99 characters; hyphens: break at them too."""
    lines = textwrap.wrap(
        " ".join(text.split()), 99, break_long_words=False, break_on_hyphens=hyphens
    )
    return "\n".join(lines)


def between(text: str, begin: str, end: str, new: str) -> str:
    """Return a text with what stands between two marks replaced; ValueError without the marks."""
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{new}{end}{after}"
