"""Strict readers of .npy, .npz and idx files: no pickle, checked headers, one-line errors."""

import gzip
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Final, Literal, NamedTuple, cast

import numpy as np
from numpy.lib import format as npy_format

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.data.request import MAX_BYTES
from ipvae_snn.errors import DataError
from ipvae_snn.storage import memory

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
    """Return the array in a .npy file (read-only), mapped: what is not used is not read."""
    try:
        with path.open("rb") as stream:
            layout = _npy_layout(stream, path.stat().st_size, str(path))
            offset = stream.tell()
        if layout.size == 0:
            return np.zeros(layout.shape, layout.dtype)
        order: Literal["F", "C"] = "F" if layout.fortran else "C"
        return np.memmap(path, layout.dtype, "r", offset, layout.shape, order)
    except DAMAGE as error:
        raise _damaged(path, ".npy", error) from error


def npz_keys(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in a .npz file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))
    except DAMAGE as error:
        raise _damaged(path, ".npz", error) from error


def read_npz(path: Path, key: str, limit: int | None = None) -> Array:
    """Return one array of a .npz file (read-only), of which at most the first `limit` rows."""
    if key not in npz_keys(path):
        raise DataError(f"{path}: holds no array {key!r}; it is not the file expected here")
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(f"{key}.npy").file_size
            with archive.open(f"{key}.npy") as stream:
                return _parse_npy(stream, size, f"{path}: {key}", limit)
    except DAMAGE as error:
        raise _damaged(path, ".npz", error) from error


def read_idx(path: Path, dimensions: int, limit: int | None = None) -> UInt8:
    """Return the unsigned bytes of an idx file, gzip-compressed or not; at most `limit` items.

    The format: a big-endian magic number (2049 for labels (N,), 2051 for images (N, H, W)), one
    big-endian 32-bit size per dimension, then the bytes in row-major order (LeCun et al. 1998).
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=raw) as stream:
                    return _parse_idx(cast(IO[bytes], stream), dimensions, path, limit)
            return _parse_idx(raw, dimensions, path, limit)
    except DAMAGE as error:
        raise _damaged(path, "idx", error) from error


def _damaged(path: Path, form: str, error: Exception) -> DataError:
    detail = " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: not a readable {form} file ({detail}); get it again")


def _parse_idx(stream: IO[bytes], dimensions: int, path: Path, limit: int | None) -> UInt8:
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
    shape = _first(whole, limit)
    size = math.prod(shape)
    _check_size(str(path), size)
    data = stream.read(size)
    if len(data) < size:
        raise DataError(f"{path}: holds {len(data)} of {size} bytes of {shape}; get it again")
    if shape == whole and stream.read(1):
        raise DataError(f"{path}: holds more than the {size} bytes of {shape}; get it again")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


class _Layout(NamedTuple):
    """Shape, order and type of the numbers in a .npy file."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def _npy_layout(stream: IO[bytes], total: int, subject: str) -> _Layout:
    """Read the header; `total`: bytes of the file, which must hold exactly the numbers."""
    version = npy_format.read_magic(stream)
    reader = _NPY_HEADERS.get(version)
    if reader is None:
        raise DataError(f"{subject}: .npy version {version} is not known; save it with numpy.save")
    layout = _Layout(*reader(stream))
    if layout.dtype.hasobject:
        raise DataError(f"{subject}: holds Python objects, which are never loaded; save numbers")
    present = total - stream.tell()
    if present != layout.size:
        raise DataError(
            f"{subject}: holds {present} bytes of data but its header says {layout.size}; get it "
            "again"
        )
    return layout


def _parse_npy(stream: IO[bytes], total: int, subject: str, limit: int | None) -> Array:
    layout = _npy_layout(stream, total, subject)
    if not layout.fortran:  # whose rows do not lie together
        layout = layout._replace(shape=_first(layout.shape, limit))
    _check_size(subject, layout.size)
    if layout.size == 0:
        return np.zeros(layout.shape, layout.dtype)
    flat = np.frombuffer(stream.read(layout.size), dtype=layout.dtype)
    return flat.reshape(layout.shape, order="F" if layout.fortran else "C")


def _first(shape: tuple[int, ...], limit: int | None) -> tuple[int, ...]:
    """Return the shape of the first `limit` items."""
    return shape if limit is None or not shape else (min(shape[0], limit), *shape[1:])


def _check_size(subject: str, size: int) -> None:
    if size > MAX_BYTES:
        raise DataError(
            f"{subject}: {size} bytes of data; at most {MAX_BYTES} are read, give fewer"
        )
    memory.require(size, subject, "give fewer images (--limit)")
