"""Render documents as Markdown, with tables in GitHub's form."""

import re
from types import MappingProxyType
from typing import Final

from ipvae_snn.report.document import Block, Document, Picture, Span, Table, Text

RULES: Final = MappingProxyType({"left": "---", "right": "---:"})
LOUD: Final = ("strong", "warning", "bad")  # tones in bold
CODE: Final = re.compile(r"(`[^`]+`)")
# Characters that Markdown reads as markup; "_" only at the beginning or end of a word.
MARKUP: Final = re.compile(r"[\\*<]|(?<!\w)_|_(?!\w)")


def render(shown: Document, level: int = 1) -> str:
    """Return the document as Markdown; level: of its heading."""
    heading = f"{'#' * level} {_text(shown.title)}"
    return "\n\n".join([heading, *map(_block, shown.blocks)]) + "\n"


def table(shown: Table, ready: bool = False) -> str:
    """Return a table's head and rows, without its title and without a final line break.

    ready: the cells hold Markdown and are not escaped.
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
    """Return a cell; leading spaces, which indent sub-entries, are kept."""
    text = " ".join(span.text.split())
    indent = "&nbsp;" * (len(span.text) - len(span.text.lstrip())) if text else ""
    return indent + _toned(Span(text, span.tone)).replace("|", r"\|")


def _toned(span: Span) -> str:
    """Return the text, in bold if its tone is loud; spaces stay outside the asterisks."""
    text = span.text.strip()
    if span.tone not in LOUD or not text:
        return _text(span.text)
    before, _, after = span.text.partition(text)
    return f"{before}**{_text(text)}**{after}"


def _text(text: str) -> str:
    """Return text with all markup escaped except code in backticks."""
    parts = CODE.split(text)
    return "".join(
        part if index % 2 else MARKUP.sub(lambda result: f"\\{result[0]}", part)
        for index, part in enumerate(parts)
    )
