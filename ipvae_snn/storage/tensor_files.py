"""Reproducible safetensors files: equal content gives equal bytes and an equal checksum."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import FileFormatError, brief
from ipvae_snn.storage import foreign
from ipvae_snn.storage.source_files import MALFORMED, require_regular

HEADER_LENGTH_BYTES: Final = 8
HEADER_ALIGNMENT: Final = 8
_VERSION: Final = re.compile("[1-9][0-9]{0,8}", re.ASCII)


def sorted_metadata(data: bytes) -> bytes:
    """Return safetensors `data` with its metadata in sorted order.

    The library writes metadata in an order that changes from call to call; sorted, equal
    networks are equal files with an equal checksum. The file begins with the header's length
    (8 bytes, little-endian), then comes the header as JSON, padded with spaces.
    """
    length = int.from_bytes(data[:HEADER_LENGTH_BYTES], "little")
    end = HEADER_LENGTH_BYTES + length
    header = json.loads(data[HEADER_LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    padded = text.ljust(-(-len(text) // HEADER_ALIGNMENT) * HEADER_ALIGNMENT)
    return len(padded).to_bytes(HEADER_LENGTH_BYTES, "little") + padded + data[end:]


def read_format(path: Path) -> str | None:
    """Return the format that the safetensors file at `path` names, or None if it names none.

    Raises FileFormatError if it is missing or truncated.
    """
    return _metadata(path).get("format")


def read_header(path: Path, expected_format: str, newest_version: int) -> dict[str, str]:
    """Return the string metadata of the safetensors file at `path`, after checking its format.

    Raises FileFormatError if the file is missing, truncated, not ours, of another kind, or
    newer than `newest_version`.
    """
    metadata = _metadata(path)
    named = metadata.get("format")
    if named != expected_format:
        raise FileFormatError(
            f"{path}: its format is {brief(named)}, not {expected_format!r}; was another file "
            "meant?"
        )
    version = metadata.get("version", "")
    if not _VERSION.fullmatch(version):
        raise FileFormatError(f"{path}: its version {brief(version)} is not a number from 1 up")
    if int(version) > newest_version:
        raise FileFormatError(
            f"{path}: version {version} is newer than {newest_version}, the newest that this "
            "installation reads; upgrade ipvae-snn"
        )
    return metadata


def read_tensors(path: Path) -> dict[str, AnyArray]:
    """Return every tensor of the safetensors file at `path` by name; executes no code from it.

    Raises FileFormatError if it is missing, damaged, or holds a type that NumPy does not have.
    """
    with _opened(path) as handle:
        names = handle.keys()
        return {name: handle.get_tensor(name) for name in names}


def _metadata(path: Path) -> dict[str, str]:
    with _opened(path) as handle:
        return dict(handle.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    require_regular(path)
    other = foreign.advice(path)
    if other is not None:
        raise FileFormatError(other)
    try:
        with safe_open(path, framework="numpy") as handle:
            yield handle
    except (SafetensorError, *MALFORMED) as error:
        raise FileFormatError(
            f"{path}: not a readable safetensors file ({error}); it may be truncated; "
            "create it again"
        ) from error
