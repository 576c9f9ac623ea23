"""PyTorch files: tensors and statistics are read, and nothing in them is executed."""

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foreign_files import ip_vae_state, write_ip_vae
from ipvae_snn.errors import FileFormatError
from ipvae_snn.importers.draft import Source
from ipvae_snn.importers.formats import read
from ipvae_snn.importers.torch_files import read_torch


class Payload:
    """An object whose loading calls a function that leaves a mark on the disk."""

    def __init__(self, call: Callable[..., Any], *arguments: object) -> None:
        self.call = (call, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.call


def payloads(mark: Path) -> dict[str, Payload]:
    return {
        "os.system": Payload(os.system, f"touch {mark}"),
        "eval": Payload(eval, f"__import__('pathlib').Path({str(mark)!r}).touch()"),
        "Path.touch": Payload(Path.touch, mark),
        "np.save": Payload(np.save, str(mark), 1),
        "pickle": Payload(pickle.loads, pickle.dumps(Payload(Path.touch, mark))),
    }


@pytest.mark.parametrize("kind", ["os.system", "eval", "Path.touch", "np.save", "pickle"])
@pytest.mark.parametrize("form", ["zip", "old", "pickle", "in the tensors"])
def test_a_payload_is_refused_and_not_executed(tmp_path: Path, kind: str, form: str) -> None:
    """np.save would write mark.npy, so that any file in the folder counts."""
    marks = tmp_path / "marks"
    marks.mkdir()
    payload = payloads(marks / "mark")[kind]
    path = tmp_path / "model.pt"
    content: dict[str, Any] = {"metadata": {"stats": payload}, "model": ip_vae_state()}
    if form == "in the tensors":
        content = {"model": {**ip_vae_state(), "layer.extra": payload}}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form != "old")
    with pytest.raises(FileFormatError, match="execut") as caught:
        read(Source(path))
    assert "\n" not in str(caught.value)
    assert list(marks.iterdir()) == []


def test_the_payloads_would_leave_a_mark(tmp_path: Path) -> None:
    """Or the test above could not fail."""
    for name, payload in payloads(tmp_path / "mark").items():
        pickle.loads(pickle.dumps(payload))
        marks = list(tmp_path.iterdir())
        assert marks, name
        for mark in marks:
            mark.unlink()


def test_a_whole_module_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "module.pt"
    torch.save(torch.nn.Linear(2, 3), path)
    with pytest.raises(FileFormatError, match=r"refers to torch\.nn\.modules\.linear\.Linear; "):
        read_torch(path)


@pytest.mark.parametrize("old_numpy", [False, True])
@pytest.mark.parametrize("old_torch", [False, True])
def test_statistics_of_either_numpy_are_read(
    tmp_path: Path, old_numpy: bool, old_torch: bool
) -> None:
    """NumPy 2 moved the functions that its pickles name."""
    path = write_ip_vae(tmp_path)
    if old_torch:
        content = {"model": ip_vae_state(), "stats": {"a": np.float64(1.5), "b": np.arange(2)}}
        torch.save(content, path, _use_new_zipfile_serialization=False)
    names = b"numpy._core.multiarray", b"numpy.core.multiarray"
    data = path.read_bytes()
    if old_torch:
        path.write_bytes(data.replace(*(names if old_numpy else names[::-1])))
    else:
        renamed(path, *(names if old_numpy else names[::-1]))
    np.testing.assert_array_equal(
        read_torch(path).arrays["layer.log_bias"], ip_vae_state()["layer.log_bias"].numpy()
    )


def renamed(path: Path, before: bytes, after: bytes) -> None:
    """Replace a module's name in the pickle within a PyTorch file."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            changed = data.replace(before, after) if name.endswith("data.pkl") else data
            archive.writestr(name, changed)


def test_a_truncated_file_is_one_line(tmp_path: Path) -> None:
    path = write_ip_vae(tmp_path)
    data = path.read_bytes()
    for keep in (3, 40, 200, len(data) // 2, len(data) - 10):
        path.write_bytes(data[:keep])
        with pytest.raises(FileFormatError) as caught:
            read(Source(path))
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list, not tensors by name"),
        ({"model": {"a": 1}}, "holds no tensors by name, but 'a'"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "a is complex"),
        ({"a": torch.eye(2).to_sparse()}, "a is sparse"),
        ({"a": torch.zeros(2, device="meta")}, "a is sparse, quantised or without data"),
    ],
)
def test_what_holds_no_dense_tensors(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(FileFormatError, match=message):
        read_torch(path)


def test_half_precision_is_read(tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    values = torch.tensor([1.0, -0.5, 3.0])
    torch.save({"a": values.bfloat16(), "b": values.half()}, path)
    tensors = read_torch(path)
    for name in ("a", "b"):
        np.testing.assert_array_equal(tensors.array(name, (3,)), values.numpy())
