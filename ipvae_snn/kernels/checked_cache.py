"""Numba's cache of compiled code on disk, of which a damaged or foreign file is dropped.

Numba unpickles a cached file and links the machine code in it. So a file that is truncated or
altered ends the program, with a traceback or a crash, at every run. Here each file begins with the
SHA-256 of the rest and must belong to this user (or root). A function whose file does not pass is
compiled anew, and its file is replaced. A cache that cannot be written (read-only, full) costs
compilation at every start, and nothing else. Most of numba has no types, hence the comments for
the type checker.
"""

import contextlib
import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.runtime.nrt import rtsys

from ipvae_snn.watcher import current_watcher

RUNTIME: Final[Any] = rtsys  # has no types
POSIX: Final = hasattr(os, "geteuid")
DIGEST: Final = 32  # bytes of a SHA-256
SECONDS: Final = "10 to 40 s"  # all loops of a command, on a desktop's processor and on a busy one
COMPILING: Final = f"compiling the loops for this machine, once: about {SECONDS}"
COMPILING_ALWAYS: Final = (
    f"compiling the loops for this machine, at every start: about {SECONDS}; set NUMBA_CACHE_DIR "
    "to a folder of yours that can be written, to do it once"
)


def owned(status: os.stat_result) -> bool:
    """Return whether a file or folder is this user's or root's, and not writable by everyone.

    Systems without user numbers keep each user's cache in a folder of theirs.
    """
    if not POSIX:
        return True
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o002


class CheckedFile(IndexDataCacheFile):
    """Index and data files that begin with a checksum."""

    def _load_index(self) -> dict[Any, str]:
        """Return the names of data files by signature; empty if the index does not pass."""
        try:
            stream = io.BytesIO(read_checked(Path(self._index_path)))
            # The same two pickles as numba's own: its version, so that another's is not read on.
            if pickle.load(stream) != self._version:
                return {}
            stamp, names = pickle.load(stream)
            return dict(names) if stamp == self._source_stamp else {}
        except Exception:  # see CheckedCache.load_overload
            return {}

    def _load_data(self, name: str) -> Any:
        """Return a compiled function; OSError, a miss for the caller, if its file does not pass."""
        path = self._data_path(name)  # type: ignore[no-untyped-call]
        return pickle.loads(read_checked(Path(path)))

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[IO[bytes]]:
        content = io.BytesIO()
        yield content
        body = content.getvalue()
        with super()._open_for_write(filepath) as file:
            if POSIX:
                os.fchmod(file.fileno(), 0o600)  # under any umask: `owned` refuses other files
            file.write(hashlib.sha256(body).digest() + body)


class NoCache(NullCache):
    """Cache of a function where no folder can be written."""

    def load_overload(self, sig: Any, target_context: Any) -> None:
        """Return None: the function is to be compiled."""
        current_watcher().notice(COMPILING_ALWAYS)


class CheckedCache(FunctionCache):
    """Cache of one function; it never ends a program."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        self._cache_file = CheckedFile(  # type: ignore[no-untyped-call]
            self._cache_path,
            self._impl.filename_base,
            self._impl.locator.get_source_stamp(),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function, or None if it is to be compiled."""
        found = self._load(sig, target_context)
        if found is None:
            current_watcher().notice(COMPILING)
        return found

    def _load(self, sig: Any, target_context: Any) -> Any:
        try:
            # Not numba's own load_overload, which first registers all that may be compiled.
            RUNTIME.initialize(target_context)
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        # A whole file may still not fit: it was written beside another NumPy or llvmlite, whose
        # classes have changed. Unpickling may then raise anything; compiling is always right.
        except Exception:
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write the compiled function, if the folder can be written."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def read_checked(path: Path) -> bytes:
    """Return a file's content without its checksum.

    Raises OSError if it cannot be read, is another user's, or does not match its checksum.
    """
    with path.open("rb") as file:
        if not owned(os.fstat(file.fileno())):
            raise PermissionError(f"{path}: belongs to another user, or everyone may write to it")
        content = file.read()
    digest, body = content[:DIGEST], content[DIGEST:]
    if hashlib.sha256(body).digest() != digest:
        raise OSError(f"{path}: does not match its checksum")
    return body
