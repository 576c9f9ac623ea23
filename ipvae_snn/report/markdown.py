"""Documents as Markdown, tables as GitHub takes them."""

import re
from types import MappingProxyType
from typing import Final

from ipvae_snn.report.document import Block, Document, Picture, Span, Table, Text

RULES: Final = MappingProxyType({"left": "---", "right": "---:"})
LOUD: Final = ("strong", "warning", "bad")  # tones in bold; what is good needs no attention
CODE: Final = re.compile(r"(`[^`]+`)")
# Characters that Markdown would take as markup; "_" only where a word begins or ends.
MARKUP: Final = re.compile(r"[\\*<]|(?<!\w)_|_(?!\w)")


def render(shown: Document, level: int = 1) -> str:
    """Return the document as Markdown; level: of its heading."""
    heading = f"{'#' * level} {_text(shown.title)}"
    return "\n\n".join([heading, *map(_block, shown.blocks)]) + "\n"


def table(shown: Table, ready: bool = False) -> str:
    """Return a table's head and rows, without its title, and without a line break at the end.

    ready: the cells hold Markdown already, and are taken as they are.
    """
    cell = _ready if ready else _cell
    rows = [tuple(Span(column.name) for column in shown.columns), *shown.rows]
    head, *body = (_line([*map(cell, row)]) for row in rows)
    rule = _line([RULES[column.align] for column in shown.columns])
    return "\n".join([head, rule, *body])


def _block(block: Block) -> str:
    match block:
        case Table():
            return f"**{_text(block.title)}**\n\n{table(block)}" if block.title else table(block)
        case Text():
            return " ".join("".join(map(_toned, block.spans)).split())
        case Picture():
            place = block.path or block.name
            return f"![{_text(block.caption)}]({str(place).replace(' ', '%20')})"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ready(span: Span) -> str:
    return span.text


def _cell(span: Span) -> str:
    """Return a cell; spaces at its beginning, which show that it is part of another, are kept."""
    text = " ".join(span.text.split())
    indent = "&nbsp;" * (len(span.text) - len(span.text.lstrip())) if text else ""
    return indent + _toned(Span(text, span.tone)).replace("|", r"\|")


def _toned(span: Span) -> str:
    """Return the text in bold where its tone is loud; spaces stay outside of the asterisks."""
    text = span.text.strip()
    if span.tone not in LOUD or not text:
        return _text(span.text)
    before, _, after = span.text.partition(text)
    return f"{before}**{_text(text)}**{after}"


def _text(text: str) -> str:
    """Return text in which nothing is taken as markup but code in backticks."""
    parts = CODE.split(text)
    return "".join(
        part if index % 2 else MARKUP.sub(lambda result: f"\\{result[0]}", part)
        for index, part in enumerate(parts)
    )
