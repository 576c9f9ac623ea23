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
            screen.print(_Whole(block), crop=False)
        case document.Text():
            text = Text.assemble(*map(_styled, block.spans))
            screen.print(text, crop=False, overflow="ignore", highlight=False)
        case document.Picture():
            if block.path is not None:
                line = Text(f"picture: {block.path}")
                screen.print(line, crop=False, overflow="ignore", highlight=False)


@dataclass(frozen=True)
class _Whole:
    """A table as Rich renders it, as wide as its words need: Rich itself would cut them."""

    table: document.Table

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        widths = column_widths(self.table, options.max_width)
        title = Text(self.table.title, overflow="ignore")  # its words stay whole too
        made = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
        for column, width in zip(self.table.columns, widths, strict=True):
            made.add_column(Text(column.name), justify=column.align, width=width)
        for index, row in enumerate(self.table.rows):
            if index in self.table.sections:
                made.add_section()
            made.add_row(*map(_styled, row))
        yield from screen.render(made, options.update(width=sum(widths) + _frame(len(widths))))


def column_widths(shown: document.Table, available: int) -> list[int]:
    """Return the columns' widths in characters: within `available` as far as words stay whole.

    The widest columns give way first, and none below its longest word, or below its longest cell
    where it does not wrap.
    """
    widths, least = [], []
    for index, column in enumerate(shown.columns):
        cells = [row[index].text for row in shown.rows]
        widths.append(max(map(cell_len, [column.name, *cells])))
        whole = _words(cells) if column.wraps else cells
        least.append(max(map(cell_len, ["", *_words([column.name]), *whole])))
    excess = sum(widths) + _frame(len(widths)) - available
    for _ in range(max(excess, 0)):
        free = [index for index, width in enumerate(widths) if width > least[index]]
        if not free:
            break
        widths[max(free, key=lambda index: widths[index])] -= 1
    return widths


def _words(texts: Sequence[str]) -> list[str]:
    return [word for text in texts for word in text.split()]


def _frame(columns: int) -> int:
    """Return what padding, the gaps between columns and the edges of the box take."""
    return PADDING * columns + (columns - 1) + 2


def _styled(span: Span) -> Text:
    return Text(span.text, style=STYLES[span.tone])


def table(title: str, *columns: str, text: bool = False) -> Table:
    """Return an empty table: the first column to the left, the others right unless `text`."""

    made = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(
            column, justify="left" if index == 0 or text else "right", no_wrap=index == 0
        )
    return made
