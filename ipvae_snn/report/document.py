"""Documents: a title, and blocks of text, tables and pictures, without any format.

terminal.py and markdown.py render them. The only markup in a text are backticks around code;
emphasis is a field, the tone.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Align = Literal["left", "right"]
# strong: a heading; good, warning, bad: a verdict.
Tone = Literal["plain", "strong", "good", "warning", "bad"]


@dataclass(frozen=True)
class Span:
    """A piece of text in one tone."""

    text: str
    tone: Tone = "plain"


Cell = str | Span


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    spans: tuple[Span, ...]

    @property
    def plain(self) -> str:
        """The paragraph without its tones."""
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True)
class Column:
    """A column's name and alignment; wraps: whether its cells are text of several lines.

    Other cells, such as numbers with their intervals, wrap only where a line is too short.
    """

    name: str
    align: Align = "right"
    wraps: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; sections: indices of the rows that begin a section."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Span, ...], ...]
    sections: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a row with more or fewer cells than there are columns."""
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r}: row {index} has {len(row)} cells, but there are "
                    f"{len(self.columns)} columns; give one cell per column"
                )


@dataclass(frozen=True)
class Picture:
    """A picture: `draw` fills an empty figure of `size` (width, height) in inches.

    name: of its file, without suffix. path: where it was written, if it was. fault: why it could
    not be written, if that failed.
    """

    name: str
    caption: str
    draw: "Callable[[Figure], object]"
    size: tuple[float, float]
    path: Path | None = None
    fault: str = ""


Block = Text | Table | Picture


@dataclass(frozen=True)
class Document:
    """A report: its title, and its blocks in order."""

    title: str
    blocks: tuple[Block, ...]


def faults(shown: Document) -> list[str]:
    """Return why pictures of a document could not be written, one line each."""
    return [block.fault for block in shown.blocks if isinstance(block, Picture) and block.fault]


def paragraph(*parts: Cell) -> Text:
    """Return a paragraph of plain strings and spans."""
    return Text(tuple(map(_span, parts)))


def table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    text: bool = False,
    sections: Sequence[int] = (),
) -> Table:
    """Return a table: the first column is left-aligned, the others right unless they are `text`.

    Rows shorter than the head are filled with empty cells.
    """
    first, *others = head
    other = Column("", "left", wraps=True) if text else Column("")
    columns = (
        Column(first, "left"),
        *(Column(name, other.align, other.wraps) for name in others),
    )
    filled = (
        (*map(_span, row), *(Span("") for _ in range(len(columns) - len(row)))) for row in rows
    )
    return Table(title, columns, tuple(filled), tuple(sections))


def number(value: float | None, digits: int = 3) -> str:
    """Return a number as text for a table, without exponent; a dash if there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.{digits}f}"


def _span(cell: Cell) -> Span:
    return cell if isinstance(cell, Span) else Span(cell)
