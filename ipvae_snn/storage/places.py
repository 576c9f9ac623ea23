"""Places for results: what lies at a path, and whether a result may be written there."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from ipvae_snn.errors import OutputError
from ipvae_snn.storage.temporary import temporary_file

# By the type of a file, what cannot be replaced by a regular file.
SPECIAL: Final = (
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)
NAME_BYTES: Final = 255  # of a file's name, on the usual file systems
STANDARD_STREAMS: Final = (1, 2)


def status_of(path: Path) -> os.stat_result | None:
    """Return the status of the file at the end of all links, None where there is none.

    Raises OutputError where the system cannot say, as for a loop of links or a name too long.
    """
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{path}: {_reason(error)}; choose another name") from error
    except ValueError as error:  # a NUL in the name
        raise OutputError(f"{str(path)!r}: {error}; choose another name") from error


def is_stream(path: Path) -> bool:
    """Return whether text is written straight to `path`: a device, a pipe, or our own output."""
    status = status_of(path)
    return status is not None and (
        stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode) or _own(status) is not None
    )


def own_stream(path: Path) -> int | None:
    """Return 1 or 2 if `path` is this process's own standard output or error, else None."""
    status = status_of(path)
    return None if status is None else _own(status)


def _own(status: os.stat_result) -> int | None:
    for number in STANDARD_STREAMS:
        try:
            if os.path.samestat(status, os.fstat(number)):
                return number
        except OSError:  # the stream is closed
            continue
    return None


def file_target(path: Path) -> Path:
    """Return the regular file to write for `path`: itself, or the end of its links.

    The file need not exist. Raises OutputError for folders, devices, pipes, sockets and files that
    are write-protected.
    """
    status = status_of(path)
    target = Path(os.path.realpath(path))
    if status is None:
        if path.name in ("", ".."):
            raise OutputError(f"{path}: is no name of a file; give one")
        return target
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{path}: is a folder; give the name of a file")
    for is_type, name in SPECIAL:
        if is_type(status.st_mode):
            raise OutputError(f"{path}: is {name}, which cannot hold this; give the name of a file")
    if _own(status) is not None:
        raise OutputError(f"{path}: is this command's own output; give the name of another file")
    # Root may write to every file, but the permission was taken away on purpose.
    if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
        mode = stat.S_IMODE(status.st_mode)
        raise OutputError(
            f"{path}: is write-protected (mode {mode:04o}); choose another name, or allow writing "
            "with chmod u+w"
        )
    return target


def try_to_write(path: Path) -> None:
    """Make and remove a file where the new file or folder `path` will lie; nothing else changes.

    Where the folder does not exist yet, the nearest one that does is tried. Raises OutputError.
    """
    folder = existing_parent(path)
    if not folder.is_dir():
        raise OutputError(f"{path}: {folder} is a file, not a folder; choose another name")
    for part in path.relative_to(folder).parts if path.is_relative_to(folder) else path.parts:
        if len(os.fsencode(part)) > NAME_BYTES:
            raise OutputError(
                f"{path}: a name of {len(os.fsencode(part))} bytes is longer than {NAME_BYTES}; "
                "choose a shorter one"
            )
    try:
        with temporary_file(folder, path.name):
            pass
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written in {folder} ({_reason(error)}); choose another place"
        ) from error


def existing_parent(path: Path) -> Path:
    """Return the nearest parent that exists."""
    parents = (path if path.is_absolute() else Path.cwd() / path).parents
    return next((one for one in parents if os.path.lexists(one)), Path(path.anchor))


def _reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "a link that leads back to itself"
    return error.strerror or str(error)
