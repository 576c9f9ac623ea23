"""Messages of errors: one printable line of limited length, whatever a file holds."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn import errors
from ipvae_snn.errors import BackendError, ConfigError, FileFormatError, FitError, brief, printable


@given(st.text())
def test_every_message_is_one_printable_line(text):
    message = str(FileFormatError(text))
    assert message.isprintable()
    assert len(message) <= errors.MAX_MESSAGE
    if text.isprintable() and len(text) <= errors.MAX_MESSAGE:
        assert message == text.strip()


def test_hostile_characters_are_shown_as_escapes():
    assert printable("a\x1b[31mb\x07\u202ec\x00é漢") == r"a\x1b[31mb\x07\u202ec\x00é漢"
    assert str(ConfigError("caf\udce9.npy: a\nb\r\n c")) == r"caf\udce9.npy: a b c"


def test_a_long_message_keeps_its_ends():
    message = str(ConfigError(f"file.toml: {'n' * 100_000} is not known; remove it"))
    assert len(message) == errors.MAX_MESSAGE
    assert message.startswith("file.toml: nnn")
    assert message.endswith("nnn is not known; remove it")
    assert " ... " in message


def test_a_traceback_that_follows_keeps_its_lines():
    error = BackendError(f"lava: a\n b{errors.TRACE}Traceback\n  File \x1b[31m\n")
    assert str(error) == f"lava: a b{errors.TRACE}Traceback\n  File \\x1b[31m\n"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_list_of_exceeded_limits_may_be_longer():
    assert str(FitError("x" * 1000)) == "x" * 1000


@pytest.mark.parametrize("depth", [10, 100_000])
def test_values_of_any_depth_are_shown(depth):
    value: object = 1
    for _ in range(depth):
        value = [value]
    assert len(brief(value)) <= errors.MAX_VALUE
    assert len(brief({"a": 10**6000})) <= errors.MAX_VALUE
    while isinstance(value, list):  # deallocation of deep lists is no part of this
        value = value[0]
