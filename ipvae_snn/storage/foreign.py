"""Kinds of files of other programs, recognised by their first bytes; nothing in them is loaded."""

import zipfile
from pathlib import Path
from typing import Final

_ZIP: Final = b"PK\x03\x04"
_NPY: Final = b"\x93NUMPY"
_PICKLES: Final = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
_FRAME: Final = 0x95  # the third byte of a pickle of protocol 4 or 5
# torch.save of before 2019 begins with this number, pickled (torch.serialization.MAGIC_NUMBER).
_OLD_TORCH: Final = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
TORCH: Final = "a PyTorch file"
PICKLE: Final = "a pickle of Python objects"
SKOPS: Final = "a skops file"
NPY: Final = "a NumPy array file"
NPZ: Final = "an archive of NumPy arrays"
OTHER_ZIP: Final = "a zip archive"
IMPORTABLE: Final = frozenset({TORCH, SKOPS, NPY, NPZ})


def kind_of(path: Path) -> str | None:
    """Return what the file at `path` is, in words, or None if it is none of the kinds above."""
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except OSError:
        return None
    if start.startswith(_ZIP):
        return _kind_of_zip(path)
    if start.startswith(_NPY):
        return NPY
    if start.startswith(_PICKLES) and not _is_length(start):
        return TORCH if start[2:].startswith(_OLD_TORCH) else PICKLE
    return None


def _is_length(start: bytes) -> bool:
    """Return whether the first 8 bytes may be the length of a safetensors header, below 4 GiB.

    Such a length may begin like a pickle: 640 is 80 02 00 00 00 00 00 00.
    """
    return start[4:8] == bytes(4) and start[2] != _FRAME


def advice(path: Path) -> str | None:
    """Return a message on a foreign file that was given in place of ours; None if it is not one."""
    kind = kind_of(path)
    if kind is None:
        return None
    if kind in IMPORTABLE:
        return (
            f"{path}: {kind}, which this command does not read; if it holds a network, make a "
            f"checkpoint of it: ipvae-snn import {path} --out model.safetensors"
        )
    if kind == PICKLE:
        return (
            f"{path}: {kind}, which is never loaded, since loading executes code of the file; save "
            "its arrays with numpy.savez, and see ipvae-snn import"
        )
    return f"{path}: {kind}, neither a checkpoint nor an integer network; check the path"


def _kind_of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile, ValueError):
        return OTHER_ZIP
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return TORCH
    if "schema.json" in names:
        return SKOPS
    return NPZ if names and all(name.endswith(".npy") for name in names) else OTHER_ZIP
