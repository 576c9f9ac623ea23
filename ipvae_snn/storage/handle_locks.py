"""Locks of open files, which the system frees however their holder ends; POSIX and Windows.

No library: those that are well kept lock a file by its path, and make it; here files and folders
that exist are locked, and renamed while they are.
"""

import errno
import importlib.util
import os
import time
from typing import Any, Final

POSIX: Final = importlib.util.find_spec("fcntl") is not None
WINDOWS_OFFSET: Final = 1 << 30  # Windows forbids others to read what is locked: a byte far behind
HELD: Final = (errno.EACCES, errno.EDEADLK)  # of a byte that another process has locked
POLL_S: Final = 0.2


def lock(handle: int, *, shared: bool = False, wait: bool = False) -> None:
    """Lock an open file, until it is closed.

    shared: others may hold a shared lock too. wait: for the present holder. Raises BlockingIOError
    if another holds it, another OSError if the file system has no locks.
    """
    if POSIX:
        import fcntl  # not on Windows

        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
        return
    while True:
        try:
            _lock_byte(handle)
            return
        except BlockingIOError:
            if not wait:
                raise
            time.sleep(POLL_S)


def _lock_byte(handle: int) -> None:
    """Lock a byte as Windows does; there are no shared locks of files in its C library."""
    # By its name, since type checkers know it on Windows only.
    windows: Any = importlib.import_module("msvcrt")
    place = os.lseek(handle, 0, os.SEEK_CUR)
    os.lseek(handle, WINDOWS_OFFSET, os.SEEK_SET)
    try:
        windows.locking(handle, windows.LK_NBLCK, 1)
    except OSError as error:
        if error.errno in HELD:
            raise BlockingIOError(errno.EAGAIN, "locked by another process") from error
        raise
    finally:
        os.lseek(handle, place, os.SEEK_SET)
