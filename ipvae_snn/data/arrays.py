"""Strict readers of .npy, .npz and idx files: no pickle, checked headers, one-line errors."""

import gzip
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Final, cast

import numpy as np
from numpy.lib import format as npy_format

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.data.request import MAX_BYTES
from ipvae_snn.errors import DataError

_GZIP_MAGIC: Final = b"\x1f\x8b"
_IDX_UINT8: Final = 0x0800  # third byte: the type code of unsigned bytes; fourth: dimensions
_NPY_HEADERS: Final = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}
# Exceptions of the standard library and NumPy on truncated, damaged or foreign files.
# RuntimeError is zipfile's for encrypted members and unknown compression.
DAMAGE: Final = (
    OSError, EOFError, ValueError, KeyError, RuntimeError, struct.error, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip


def read_npy(path: Path) -> Array:
    """Return the array in a .npy file (read-only)."""
    try:
        with path.open("rb") as stream:
            return _parse_npy(stream, path.stat().st_size, str(path))
    except DAMAGE as error:
        raise _damaged(path, ".npy", error) from error


def npz_keys(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in a .npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
    except DAMAGE as error:
        raise _damaged(path, ".npz", error) from error


def read_npz(path: Path, key: str) -> Array:
    """Return one array of a .npz file (read-only)."""
    if key not in npz_keys(path):
        raise DataError(f"{path}: holds no array {key!r}; it is not the file expected here")
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(f"{key}.npy").file_size
            with archive.open(f"{key}.npy") as stream:
                return _parse_npy(stream, size, f"{path}: {key}")
    except DAMAGE as error:
        raise _damaged(path, ".npz", error) from error


def read_idx(path: Path, dimensions: int) -> UInt8:
    """Return the unsigned bytes of an idx file, gzip-compressed or not.

    The format: a big-endian magic number (2049 for labels (N,), 2051 for images (N, H, W)), one
    big-endian 32-bit size per dimension, then the bytes in row-major order (LeCun et al. 1998).
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=raw) as stream:
                    return _parse_idx(cast(IO[bytes], stream), dimensions, path)
            return _parse_idx(raw, dimensions, path)
    except DAMAGE as error:
        raise _damaged(path, "idx", error) from error


def _damaged(path: Path, form: str, error: Exception) -> DataError:
    detail = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: not a readable {form} file ({detail}); get it again")


def _parse_idx(stream: IO[bytes], dimensions: int, path: Path) -> UInt8:
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
    shape = struct.unpack(f">{dimensions}I", header[4:])
    size = math.prod(shape)
    _check_size(str(path), size)
    data = stream.read(size)
    if len(data) < size:
        raise DataError(f"{path}: holds {len(data)} of {size} bytes of {shape}; get it again")
    if stream.read(1):
        raise DataError(f"{path}: holds more than the {size} bytes of {shape}; get it again")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _parse_npy(stream: IO[bytes], total: int, subject: str) -> Array:
    version = npy_format.read_magic(stream)
    reader = _NPY_HEADERS.get(version)
    if reader is None:
        raise DataError(f"{subject}: .npy version {version} is not known; save it with numpy.save")
    shape, fortran, dtype = reader(stream)
    if dtype.hasobject:
        raise DataError(f"{subject}: holds Python objects, which are never loaded; save numbers")
    size = math.prod(shape) * dtype.itemsize
    present = total - stream.tell()
    if present != size:
        raise DataError(
            f"{subject}: holds {present} bytes of data but its header says {size}; get it again"
        )
    _check_size(subject, size)
    if size == 0:
        return np.zeros(shape, dtype)
    flat = np.frombuffer(stream.read(size), dtype=dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _check_size(subject: str, size: int) -> None:
    if size > MAX_BYTES:
        raise DataError(
            f"{subject}: {size} bytes of data; at most {MAX_BYTES} are read, give fewer"
        )
