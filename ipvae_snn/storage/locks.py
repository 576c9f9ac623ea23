"""Lock of a folder: one run writes there at a time."""

import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ipvae_snn.errors import OutputError
from ipvae_snn.storage.handle_locks import lock

LOCK: Final = ".ipvae-snn.lock"
HOLDER_BYTES: Final = 200


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, made if missing; the kernel frees it however this process ends.

    A folder that was made and is still empty is removed again. Raises OutputError, with the
    process id of the holder, if another run holds it.
    """
    made = _make(folder)
    path = folder / LOCK
    handle = _acquire(path)
    try:
        yield
    finally:
        # While it is held, so that nobody else's is removed. Windows keeps a file that is open.
        with suppress(PermissionError):
            path.unlink(missing_ok=True)
        os.close(handle)
        for one in made:
            with suppress(OSError):  # it holds files
                one.rmdir()


def require_free(folder: Path) -> None:
    """Raise OutputError if another run holds the lock of `folder`; changes nothing."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except OSError:
        return
    try:
        lock(handle, shared=True)
    except BlockingIOError:
        raise _held(folder / LOCK, handle) from None
    except OSError:
        return
    finally:
        os.close(handle)


def _make(folder: Path) -> list[Path]:
    """Make the folder and its parents; return those that were missing, the deepest first."""
    missing = []
    for one in (folder, *folder.parents):
        if one.exists():
            break
        missing.append(one)
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _acquire(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock(handle)
        except BlockingIOError:
            error = _held(path, handle)
            os.close(handle)
            raise error from None
        except OSError as error:
            warnings.warn(
                f"{path.parent}: this file system has no locks ({error.strerror}); do not write "
                "there from two runs at once",
                stacklevel=4,
            )
        if _is_at(handle, path):
            os.truncate(handle, 0)
            os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return handle
        os.close(handle)  # its holder removed it between our two calls


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _held(path: Path, handle: int) -> OutputError:
    holder = os.read(handle, HOLDER_BYTES).decode("utf-8", "replace").strip()
    return OutputError(
        f"{path.parent}: another run writes there ({holder or 'a process that just began'}); wait "
        "for it, or choose another folder"
    )
