"""Open files that users name: regular files only, so that a pipe or a device cannot block."""

import os
import stat
from pathlib import Path
from typing import IO, Final

from ipvae_snn.errors import FileFormatError, shortened

# What readers of Python's libraries, and our own, raise on values that a file must not hold.
MALFORMED: Final = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)
MAX_REASON: Final = 160  # characters of a library's message within ours
_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_regular(path: Path) -> IO[bytes]:
    """Open the regular file at `path`, or that a link there leads to, for reading.

    Raises FileFormatError for a folder, pipe, socket or device, OSError for a file that is missing
    or may not be read.
    """
    _check(path, Path(path).stat().st_mode)
    # Not blocking: what a name leads to may change between the two calls.
    handle = os.open(path, os.O_RDONLY | _NONBLOCK)
    stream = os.fdopen(handle, "rb")
    try:
        _check(path, os.fstat(handle).st_mode)
    except FileFormatError:
        stream.close()
        raise
    return stream


def size_of(stream: IO[bytes]) -> int:
    """Return the size in bytes of an open file."""
    return os.fstat(stream.fileno()).st_size


def require_regular(path: Path) -> None:
    """Raise FileFormatError unless `path` is a regular file, or a link to one."""
    try:
        _check(path, Path(path).stat().st_mode)
    except FileNotFoundError as error:
        raise FileFormatError(
            f"{path}: no such file; check the path, or create it first"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise _unreadable(path, error) from error


def read_text(path: Path, most: int) -> str:
    """Return the UTF-8 text of the regular file at `path`.

    Raises FileFormatError if it is missing, unreadable, no regular file, not UTF-8, or longer than
    `most` bytes.
    """
    require_regular(path)
    try:
        with open_regular(path) as stream:
            data = stream.read(most + 1)
        if len(data) > most:
            raise FileFormatError(
                f"{path}: more than {most} bytes, the largest such file that is read; check the "
                "path"
            )
        return data.decode("utf-8")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def reason(error: BaseException) -> str:
    """Return what a message says of an error of MALFORMED: its text, shortened."""
    text = shortened(" ".join(str(error).split()), MAX_REASON) or type(error).__name__
    return f"{text} is missing" if isinstance(error, KeyError) else text


def _check(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise FileFormatError(f"{path}: a folder, not a file; give a file")
    if not stat.S_ISREG(mode):
        raise FileFormatError(f"{path}: a pipe or a device, not a file; save it as a file first")


def _unreadable(path: Path, error: Exception) -> FileFormatError:
    reason = getattr(error, "strerror", None) or error
    return FileFormatError(f"{path}: cannot be read ({reason}); check the path")
