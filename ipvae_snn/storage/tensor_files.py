"""Reproducible safetensors files: equal content gives equal bytes and an equal checksum."""

import json
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open

from ipvae_snn.errors import FileFormatError
from ipvae_snn.storage import foreign

HEADER_LENGTH_BYTES: Final = 8
HEADER_ALIGNMENT: Final = 8


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
            f"{path}: its format is {named!r}, not {expected_format!r}; was another file meant?"
        )
    version = metadata.get("version", "")
    if not version.isdigit() or int(version) < 1:
        raise FileFormatError(f"{path}: its version {version!r} is not a number from 1 up")
    if int(version) > newest_version:
        raise FileFormatError(
            f"{path}: version {version} is newer than {newest_version}, the newest that this "
            "installation reads; upgrade ipvae-snn"
        )
    return metadata


def _metadata(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; check the path, or create it first")
    other = foreign.advice(path)
    if other is not None:
        raise FileFormatError(other)
    try:
        with safe_open(path, framework="numpy") as handle:
            return dict(handle.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"{path}: not a readable safetensors file ({error}); it may be truncated; "
            "create it again"
        ) from error
