"""Strict readers of .npy and .npz files: no header is evaluated, nothing is unpickled.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. numpy's own reader
evaluates the header and allocates what it declares; damaged ones raise errors of many classes.
"""

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Final, Literal

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.errors import FileFormatError, brief
from ipvae_snn.storage import memory
from ipvae_snn.storage.source_files import open_regular, size_of

# Exceptions of the standard library and NumPy on truncated, damaged or foreign files.
# RuntimeError is zipfile's for encrypted members and unknown compression.
DAMAGE: Final = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
MAX_BYTES: Final = 1 << 40  # where a caller gives no limit
MAX_HEADER: Final = 10_000  # bytes, as in numpy
MAX_AXES: Final = 32
MAX_INFLATION: Final = 1032  # bytes that one byte of deflate can give
_MAGIC: Final = b"\x93NUMPY"
_LENGTHS: Final = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}  # format of the header's length
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes
_FIELD: Final = (
    r"""\s*(?:['"]descr['"]\s*:\s*['"](?P<descr{n}>[^'"]{{1,16}})['"]"""
    r"""|['"]fortran_order['"]\s*:\s*(?P<order{n}>True|False)"""
    r"""|['"]shape['"]\s*:\s*\((?P<shape{n}>[0-9L,\s]*)\))\s*"""
)
_HEADER: Final = re.compile(
    r"\{" + ",".join(_FIELD.format(n=n) for n in range(3)) + r"(?:,\s*)?\}\s*", re.ASCII
)
_NUMBERS: Final = re.compile(r"[<>|=]?(?:\?|[biufc]\d{1,2}|[SU]\d{1,6})", re.ASCII)
_OBJECTS: Final = re.compile(r"[<>|=]?O\d*", re.ASCII)


@dataclass(frozen=True)
class Header:
    """Declared contents of a .npy file; `end`: where its data begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    end: int

    @property
    def n_bytes(self) -> int:
        """Declared size of the data."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path) -> Array:
    """Return the array in a .npy file (read-only), mapped: what is not used is not read.

    Raises FileFormatError if it is missing, damaged, or holds anything but numbers or text.
    """
    with reading(path, ".npy"), open_regular(path) as stream:
        header = _whole_header(stream, size_of(stream), str(path))
        if header.n_bytes == 0:
            return np.zeros(header.shape, header.dtype)
        order: Literal["F", "C"] = "F" if header.fortran else "C"
        return np.memmap(stream, header.dtype, "r", header.end, header.shape, order)


