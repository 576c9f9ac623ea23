"""Temporary files and folders beside a target; those of dead runs are found and removed.

A name tells whose it is: `.NAME.ipvae-PID-HOST-RANDOM`. As long as its maker lives, the file or
folder is locked, so a run in another container that shares the folder is not taken for dead.
"""

import hashlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ipvae_snn.storage.handle_locks import POSIX, lock

NAME_BYTES: Final = 100  # at most kept of the target's name; a name may have 255 bytes in all
SUFFIX_BYTES: Final = 20
OLD: Final = "old"  # kind of a folder that holds what is being replaced
PATTERN: Final = re.compile(
    r"\.(?:.*\.)?ipvae-(?P<pid>\d{1,10})-(?P<host>[0-9a-f]{8})-[0-9a-f]{8}(?:-(?P<kind>old))?(?:\..*)?",
    re.DOTALL,
)


def is_temporary(name: str) -> bool:
    """Return whether a file or folder of this name is temporary, of any run."""
    return PATTERN.fullmatch(name) is not None


@contextmanager
def temporary_file(folder: Path, name: str, mode: int = 0o666) -> Iterator[Path]:
    """Yield an empty new file in `folder` with the suffix of `name`; remove it if it is left.

    A suffix of more than 20 bytes is left out. mode: permissions, of which the umask is taken away.
    """
    suffix = Path(name).suffix
    path = folder / _new_name(name, suffix if len(os.fsencode(suffix)) <= SUFFIX_BYTES else "")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    with _locked(path, flags, mode):
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def temporary_folder(folder: Path, name: str) -> Iterator[Path]:
    """Yield an empty new folder in `folder`; remove what is left of it."""
    with _new_folder(folder / _new_name(name, "")) as path:
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def moved_away(folder: Path, name: str) -> Iterator[Path]:
    """Yield an empty new folder in `folder` for what is being replaced there.

    After the block it is removed with its content. After an error, or by `tidy` if this process is
    killed, the content goes back to `folder`, except where something has taken its place.
    """
    with _new_folder(folder / _new_name(name, f"-{OLD}")) as path:
        try:
            yield path
        except BaseException:
            put_back(path)
            with suppress(OSError):  # what could not go back stays here
                path.rmdir()
            raise
        shutil.rmtree(path, ignore_errors=True)


def keep_owner_and_mode(path: Path, status: os.stat_result) -> None:
    """Give `path` the owner, if this process may, and the permissions of what it replaces."""
    if POSIX and (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):  # only root may give files away
            os.chown(path, status.st_uid, status.st_gid)
    path.chmod(status.st_mode & 0o7777)


def tidy(folder: Path) -> None:
    """Remove what dead runs left in `folder`; put back what they had moved away and not replaced.

    What cannot be read or removed is left there.
    """
    try:
        with os.scandir(folder) as entries:
            matches = [(Path(entry.path), PATTERN.fullmatch(entry.name)) for entry in entries]
    except OSError:
        return
    for path, match in matches:
        if match is not None and _is_dead(path, int(match["pid"]), match["host"]):
            if match["kind"] == OLD:
                put_back(path)
            _remove(path)


def put_back(old: Path) -> None:
    """Move the content of a folder of the kind OLD to its parent, where nothing took its place."""
    with suppress(OSError):
        for path in old.iterdir():
            place = old.parent / path.name
            if not os.path.lexists(place):
                path.rename(place)


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    path.mkdir()
    with _locked(path, os.O_RDONLY):
        yield path


def _new_name(name: str, end: str) -> str:
    kept = os.fsencode(name)[:NAME_BYTES].decode("utf-8", "ignore")
    return f".{kept}.ipvae-{os.getpid()}-{_host()}-{secrets.token_hex(4)}{end}"


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode("utf-8", "replace")).hexdigest()[:8]


@contextmanager
def _locked(path: Path, flags: int, mode: int = 0o777) -> Iterator[None]:
    """Open a file or folder and hold its lock in the block.

    Not on Windows, which opens no folders and renames no open file.
    """
    if not POSIX:
        if flags & os.O_CREAT:
            os.close(os.open(path, flags, mode))
        yield
        return
    handle = os.open(path, flags, mode)
    try:
        # Where the file system has no locks, the process id in the name still counts.
        with suppress(OSError):
            lock(handle)
        yield
    finally:
        os.close(handle)


def _is_dead(path: Path, pid: int, host: str) -> bool:
    """Return whether the maker has surely ended: its process is gone, and its lock is free.

    Without locks nobody knows: the processes of another machine may write here.
    """
    if not POSIX:
        return False
    here = host == _host()
    if here and is_running(pid):
        return False
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        lock(handle)
    except BlockingIOError:
        return False
    except OSError:
        return here
    finally:
        os.close(handle)
    return True


def is_running(pid: int) -> bool:
    """Return whether there is a process with this id on this machine."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        path.unlink()
