"""Names of files: any bytes, as valid text; temporary names that are found and fit."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.storage.names import home_path, printable
from ipvae_snn.storage.temporary import is_temporary, moved_away, temporary_file, temporary_folder

# Names as the system gives them: bytes, of which Python makes surrogates where they are not UTF-8.
NAMES = st.binary(min_size=1, max_size=255).map(os.fsdecode)
FILE_NAMES = NAMES.filter(lambda name: not {"/", "\0"} & set(name) and name not in (".", ".."))


@given(NAMES)
def test_every_name_becomes_valid_text(name: str) -> None:
    text = printable(name)
    assert text.encode().decode() == text
    if name.isascii():
        assert text == name


def test_bytes_are_shown() -> None:
    assert printable(os.fsdecode(b"caf\xe9 \xc3\xa9")) == "caf\\xe9 \u00e9"


@given(FILE_NAMES)
def test_temporary_names_are_valid_and_recognised(name: str) -> None:
    """Of any target: of 255 bytes, with brackets, line breaks and bytes that are not UTF-8."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with (
            temporary_file(folder, name) as file,
            temporary_folder(folder, name) as new,
            moved_away(folder, name) as old,
        ):
            assert all(is_temporary(path.name) for path in (file, new, old))
            assert sorted(folder.iterdir()) == sorted((file, new, old))
            suffix = Path(name).suffix
            assert len(os.fsencode(suffix)) > 20 or file.name.endswith(suffix)
        assert list(folder.iterdir()) == []


def test_an_unknown_home_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert home_path("~/x.npy") == Path("/home/someone/x.npy")
    assert home_path("~nosuchuser/x.npy") == Path("~nosuchuser/x.npy")
    assert home_path("a/~") == Path("a/~")