def npz_names(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in a .npz file; FileFormatError if it is no such file."""
    with reading(path, ".npz"), open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        return tuple(n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy"))


def read_npz(path: Path, name: str, most: int = MAX_BYTES, limit: int | None = None) -> Array:
    """Return one array of a .npz file (read-only), of at most `most` bytes, as `read_npy`.

    limit: number of rows, of which the first are read. Raises MemoryLimitError for more than fits
    into the free memory.
    """
    if name not in npz_names(path):
        raise FileFormatError(
            f"{path}: holds no array {brief(name)}; it is not the file expected here"
        )
    with reading(path, ".npz"), open_regular(path) as stream, zipfile.ZipFile(stream) as archive:
        info = archive.getinfo(f"{name}.npy")
        subject = f"{path}: {name}"
        if info.compress_type not in _METHODS:
            raise FileFormatError(f"{subject}: compressed as numpy never does; save it with numpy")
        if info.file_size > MAX_INFLATION * min(info.compress_size, size_of(stream)):
            raise FileFormatError(
                f"{subject}: {info.file_size} bytes cannot come out of {info.compress_size}; get "
                "it again"
            )
        with archive.open(info) as member:
            return _parse(member, info.file_size, subject, most, limit)


def read_npz_all(path: Path, most: int = MAX_BYTES) -> dict[str, Array]:
    """Return every array of a .npz file by name, as `read_npz`."""
    return {name: read_npz(path, name, most) for name in npz_names(path)}


@contextmanager
def reading(path: Path, form: str) -> Iterator[None]:
    """Turn what a damaged file of this form raises in the block into FileFormatError."""
    try:
        yield
    except DAMAGE as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise FileFormatError(
            f"{path}: not a readable {form} file ({detail}); get it again"
        ) from error


def parse_header(stream: IO[bytes], subject: str) -> Header:
    """Return the header at the beginning of `stream`; FileFormatError names `subject`.

    Raises EOFError or ValueError where it is cut off or no .npy header.
    """
    begin = _exactly(stream, len(_MAGIC) + 2)
    if not begin.startswith(_MAGIC):
        raise ValueError("it does not begin as a .npy file")
    version = begin[-2], begin[-1]
    form = _LENGTHS.get(version)
    if form is None:
        raise FileFormatError(
            f"{subject}: .npy version {version} is not known; save it with numpy.save"
        )
    width = struct.calcsize(form)
    (length,) = struct.unpack(form, _exactly(stream, width))
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length} bytes; at most {MAX_HEADER} are possible")
    text = _exactly(stream, length).decode("utf-8" if version == (3, 0) else "latin-1")
    dtype, shape, fortran = _parse_fields(text, subject)
    return Header(dtype, shape, fortran, len(begin) + width + length)


def _parse_fields(text: str, subject: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    found = _HEADER.fullmatch(text)
    parts = (
        {} if found is None else {k[:-1]: v for k, v in found.groupdict().items() if v is not None}
    )
    if len(parts) != 3:
        raise FileFormatError(
            f"{subject}: its header is not that of one plain array of numbers; save it again with "
            "numpy.save"
        )
    descr = parts["descr"]
    if _OBJECTS.fullmatch(descr):
        raise FileFormatError(
            f"{subject}: holds Python objects, which are never loaded; save numbers"
        )
    dtype = _plain_dtype(descr)
    if dtype is None:
        raise FileFormatError(f"{subject}: holds values of type {brief(descr)}; save plain numbers")
    sizes = [size.strip() for size in parts["shape"].split(",")]
    if sizes[-1] == "":
        sizes.pop()
    if len(sizes) > MAX_AXES:
        raise FileFormatError(f"{subject}: {len(sizes)} axes; at most {MAX_AXES} are read")
    # Old Pythons wrote 3L for a long integer.
    return dtype, tuple(int(size.removesuffix("L")) for size in sizes), parts["order"] == "True"


def _plain_dtype(descr: str) -> np.dtype[Any] | None:
    """Return the type of numbers or text that `descr` names, None for any other or an empty one."""
    try:
        dtype = np.dtype(descr) if _NUMBERS.fullmatch(descr) else None
    except TypeError:  # such as f3
        return None
    return None if dtype is None or dtype.itemsize == 0 else dtype


def first_rows(shape: tuple[int, ...], limit: int | None) -> tuple[int, ...]:
    """Return the shape of the first `limit` rows; all if it is None."""
    return shape if limit is None or not shape else (min(shape[0], limit), *shape[1:])


def _whole_header(stream: IO[bytes], total: int, subject: str) -> Header:
    """Return the header of a file of `total` bytes, which must hold just its data."""
    header = parse_header(stream, subject)
    size, present = header.n_bytes, total - header.end
    if present != size:
        raise FileFormatError(
            f"{subject}: holds {present} bytes of data but its header says {size}; get it again"
        )
    return header


def _parse(stream: IO[bytes], total: int, subject: str, most: int, limit: int | None) -> Array:
    header = _whole_header(stream, total, subject)
    if not header.fortran:  # whose rows do not lie together
        header = replace(header, shape=first_rows(header.shape, limit))
    size = header.n_bytes
    if size > most:
        raise FileFormatError(
            f"{subject}: {size} bytes of data; at most {most} are read, give fewer"
        )
    memory.require(size, subject, "give fewer images (--limit)")
    if size == 0:
        return np.zeros(header.shape, header.dtype)
    flat = np.frombuffer(_exactly(stream, size), dtype=header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"cut off after {len(data)} of {size} bytes")
    return data
