"""Strict readers of the files that a user gives: text, .npy and .npz; they need NumPy only.

No header is evaluated, nothing is unpickled, and nothing is allocated that the file does not hold.
An exported bundle contains a copy, so this module imports nothing of ipvae_snn; the toolkit reads
with the same rules (ipvae_snn/storage/array_reading.py).
"""

import json
import math
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MAX_TEXT = 1 << 24  # bytes of a text file
MAX_MESSAGE = 380  # characters
MAX_DIGITS = 400  # of a number in a text
MAX_HEADER = 10_000  # bytes, as in numpy
MAX_AXES = 32
MAX_INFLATION = 1032  # bytes that one byte of deflate can give
MAGIC = b"\x93NUMPY"
LENGTHS = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}  # format of the header's length
# What damaged files make numpy and the standard library raise.
MALFORMED = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,  # RecursionError; zipfile's for encrypted members and unknown compression
    MemoryError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
FIELD = (
    r"""\s*(?:['"]descr['"]\s*:\s*['"](?P<descr{n}>[^'"]{{1,16}})['"]"""
    r"""|['"]fortran_order['"]\s*:\s*(?P<order{n}>True|False)"""
    r"""|['"]shape['"]\s*:\s*\((?P<shape{n}>[0-9L,\s]*)\))\s*"""
)
HEADER = re.compile(
    r"\{" + ",".join(FIELD.format(n=n) for n in range(3)) + r"(?:,\s*)?\}\s*", re.ASCII
)
NUMBERS = re.compile(r"[<>|=]?(?:\?|[biufc]\d{1,2})", re.ASCII)


class InputError(Exception):
    """Unusable file or option; the message is one printable line with the reason."""

    def __init__(self, message: str) -> None:
        text = " ".join(message.split())
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
        if len(text) > MAX_MESSAGE:
            half = MAX_MESSAGE // 2 - 3
            text = f"{text[:half]} ... {text[-half:]}"
        super().__init__(text)


@dataclass(frozen=True)
class Header:
    """Declared contents of a .npy file; `end`: where its data begin."""

    dtype: "np.dtype[Any]"
    shape: tuple[int, ...]
    fortran: bool
    end: int

    @property
    def n_bytes(self) -> int:
        """Declared size of the data."""
        return math.prod(self.shape) * self.dtype.itemsize


def require_file(path: Path) -> int:
    """Return the size of a regular file; ValueError for a folder, a pipe or a device.

    Reading from a pipe without a writer would wait for ever. Raises OSError if it is missing.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a file but a folder, a pipe or a device")
    return status.st_size


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; ValueError for what a network's file never holds."""
    if require_file(path) > MAX_TEXT:
        raise ValueError(f"more than {MAX_TEXT} bytes")
    try:
        value = json.loads(
            path.read_text(encoding="utf-8"),
            parse_int=lambda digits: int(short(digits)),
            parse_float=lambda digits: float(short(digits)),
            parse_constant=refuse_constant,
        )
    except RecursionError as error:
        raise ValueError("values nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("no object of names")
    return value


def short(digits: str) -> str:
    """Return the digits of a number; ValueError if they are too many."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return digits


def refuse_constant(name: str) -> NoReturn:
    """Raise ValueError: NaN and Infinity are no JSON."""
    raise ValueError(f"{name} is no number")


def map_npy(path: Path) -> Array:
    """Return the array in a .npy file, memory-mapped; raises one of MALFORMED if it has none."""
    total = require_file(path)
    with path.open("rb") as stream:
        header = read_header(stream)
    require_size(header, total)
    if header.n_bytes == 0:
        return np.zeros(header.shape, header.dtype)
    order: Any = "F" if header.fortran else "C"
    return np.memmap(path, header.dtype, "r", header.end, header.shape, order)


def read_npz(path: Path) -> dict[str, Array]:
    """Return the arrays of a .npz file by name; raises one of MALFORMED if it is none."""
    total = require_file(path)
    arrays: dict[str, Array] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{info.filename!r} is compressed as numpy never does")
            if info.file_size > MAX_INFLATION * min(info.compress_size, total):
                raise ValueError(f"{info.filename!r} cannot hold {info.file_size} bytes")
            with archive.open(info) as member:
                arrays[removed_suffix(info.filename)] = read_member(member, info.file_size)
    return arrays


def removed_suffix(name: str) -> str:
    """Return an array's name from its member's."""
    return name[:-4] if name.endswith(".npy") else name


def read_member(stream: IO[bytes], total: int) -> Array:
    """Return the array of an archive's member of `total` bytes."""
    header = read_header(stream)
    require_size(header, total)
    if header.n_bytes == 0:
        return np.zeros(header.shape, header.dtype)
    flat = np.frombuffer(exactly(stream, header.n_bytes), dtype=header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def require_size(header: Header, total: int) -> None:
    """Raise ValueError unless a file of `total` bytes holds just what its header declares."""
    if total - header.end != header.n_bytes:
        raise ValueError(
            f"it holds {total - header.end} bytes of data, but its header says {header.n_bytes}"
        )


def read_header(stream: IO[bytes]) -> Header:
    """Return the header of a .npy stream of numbers; ValueError or EOFError if it has none."""
    begin = exactly(stream, len(MAGIC) + 2)
    form = LENGTHS.get((begin[-2], begin[-1]))
    if not begin.startswith(MAGIC) or form is None:
        raise ValueError("it does not begin as a .npy file")
    width = struct.calcsize(form)
    (length,) = struct.unpack(form, exactly(stream, width))
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length} bytes")
    encoding = "utf-8" if begin[-2] == 3 else "latin-1"
    match = HEADER.fullmatch(exactly(stream, length).decode(encoding))
    found = {} if match is None else match.groupdict()
    parts = {name[:-1]: value for name, value in found.items() if value is not None}
    if len(parts) != 3:
        raise ValueError("its header is not that of one plain array of numbers")
    if parts["descr"].strip("<>|=0123456789") == "O":
        raise ValueError("it holds Python objects, which are never loaded")
    if not NUMBERS.fullmatch(parts["descr"]):
        raise ValueError(f"it holds values of type {parts['descr']!r}, not numbers")
    sizes = [size.strip() for size in parts["shape"].split(",")]
    sizes = sizes[:-1] if sizes[-1] == "" else sizes
    if len(sizes) > MAX_AXES:
        raise ValueError(f"{len(sizes)} axes")
    shape = tuple(int(short(size.rstrip("L"))) for size in sizes)
    end = len(begin) + width + length
    return Header(np.dtype(parts["descr"]), shape, parts["order"] == "True", end)


def exactly(stream: IO[bytes], size: int) -> bytes:
    """Return the next `size` bytes; EOFError if there are fewer."""
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"it is cut off after {len(data)} of {size} bytes")
    return data


@contextmanager
def naming(subject: str, advice: str) -> Iterator[None]:
    """Turn what a damaged file raises in the block into InputError."""
    try:
        yield
    except InputError:
        raise
    except MALFORMED as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"{reason} is missing"
        raise InputError(f"{subject} ({reason}); {advice}") from error
