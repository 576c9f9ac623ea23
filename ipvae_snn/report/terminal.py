"""Documents, tables and numbers on the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from ipvae_snn.report import document
from ipvae_snn.report.document import Block, Document, Span
from ipvae_snn.report.document import number as number  # the old place of it

STYLES: Final = MappingProxyType(
    {"plain": "", "strong": "bold", "good": "green", "warning": "yellow", "bad": "red"}
)
PADDING: Final = 2  # a space on each side of a cell


def console(quiet: bool = False) -> Console:
    """Return the console for tables; with `quiet` (JSON is asked for) it writes to stderr."""

    return Console(stderr=quiet)


def show(screen: Console, shown: Document) -> None:
    """Print the blocks; of pictures, where they were written.

    The title is not printed: it repeats the command. Words and numbers are never cut: where the
    terminal is too narrow for them, lines are longer than it is wide.
    """
    for block in shown.blocks:
        _show(screen, block)


def _show(screen: Console, block: Block) -> None:
    match block:
        case document.Table():
            screen.print(_WholeTable(block), crop=False)
        case document.Text():
            screen.print(_WholeText(Text.assemble(*map(_styled, block.spans))), crop=False)
        case document.Picture():
            if block.path is not None:
                screen.print(_WholeText(Text(f"picture: {block.path}")), crop=False)


@dataclass(frozen=True)
class _WholeText:
    """A text in lines as long as its longest word needs: Rich itself would break such a word."""

    text: Text
    width: int | None = None

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        width = max(self.width or options.max_width, _longest([self.text.plain]))
        yield from screen.render(self.text, options.update(width=width, highlight=False))


@dataclass(frozen=True)
class _WholeTable:
    """A table as Rich renders it, as wide as its words need: Rich itself would cut them."""

    table: document.Table

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        widths = column_widths(self.table, options.max_width)
        whole = sum(widths) + _frame(len(widths))
        if self.table.title:
            yield _WholeText(Text(self.table.title, style="table.title"), whole)
        report = Table(box=SIMPLE_HEAD)
        for column, width in zip(self.table.columns, widths, strict=True):
            report.add_column(Text(column.name), justify=column.align, width=width)
        for index, row in enumerate(self.table.rows):
            if index in self.table.sections:
                report.add_section()
            report.add_row(*map(_styled, row))
        yield from screen.render(report, options.update(width=whole))


def column_widths(shown: document.Table, available: int) -> list[int]:
    """Return the columns' widths in characters: within `available` as far as words stay whole.

    The columns that wrap give way first, the widest of them before the others, then the rest; none
    below its longest word.
    """
    widths, words = [], []
    for index, column in enumerate(shown.columns):
        cells = [row[index].text for row in shown.rows]
        widths.append(max(map(cell_len, [column.name, *cells])))
        words.append(_longest([column.name, *cells]))
    # First only names, and cells that are text, take several lines.
    first = [
        word if column.wraps else max(cells, word)
        for column, cells, word in zip(shown.columns, _cell_widths(shown), words, strict=True)
    ]
    available -= _frame(len(widths))
    return _narrowed(_narrowed(widths, first, available), words, available)


def _cell_widths(shown: document.Table) -> list[int]:
    """Return the width of each column's longest cell, its name left out."""
    columns = range(len(shown.columns))
    return [max((cell_len(row[index].text) for row in shown.rows), default=0) for index in columns]


def _narrowed(widths: list[int], least: list[int], available: int) -> list[int]:
    """Return widths, the widest made narrower until all fit or none can, and none below `least`."""
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
    """Return what padding, the gaps between columns and the edges of the box take."""
    return PADDING * columns + (columns - 1) + 2


def _styled(span: Span) -> Text:
    return Text(span.text, style=STYLES[span.tone])


def table(title: str, *columns: str, text: bool = False) -> Table:
    """Return an empty table: the first column to the left, the others right unless `text`."""

    report = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        report.add_column(
            column, justify="left" if index == 0 or text else "right", no_wrap=index == 0
        )
    return report
