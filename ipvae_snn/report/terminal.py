"""Print documents, tables and numbers on the terminal.

Texts may hold names and values from files. None of their characters reaches the terminal as a
control or as markup.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ipvae_snn.errors import printable, shortened
from ipvae_snn.report import document
from ipvae_snn.report.document import Block, Document, Span
from ipvae_snn.report.document import number as number  # re-exported

STYLES: Final = MappingProxyType(
    {"plain": "", "strong": "bold", "good": "green", "warning": "yellow", "bad": "red"}
)
PAIR: Final = 2  # columns of a table of names and values
PADDING: Final = 2  # a space on each side of a cell
MAX_LINE: Final = 200  # characters of a progress line
UNLIMITED: Final = 100_000  # columns
NARROW: Final = 60  # columns; below, a table that is wider than the terminal is stacked


def console(quiet: bool = False, silent: bool = False) -> Console:
    """Return the console for tables; with `quiet` (for JSON output) it writes to stderr.

    silent: it shows nothing. A file or a pipe gets lines of any length, unless COLUMNS is set.
    """
    screen = Console(stderr=quiet, quiet=silent)
    if not screen.is_terminal and "COLUMNS" not in os.environ:
        screen.width = UNLIMITED
    return screen


def plain_line(text: str) -> Text:
    """Return a progress line: printable, without markup, of at most MAX_LINE characters."""
    return Text(shortened(printable(text), MAX_LINE))


def show(screen: Console, shown: Document) -> None:
    """Print the blocks; of pictures, their paths.

    The title is not printed, since it repeats the command. Words and numbers are never cut: a
    table that is too wide for a narrow terminal, or for its words, is stacked: a row takes a line
    per column. Lines in a file or a pipe have no spaces at their end.
    """
    if screen.is_terminal:
        for block in shown.blocks:
            _show(screen, block)
        return
    with screen.capture() as captured:
        for block in shown.blocks:
            _show(screen, block)
    screen.file.writelines(f"{line.rstrip(' ')}\n" for line in captured.get().split("\n")[:-1])


def _show(screen: Console, block: Block) -> None:
    match block:
        case document.Table():
            shown = _printable_table(block)
            drawn = _StackedTable if is_stacked(shown, screen.width) else _WholeTable
            screen.print(drawn(shown), crop=False)
        case document.Text():
            screen.print(_WholeText(Text.assemble(*map(_styled, block.spans))), crop=False)
        case document.Picture():
            if block.path is not None:
                screen.print(_WholeText(Text(printable(f"picture: {block.path}"))), crop=False)


@dataclass(frozen=True)
class _WholeText:
    """A text whose lines are at least as long as its longest word; Rich would break the word."""

    text: Text
    width: int | None = None

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        plain = self.text.plain
        indent = len(plain) - len(plain.lstrip())  # Rich counts it as part of the first word
        least = _longest([plain[:indent].replace(" ", "_") + plain[indent:]])
        width = max(self.width or options.max_width, least)
        yield from screen.render(self.text, options.update(width=width, highlight=False))


@dataclass(frozen=True)
class _WholeTable:
    """A table that is at least as wide as its words need; Rich would cut them."""

    table: document.Table

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        widths = column_widths(self.table, options.max_width)
        whole = sum(widths) + _frame(len(widths))
        if self.table.title:
            title = Text(self.table.title, style="table.title")
            yield _WholeText(title, max(whole, options.max_width))
        drawn = Table(box=SIMPLE_HEAD)
        for column, width in zip(self.table.columns, widths, strict=True):
            drawn.add_column(Text(column.name), justify=column.align, width=width)
        for index, row in enumerate(self.table.rows):
            if index in self.table.sections:
                drawn.add_section()
            drawn.add_row(*map(_styled, row))
        yield from screen.render(drawn, options.update(width=whole))


@dataclass(frozen=True)
class _StackedTable:
    """A table for a narrow terminal: each row as its first cell, and a line per further column."""

    table: document.Table

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        if self.table.title:
            yield _WholeText(Text(self.table.title, style="table.title"))
        names = [column.name for column in self.table.columns]
        for row in self.table.rows:
            first, *others = map(_styled, row)
            cells = [(name, cell) for name, cell in zip(names[1:], others, strict=True) if cell]
            if len(names) == PAIR:
                yield _WholeText(
                    Text.assemble(first, *(part for _, c in cells for part in (": ", c)))
                )
                continue
            yield _WholeText(first)
            for name, cell in cells:
                yield _WholeText(Text.assemble("  ", f"{name}: " if name else "", cell))
        yield Text()


def is_stacked(shown: document.Table, available: int) -> bool:
    """Return whether a terminal of `available` columns is too narrow for the table's lines."""
    whole, words = _natural_widths(shown)
    frame = _frame(len(whole))
    return sum(words) + frame > available or (available < NARROW and sum(whole) + frame > available)


def _natural_widths(shown: document.Table) -> tuple[list[int], list[int]]:
    """Return the widths of each column's longest cell, and of its longest word, its name's too."""
    whole, words = [], []
    for index, column in enumerate(shown.columns):
        cells = [column.name, *(row[index].text for row in shown.rows)]
        whole.append(max(map(cell_len, cells)))
        words.append(_longest(cells))
    return whole, words


def column_widths(shown: document.Table, available: int) -> list[int]:
    """Return the columns' widths in characters, within `available` if words allow it.

    Columns that wrap are narrowed first, the widest before the others, then the rest; none becomes
    narrower than its longest word.
    """
    widths, words = _natural_widths(shown)
    # At first, only names and cells of text take several lines.
    first = [
        word if column.wraps else max(cells, word)
        for column, cells, word in zip(shown.columns, _cell_widths(shown), words, strict=True)
    ]
    available -= _frame(len(widths))
    return _narrowed(_narrowed(widths, first, available), words, available)


def _cell_widths(shown: document.Table) -> list[int]:
    """Return the width of each column's longest cell, without its name."""
    columns = range(len(shown.columns))
    return [max((cell_len(row[index].text) for row in shown.rows), default=0) for index in columns]


def _narrowed(widths: list[int], least: list[int], available: int) -> list[int]:
    """Return widths after narrowing the widest until all fit; none becomes less than `least`."""
    result = list(widths)
    for _ in range(max(sum(result) - available, 0)):
        free = [index for index, width in enumerate(result) if width > least[index]]
        if not free:
            break
        result[max(free, key=lambda index: result[index])] -= 1
    return result


def _longest(texts: Sequence[str]) -> int:
    """Return the width of the longest word."""
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _frame(columns: int) -> int:
    """Return the width of padding, gaps between columns and edges of the box."""
    return PADDING * columns + (columns - 1) + 2


def _styled(span: Span) -> Text:
    return Text(printable(span.text, keep="\n"), style=STYLES[span.tone])


def _printable_table(shown: document.Table) -> document.Table:
    """Return the table with the texts that will be shown, which decide how wide it is."""
    return replace(
        shown,
        title=printable(shown.title),
        columns=tuple(replace(one, name=printable(one.name)) for one in shown.columns),
        rows=tuple(
            tuple(Span(printable(span.text, keep="\n"), span.tone) for span in row)
            for row in shown.rows
        ),
    )
