"""Documents: equal content on the terminal and in Markdown, without cut words or numbers."""

import io
import re
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ipvae_snn.report import markdown, terminal
from ipvae_snn.report.document import (
    Column,
    Document,
    Picture,
    Span,
    Table,
    number,
    paragraph,
    table,
)

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(shown: Document, width: int, colour: bool = False) -> str:
    """Return what a terminal of `width` columns, or a pipe (without colour), gets."""
    file = io.StringIO()
    system: Literal["standard"] | None = "standard" if colour else None
    screen = Console(file=file, width=width, force_terminal=colour, color_system=system)
    terminal.show(screen, shown)
    return file.getvalue()


def of(*blocks: Table) -> Document:
    return Document("A report", blocks)


FIGURES = table(
    "After 1,000 steps",
    ("figure", "mean", "95 % interval"),
    [
        ("R2 of one sample", number(0.95317, 4), "0.9512 .. 0.9551"),
        ("  of these: spikes", number(1234567.891, 1)),
        ("verdict", Span("FAIL", "bad"), Span("pass", "good")),
    ],
    sections=(2,),
)


def test_a_table_on_the_terminal() -> None:
    assert [line.rstrip() for line in on_terminal(of(FIGURES), 80).splitlines()] == [
        "After 1,000 steps",
        "",
        "  figure                      mean      95 % interval",
        " ─────────────────────────────────────────────────────",
        "  R2 of one sample          0.9532   0.9512 .. 0.9551",
        "    of these: spikes   1,234,567.9",
        "",
        "  verdict                     FAIL               pass",
        "",
    ]


def test_the_same_table_in_markdown() -> None:
    assert markdown.table(FIGURES) == (
        "| figure | mean | 95 % interval |\n"
        "| --- | ---: | ---: |\n"
        "| R2 of one sample | 0.9532 | 0.9512 .. 0.9551 |\n"
        "| &nbsp;&nbsp;of these: spikes | 1,234,567.9 |  |\n"
        "| verdict | **FAIL** | pass |"
    )


def test_a_document_in_markdown() -> None:
    shown = Document(
        "Evaluation of model_1.safetensors",
        (
            paragraph(Span("left out", "warning"), ": no *file*, see `run_*.json` <here>"),
            table("Text", ("a|b", "c"), [("x", "some | words")], text=True),
            Picture("curve", "A curve", lambda figure: None, (1.0, 1.0), Path("my pictures/c.png")),
        ),
    )
    assert markdown.render(shown, level=2) == (
        "## Evaluation of model_1.safetensors\n\n"
        "**left out**: no \\*file\\*, see `run_*.json` \\<here>\n\n"
        "**Text**\n\n"
        "| a\\|b | c |\n| --- | --- |\n| x | some \\| words |\n\n"
        "![A curve](my%20pictures/c.png)\n"
    )


def test_a_text_with_brackets_is_shown_as_it_is() -> None:
    """Rich could read [1] or [red] in sources and paths as markup."""
    words = "[1] Horowitz [red]2014[/]"
    shown = Document("", (paragraph(words), table("[bold]t", ("[x]",), [(words,)])))
    text = on_terminal(shown, 60)
    assert text.count(words) == 2
    assert "[bold]t" in text
    assert "[x]" in text


def test_tones_are_colours_on_a_terminal_and_nothing_in_a_pipe() -> None:
    shown = Document("", (paragraph(Span("fails:", "bad"), " 3"),))
    assert on_terminal(shown, 60, colour=True) == "\x1b[31mfails:\x1b[0m 3\n"
    assert on_terminal(shown, 60) == "fails: 3\n"


def test_pictures_are_named_where_they_were_written() -> None:
    picture = Picture("curve", "A curve", lambda figure: None, (1.0, 1.0))
    written = Picture("curve", "A curve", lambda figure: None, (1.0, 1.0), Path("p/curve.png"))
    assert on_terminal(Document("", (picture, written)), 60) == "picture: p/curve.png\n"


def test_a_row_with_too_many_cells_is_refused() -> None:
    with pytest.raises(ValueError, match=r"table 't': row 1 has 3 cells, but there are 2 columns"):
        table("t", ("a", "b"), [("1",), ("1", "2", "3")])
    with pytest.raises(ValueError, match="row 0 has 1 cells"):
        Table("t", (Column("a"), Column("b")), ((Span("1"),),))


def test_text_columns_give_way_before_numbers() -> None:
    """On a narrow line the words wrap, the widest column first; all words and numbers stay."""
    shown = Table(
        "",
        (Column("check", "left"), Column("who", "left", wraps=True), Column("needs")),
        ((Span("weight bits"), Span("the lateral connection of neurons"), Span("1,234,567")),),
    )
    assert terminal.column_widths(shown, 80) == [11, 33, 9]
    assert terminal.column_widths(shown, 62) == [11, 32, 9]
    assert terminal.column_widths(shown, 45) == [11, 15, 9]
    assert terminal.column_widths(shown, 10) == [6, 10, 9]
    # The last column of the line is the right edge of the box, a space that a file does not get.
    assert max(map(len, on_terminal(of(shown), 62).splitlines())) == 61


