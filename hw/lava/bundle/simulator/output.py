"""Result's file: whether it may be written, and what an existing one is.

An exported bundle contains a copy, so this module needs the standard library only.
"""

import os
import stat
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

RESULT = ("counts_sum.npy", "state.npy")  # in every result
PARTIAL = ("counts_sum.npy", "images_done.npy")  # in the finished images of a failed run


class OutputError(Exception):
    """A file that cannot be written, or would destroy another; the message is one line."""


def check_output(out: Path, inputs: Iterable[Path], overwrite: bool) -> None:
    """Raise OutputError if no result can be written to `out`, or it would destroy a file.

    inputs: what the run reads. overwrite: replace a file that is no result. Changes nothing.
    """
    if out.name in ("", ".."):
        raise OutputError(f"--out {str(out)!r}: give the name of a file")
    target = Path(os.path.realpath(out))
    if not target.parent.is_dir():
        raise OutputError(f"--out: there is no folder {target.parent}")
    if out.exists():
        _check_existing(out, inputs, overwrite)
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"--out: nothing can be written in {target.parent} ({error.strerror}); choose another"
        ) from error


def _check_existing(out: Path, inputs: Iterable[Path], overwrite: bool) -> None:
    mode = out.stat().st_mode
    if stat.S_ISDIR(mode):
        raise OutputError(f"--out {out}: is a folder; give the name of a file")
    if not stat.S_ISREG(mode):
        raise OutputError(f"--out {out}: is a device, a pipe or a socket; give the name of a file")
    if not mode & 0o222 or not os.access(out, os.W_OK):
        raise OutputError(f"--out {out}: is write-protected; choose another name")
    if any(each.exists() and each.samefile(out) for each in inputs):
        raise OutputError(f"--out {out}: is an input of this run; choose another name")
    if not overwrite and not has_arrays(out, RESULT):
        raise OutputError(
            f"--out {out}: exists and is no result of a run; choose another name, or replace it "
            "with --overwrite"
        )


def has_arrays(path: Path, names: tuple[str, ...]) -> bool:
    """Return whether `path` is an npz file with these entries."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(names) <= set(archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def remove_partial(path: Path) -> None:
    """Remove the finished images of an earlier run that failed, if `path` holds such."""
    if has_arrays(path, PARTIAL):
        path.unlink(missing_ok=True)


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`; an existing file keeps its permissions and owner."""
    try:
        status = path.stat()
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
    else:
        if os.geteuid() == 0:
            os.chown(temporary, status.st_uid, status.st_gid)
        temporary.chmod(stat.S_IMODE(status.st_mode))
    temporary.replace(path)
