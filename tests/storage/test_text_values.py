"""JSON and TOML within limits: depth, digits, finite numbers; ValueError for all else."""

import json
import time

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.storage.text_values import (
    MAX_DEPTH,
    MAX_INTEGER,
    number,
    parse_json,
    parse_json_object,
    parse_toml,
    text,
    whole,
)

VALUES = st.recursive(
    st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=3))
def test_sound_texts_are_those_of_the_libraries(table):
    assert parse_json_object(json.dumps(table)) == table
    assert parse_toml(tomli_w.dumps(table)) == table


@pytest.mark.parametrize(
    "source",
    ["", "{", "NaN", "-Infinity", "1e999", "9" * 400, "9" * 5000, "-" + "9" * 20, '"\x00"']
    + ["[" * depth + "]" * depth for depth in (MAX_DEPTH + 1, 5000, 100_000)]
    + ['{"a":' * 5000 + "1" + "}" * 5000, "0." + "1" * 500],
)
def test_json_that_is_refused(source):
    with pytest.raises(ValueError, match=r"^.{1,200}$"):
        parse_json(source)


def test_json_limits():
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert parse_json(str(MAX_INTEGER)) == MAX_INTEGER
    assert parse_json("[NaN, Infinity]", finite=False)[1] == float("inf")
    with pytest.raises(ValueError, match="a list where an object of names is needed"):
        parse_json_object("[]")


@pytest.mark.parametrize(
    "source",
    [
        "x",
        "x = ",
        "x = " + "9" * 400,
        "x = " + "9" * 5000,
        "x = 0x" + "f" * 5000,
        "x = " + "[" * 5000 + "]" * 5000,
        "a." * 40 + "b = 1",
        "x = 9999-99-99",
        "#" * 200_000,
    ],
)
def test_toml_that_is_refused(source):
    with pytest.raises(ValueError, match=r"^.{1,200}$"):
        parse_toml(source)


def test_long_dotted_keys_cost_no_time():
    """tomllib's time grows with the square of a key's parts: minutes for these."""
    for key in ("a.", '"a" . '):
        start = time.monotonic()
        with pytest.raises(ValueError, match="nested deeper than 32"):
            parse_toml(key * 20_000 + "b = 1")
        assert time.monotonic() - start < 5
    note = "# " + "." * 100 + "\nx = 1.5\ny = '" + "a." * 100 + "'\n"
    assert parse_toml(note + "a.b.c = 1")["a"] == {"b": {"c": 1}}


def test_kinds_of_values():
    assert (whole(3, "n"), number(3, "n"), text("x", "n")) == (3, 3.0, "x")
    for kind, value in ((whole, 3.0), (whole, True), (whole, "3"), (number, True), (text, 3)):
        with pytest.raises(ValueError, match=r"^n is .*, not a"):
            kind(value, "n")
