"""Strict readers of .npy, .npz and idx files for images: one-line DataErrors."""

import gzip
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, cast

import numpy as np

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.data.request import MAX_BYTES
from ipvae_snn.errors import DataError, FileFormatError
from ipvae_snn.storage import array_reading, memory
from ipvae_snn.storage.array_reading import DAMAGE as DAMAGE  # of zip archives too
from ipvae_snn.storage.array_reading import MAX_INFLATION
from ipvae_snn.storage.source_files import open_regular, size_of

_GZIP_MAGIC: Final = b"\x1f\x8b"
_IDX_UINT8: Final = 0x0800  # third byte: the type code of unsigned bytes; fourth: dimensions


def read_npy(path: Path) -> Array:
    """Return the array in a .npy file (read-only), mapped: what is not used is not read."""
    with _as_data_error():
        return array_reading.read_npy(path)


def npz_keys(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in a .npz file."""
    with _as_data_error():
        return array_reading.npz_names(path)


def read_npz(path: Path, key: str, limit: int | None = None) -> Array:
    """Return one array of a .npz file (read-only), of which at most the first `limit` rows."""
    with _as_data_error():
        return array_reading.read_npz(path, key, MAX_BYTES, limit)


def read_idx(path: Path, dimensions: int, limit: int | None = None) -> UInt8:
    """Return the unsigned bytes of an idx file, gzip-compressed or not; at most `limit` items.

    The format: a big-endian magic number (2049 for labels (N,), 2051 for images (N, H, W)), one
    big-endian 32-bit size per dimension, then the bytes in row-major order (LeCun et al. 1998).
    """
    with _as_data_error(), array_reading.reading(path, "idx"), open_regular(path) as raw:
        packed = size_of(raw)
        compressed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        if compressed:
            with gzip.GzipFile(fileobj=raw) as stream:
                most = MAX_INFLATION * packed
                return _parse_idx(cast(IO[bytes], stream), dimensions, path, most, limit)
        return _parse_idx(raw, dimensions, path, packed, limit)


@contextmanager
def _as_data_error() -> Iterator[None]:
    """Turn FileFormatError into DataError: for a user, all faults of images are of one class."""
    try:
        yield
    except FileFormatError as error:
        raise DataError(str(error)) from error


def _parse_idx(
    stream: IO[bytes], dimensions: int, path: Path, possible: int, limit: int | None
) -> UInt8:
    """Return the bytes; possible: the most that the file can hold; no more are allocated."""
    header = stream.read(4 + 4 * dimensions)
    expected = _IDX_UINT8 + dimensions
    magic = int.from_bytes(header[:4], "big")
    if len(header) >= 4 and magic != expected:
        content = "images" if dimensions == 3 else "labels"
        raise DataError(
            f"{path}: the magic number is {magic}, but an idx file of {content} begins with "
            f"{expected}; is it another file?"
        )
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path}: the header is cut off after {len(header)} bytes; get it again")
    whole = struct.unpack(f">{dimensions}I", header[4:])
    shape = array_reading.first_rows(whole, limit)
    size = math.prod(shape)
    if size > MAX_BYTES:
        raise DataError(f"{path}: {size} bytes of data; at most {MAX_BYTES} are read, give fewer")
    memory.require(size, str(path), "give fewer images (--limit)")
    data = stream.read(min(size, possible))
    if len(data) < size:
        raise DataError(f"{path}: holds {len(data)} of {size} bytes of {shape}; get it again")
    if shape == whole and stream.read(1):
        raise DataError(f"{path}: holds more than the {size} bytes of {shape}; get it again")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)
