"""Files of other programs are named for what they are, and our own are not taken for them."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from ipvae_snn.storage import foreign


def test_kinds_by_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    torch.save({"a": torch.zeros(1)}, path)
    assert foreign.kind_of(path) == foreign.TORCH
    torch.save({"a": torch.zeros(1)}, path, _use_new_zipfile_serialization=False)
    assert foreign.kind_of(path) == foreign.TORCH
    for protocol in range(2, 6):
        for content in ({}, {"a": "b" * 400}, 7):
            path.write_bytes(pickle.dumps(content, protocol))
            assert foreign.kind_of(path) == foreign.PICKLE, (protocol, content)
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))
    assert foreign.kind_of(path) == foreign.NPY
    with path.open("wb") as stream:
        np.savez(stream, a=np.zeros(3))
    assert foreign.kind_of(path) == foreign.NPZ
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "x")
    assert foreign.kind_of(path) == foreign.OTHER_ZIP
    path.write_bytes(path.read_bytes()[:30])
    assert foreign.kind_of(path) == foreign.OTHER_ZIP
    for content in (b"", b"\x80", b"text", b"\x80\x07abc"):
        path.write_bytes(content)
        assert foreign.kind_of(path) is None
    assert foreign.kind_of(tmp_path / "missing") is None


def test_a_header_of_640_bytes_is_no_pickle(tmp_path: Path) -> None:
    """Its length, 80 02 00 ..., begins as a pickle of protocol 2 does."""
    path = tmp_path / "ours"
    empty = len(save({"a": np.zeros(1)}, {"format": ""})) - 16
    path.write_bytes(save({"a": np.zeros(1)}, {"format": "x" * (640 - empty)}))
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert foreign.kind_of(path) is None


@given(length=st.integers(1, 2**24))
def test_no_length_of_a_header_is_taken_for_another_file(
    length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "header"
    path.write_bytes(length.to_bytes(8, "little") + b'{"__metadata__":{}}')
    assert foreign.kind_of(path) is None


def test_advice_names_the_way_in(tmp_path: Path) -> None:
    path = tmp_path / "dictionary.pt"
    torch.save({"a": torch.zeros(1)}, path)
    assert foreign.advice(path) == (
        f"{path}: a PyTorch file, which this command does not read; if it holds a network, make a "
        f"checkpoint of it: ipvae-snn import {path} --out model.safetensors"
    )
    path.write_bytes(pickle.dumps({"a": 1}))
    assert "a pickle of Python objects, which is never loaded" in str(foreign.advice(path))
    path.write_text("text")
    assert foreign.advice(path) is None
