"""Atomic replacement of folders: old or new, never neither."""

import ctypes
import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from ipvae_snn.errors import OutputError
from ipvae_snn.storage.handle_locks import POSIX
from ipvae_snn.storage.places import status_of
from ipvae_snn.storage.temporary import (
    is_temporary,
    keep_owner_and_mode,
    moved_away,
    temporary_folder,
    tidy,
)

AT_FDCWD: Final = -100
RENAME_NOREPLACE: Final = 1
RENAME_EXCHANGE: Final = 2
# The system, or this file system, has no such flag.
NO_FLAG: Final = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)
SYSTEM_ENTRIES: Final = frozenset(("lost+found",))  # of the root of a file system
APPEARED: Final = "another program wrote there meanwhile, and that stays"
MOUNTS: Final = Path("/proc/self/mountinfo")


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder that takes the place of `path` if the block succeeds.

    An existing folder at `path`, or at the end of its links, is exchanged for it in one step where
    the system can do that, else by two renames that are undone on an error; its permissions are
    kept. Of a folder that cannot be renamed (the working folder, a mount, one in a folder that is
    write-protected) the entries are exchanged one by one, which is undone on an error. On any error
    `path` is unchanged. Raises OutputError where `path` is a file, and FileExistsError where
    nothing lay at the beginning and something does at the end.
    """
    path = Path(path)
    status = status_of(path)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{path}: is a file, not a folder; choose another name")
    target = Path(os.path.realpath(path))
    fixed = status is not None and is_fixed(target)
    beside = target if fixed else target.parent
    beside.mkdir(parents=True, exist_ok=True)
    tidy(beside)
    try:
        with temporary_folder(beside, target.name) as temporary:
            new = temporary / "new"
            new.mkdir()
            yield new
            if status is not None:
                keep_owner_and_mode(new, status)
                replace = _replace_entries if fixed else _replace
                replace(new, target)
            else:
                put(new, target)
    except OSError as error:
        # A failed write() names no file; users know the target's name, not the temporary one's.
        error.filename = _named(error, path, beside)
        raise


def is_fixed(folder: Path) -> bool:
    """Return whether the existing `folder` cannot be replaced as a whole.

    True for the working folder and those that contain it, mounts, and folders whose parent is
    write-protected.
    """
    folder = Path(os.path.realpath(folder))
    return (
        Path(os.path.realpath(".")).is_relative_to(folder)
        or folder.is_mount()
        or str(folder) in _mounts()
        or not os.access(folder.parent, os.W_OK | os.X_OK)
    )


def exchange(first: Path, second: Path) -> bool:
    """Exchange two files or folders in one step; return False where that cannot be done."""
    return _rename(first, second, RENAME_EXCHANGE)


def rename_new(path: Path, new: Path) -> bool:
    """Rename a file or folder in one step; return False where that cannot be done.

    Raises FileExistsError if something lies at `new`.
    """
    return _rename(path, new, RENAME_NOREPLACE)


def _rename(first: Path, second: Path, flag: int) -> bool:
    """Call renameat2 with one flag; return False where the system or file system has it not."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if POSIX else None
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if rename(AT_FDCWD, names[0], AT_FDCWD, names[1], flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in NO_FLAG:
        return False
    raise OSError(number, os.strerror(number), str(second))


def put(new: Path, target: Path) -> None:
    """Rename a file or folder to `target`, where nothing lay; FileExistsError for what does now."""
    try:
        if rename_new(new, target):
            return
    except FileExistsError:
        raise appeared(target) from None
    if os.path.lexists(target):
        raise appeared(target)
    new.rename(target)


def appeared(path: Path) -> FileExistsError:
    """Return the error for what lies at `path` now, where nothing lay before the work."""
    return FileExistsError(errno.EEXIST, APPEARED, str(path))


def _replace(new: Path, target: Path) -> None:
    """Put the folder `new` in the place of the folder `target`."""
    if not exchange(new, target):
        with moved_away(target.parent, target.name) as old:
            target.rename(old / target.name)
            new.rename(target)


def _replace_entries(new: Path, target: Path) -> None:
    """Put the entries of `new` in the place of those of `target`, one by one; undo it on an error.

    At any time, each name in `target` holds its old file or its new one.
    """
    undo: list[Callable[[], object]] = []
    with moved_away(target, target.name) as old:
        try:
            entries = list(new.iterdir())
            for entry in entries:
                place = target / entry.name
                if os.path.lexists(place):
                    if exchange(entry, place):
                        undo.append(partial(exchange, entry, place))
                        continue
                    _move(place, old / entry.name, undo)
                _move(entry, place, undo)
            for path in _stale(target, {entry.name for entry in entries}):
                _move(path, old / path.name, undo)
        except BaseException:
            for step in reversed(undo):
                with suppress(OSError):
                    step()
            raise


def _move(source: Path, place: Path, undo: list[Callable[[], object]]) -> None:
    source.rename(place)
    undo.append(partial(place.rename, source))


def _stale(target: Path, new: set[str]) -> list[Path]:
    """Return the entries of `target` that a replacement by those called `new` removes."""
    return [path for path in target.iterdir() if path.name not in new and not is_kept(path.name)]


def is_kept(name: str) -> bool:
    """Return whether an entry of this name is left alone when its folder's entries are replaced."""
    return name in SYSTEM_ENTRIES or is_temporary(name)


def _mounts() -> frozenset[str]:
    """Return the places where file systems are mounted; folders of the same system among them."""
    with suppress(OSError):
        lines = MOUNTS.read_bytes().splitlines()
        fields = (line.split(b" ")[4] for line in lines)
        octal = re.compile(rb"\\([0-7]{3})")
        return frozenset(
            os.fsdecode(octal.sub(lambda one: bytes([int(one[1], 8)]), field)) for field in fields
        )
    return frozenset()


def _named(error: OSError, path: Path, beside: Path) -> str:
    """Return the file of an error, in the folder that the user named."""
    if error.filename is None:
        return str(path)
    name = Path(os.fsdecode(error.filename))
    if not name.is_relative_to(beside):
        return str(name)
    first, *rest = name.relative_to(beside).parts or ("",)
    return str(path.joinpath(*rest[1:])) if is_temporary(first) else str(name)
