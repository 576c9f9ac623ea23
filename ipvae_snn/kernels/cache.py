"""Folder of compiled code that processes share, named after the state of its sources.

Numba recompiles a function when its own file changes, but not when another file changes from which
it takes functions or constants. One folder per state of all sources corrects this.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from numba.core import config

from ipvae_snn.kernels.checked_cache import POSIX, owned

NUMBA: Final[Any] = config  # it defines its settings at import, which mypy does not see
KERNELS: Final = Path(__file__).parent
# Compiled code contains functions of the first and constants of the second, and nothing else.
SOURCES: Final = (KERNELS, KERNELS.parent / "ir")


def source_hash() -> str:
    """Return a name for the state of all sources of compiled code."""
    digest = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted(folder.glob("*.py")):
            digest.update(f"{folder.name}/{path.name}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Return the folder for compiled code of the present sources, or None if none can be written.

    It is in $NUMBA_CACHE_DIR if that is set, else beside the sources, else in the user's cache
    folder, else in a folder of the user's among temporary files, which lasts until these are
    removed. A folder of another user is not taken. When it is created, folders of earlier sources
    of this installation are removed.
    """
    name = f"numba-{source_hash()}"
    for parent in _parents():
        folder = parent / name
        try:
            new = not folder.is_dir()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            if not owned(folder.stat()):  # another user's code would run as this one
                continue
        except OSError:
            continue
        for earlier in parent.glob("numba-*") if new else ():
            if earlier != folder:
                shutil.rmtree(earlier, ignore_errors=True)
        return folder
    return None


def _parents() -> Iterator[Path]:
    """Yield parents of the folder; in shared places this installation has its own."""
    place = hashlib.sha256(str(KERNELS).encode()).hexdigest()[:16]
    if NUMBA.CACHE_DIR:
        yield Path(NUMBA.CACHE_DIR) / f"ipvae-snn-{place}"
    yield KERNELS / "__pycache__"
    # Imported here, since few installations need it.
    import platformdirs

    yield platformdirs.user_cache_path("ipvae-snn") / "compiled" / place
    with suppress(OSError):
        own = _own_temporary_folder()
        if own is not None:
            yield own / place


def _own_temporary_folder() -> Path | None:
    """Return this user's folder among temporary files; None if it is another's, who made it first.

    Raises OSError if it cannot be made.
    """
    user = os.geteuid() if POSIX else "user"
    folder = Path(tempfile.gettempdir()) / f"ipvae-snn-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder if owned(folder.lstat()) and not folder.is_symlink() else None