def test_an_interval_goes_to_the_next_line_before_a_line_is_too_long() -> None:
    step = "1" * 40
    shown = table("", ("step", "delta"), [(step, "+0.0005 ±0.0043")])
    lines = on_terminal(of(shown), 61).splitlines()
    assert [line.split() for line in lines if line.strip()][2:] == [[step, "+0.0005"], ["±0.0043"]]
    assert max(map(len, lines)) <= 61


def test_a_table_wider_than_a_narrow_terminal_is_stacked() -> None:
    shown = table(
        "After 1,000 steps",
        ("run", "R2", "95 % interval", "verdict"),
        [("float", "0.9532", "0.9512 .. 0.9551"), ("onnx", "0.9532", "0.95 .. 0.96", "equal")],
    )
    assert on_terminal(of(shown), 40).splitlines() == [
        "After 1,000 steps",
        "float",
        "  R2: 0.9532",
        "  95 % interval: 0.9512 .. 0.9551",
        "onnx",
        "  R2: 0.9532",
        "  95 % interval: 0.95 .. 0.96",
        "  verdict: equal",
        "",
    ]
    assert "─" in on_terminal(of(shown), 60)
    assert on_terminal(of(FIGURES), 30).splitlines()[1:3] == [
        "R2 of one sample",
        "  mean: 0.9532",
    ]


def test_a_pair_takes_one_line_and_a_table_that_fits_stays_one() -> None:
    pairs = table(
        "", ("", "value"), [("synapse words per core", "16,384"), ("cores", "not public")]
    )
    assert on_terminal(of(pairs), 30).splitlines()[:2] == [
        "synapse words per core: 16,384",
        "cores: not public",
    ]
    assert "─" in on_terminal(of(pairs), 45)


def test_a_file_gets_lines_of_any_length(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = " ".join(["word"] * 100)
    wide = Document("", (paragraph(words), table("", ("a", "b"), [(words, "1")], text=True)))
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal.show(terminal.console(), wide)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == words
    assert any(line.strip().startswith(words) and line.endswith("1") for line in lines)
    assert not [line for line in lines if line.endswith(" ")]
    monkeypatch.setenv("COLUMNS", "70")
    terminal.show(terminal.console(), wide)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 70


FEW = settings(max_examples=50, deadline=None)
VALUES = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**18), 10**18)
CELLS = st.builds(number, VALUES, st.integers(0, 8))
WORD = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=30)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.integers(1, 7))
    rows = draw(st.lists(st.lists(CELLS, min_size=columns, max_size=columns), max_size=6))
    names = draw(st.lists(WORD, min_size=columns, max_size=columns))
    title = draw(st.lists(WORD, max_size=4).map(" ".join))
    return table(title, names, rows, text=draw(st.booleans()))


def stacked(names: list[str], rows: list[list[str]]) -> list[str]:
    """Return the words of a stacked table: of two columns, name: value; else a line per column."""
    if len(names) == 2:
        return [word for first, second in rows for word in (f"{first}:", second)]
    return [
        word
        for first, *others in rows
        for word in (first, *(part for pair in zip(names[1:], others, strict=True)
                              for part in (f"{pair[0]}:", pair[1])))
    ]  # fmt: skip


@FEW
@given(tables(), st.integers(1, 200), st.booleans())
def test_no_number_is_ever_cut(shown: Table, width: int, colour: bool) -> None:
    """However narrow the terminal: each row stands in lines of its own, with all its numbers."""
    text = ESCAPES.sub("", on_terminal(of(shown), width, colour))
    rows = [[cell.text for cell in row] for row in shown.rows]
    if terminal.is_stacked(shown, width):
        names = [column.name for column in shown.columns]
        assert text.split() == [*shown.title.split(), *stacked(names, rows)]
        return
    lines = [line.split() for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= max(width, len(shown.title))
    rule = next(index for index, line in enumerate(lines) if line and set(line[0]) == {"─"})
    assert [line for line in lines[rule + 1 :] if line] == rows
    for word in [*shown.title.split(), *(column.name for column in shown.columns)]:
        assert any(word in line for line in lines)


@FEW
@given(tables())
def test_markdown_holds_every_cell(shown: Table) -> None:
    head, rule, *rows = markdown.table(shown).split("\n")
    assert re.fullmatch(r"\|( ---:? \|)+", rule)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (head, *rows)]
    assert cells == [
        [column.name for column in shown.columns],
        *([cell.text for cell in row] for row in shown.rows),
    ]


@FEW
@given(st.lists(CELLS | WORD, min_size=1, max_size=30), st.integers(1, 120))
def test_no_word_of_a_paragraph_is_cut(words: list[str], width: int) -> None:
    text = on_terminal(Document("", (paragraph(" ".join(words)),)), width)
    assert text.split() == " ".join(words).split()
