"""Atomic writing: a reader sees a whole file or folder, or none."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ipvae_snn.storage.folders import appeared, put
from ipvae_snn.storage.folders import atomic_folder as atomic_folder  # re-exported
from ipvae_snn.storage.places import file_target, is_stream, own_stream
from ipvae_snn.storage.temporary import keep_owner_and_mode, temporary_file, temporary_folder, tidy


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place if the block succeeds.

    Links are followed: the file at their end is replaced, with its permissions and owner. The
    temporary file lies in the same folder, so the rename stays on one file system and is atomic. On
    any error (a full disk among them) it is removed and `path` is unchanged. Raises OutputError
    where `path` is a folder, a device, a pipe or write-protected.
    """
    path = Path(path)
    target = file_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    tidy(target.parent)
    try:
        with temporary_file(target.parent, target.name) as temporary:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            _take_place(temporary, target)
    except OSError as error:
        # A failed write() names no file; users know the target's name, not the temporary one's.
        error.filename = str(path)
        raise


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path in a temporary folder beside `path`, for a file that takes its place.

    Unlike `atomic_path` it replaces nothing: raises FileExistsError if something lies at `path` by
    the end of the block, and as `atomic_path` does.
    """
    path = Path(path)
    target = file_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    tidy(target.parent)
    try:
        with temporary_folder(target.parent, target.name) as folder:
            temporary = folder / target.name
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            _put(temporary, target)
    except OSError as error:
        error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all; to a device or a pipe as it is."""
    path = Path(path)
    if is_stream(path):
        try:
            _write_stream(path, text.encode())
        except OSError as error:
            error.filename = str(path)
            raise
        return
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_stream(path: Path, data: bytes) -> None:
    own = own_stream(path)
    if own is None:
        with path.open("wb") as handle:
            handle.write(data)
        return
    # Opening our own output again would begin at its start, over what was printed before.
    with os.fdopen(os.dup(own), "wb") as handle:
        handle.write(data)


def _put(temporary: Path, target: Path) -> None:
    """Give `temporary` the name `target`; raise FileExistsError if that name is taken."""
    try:
        os.link(temporary, target)  # in one step; `rename` would replace what is there
    except FileExistsError:
        raise appeared(target) from None
    except OSError:  # a file system without hard links
        put(temporary, target)


def _take_place(temporary: Path, target: Path) -> None:
    """Rename `temporary` to `target`; an existing file's permissions and owner are kept."""
    try:
        status = target.stat()
    except FileNotFoundError:
        temporary.replace(target)
        return
    keep_owner_and_mode(temporary, status)
    try:
        temporary.replace(target)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _copy_into(temporary, target)


def _copy_into(new: Path, target: Path) -> None:
    """Write the content of `new` into a file that is a mount itself, which nothing can replace."""
    with temporary_file(target.parent, target.name) as old:
        shutil.copyfile(target, old)
        try:
            shutil.copyfile(new, target)
        except BaseException:
            shutil.copyfile(old, target)
            raise
