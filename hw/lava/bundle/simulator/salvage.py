"""Keep the results of the finished images of a failed run.

The run's files are memory-mapped by its processes, so they hold everything written, however the
processes ended. An exported bundle contains a copy, so this module imports only modules of the
bundle.
"""

import glob
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle_io import Network, write_result
from .ending import state_of
from .output import PARTIAL, has_arrays
from .results import collect, open_files

Array = npt.NDArray[Any]
FILES = "files"  # the recorder's folder, within the run's folder
REPORTS = "reports"  # the folder of the ProcessModels' error reports
STACKS = "stacks.log"  # in REPORTS: tracebacks of crashed and of stuck processes
FORKED = "multiprocessing/popen_fork.py"  # file of the frame in which a process was forked


def partial_path(out: Path) -> Path:
    """Return the file for the finished images of a failed run: result.partial.npz."""
    return out.parent / f"{out.stem}.partial.npz"


def crash(run: Path) -> str:
    """Return the traceback of a crashed process of the run, as an addition to a message."""
    try:
        trace = own_frames((run / REPORTS / STACKS).read_text(errors="replace"))
    except OSError:
        return ""
    return f"; its traceback follows\n{trace}" if trace else ""


def own_frames(stack: str) -> str:
    """Return faulthandler's text without the frames that a forked process has of its parent."""
    own, forked, _ = stack.partition(FORKED)
    if forked:
        return own.rpartition("\n")[0]
    return stack.partition("Extension modules")[0].rstrip()


def tidy(out: Path, writer: int) -> None:
    """Remove the unfinished files beside `out` of the process `writer`, and of ended ones."""
    out = Path(os.path.realpath(out))
    for path in out.parent.glob(f".{glob.escape(out.name)}.*.*"):
        number = path.name.removeprefix(f".{out.name}.").partition(".")[0]
        if number.isdecimal() and (int(number) == writer or state_of(int(number))[0] == ""):
            path.unlink(missing_ok=True)


def finished(run: Path, network: Network) -> tuple[int, int, dict[str, Array]]:
    """Return the number of finished images, of all images, and the result's arrays by name.

    run: the run's folder. Where the run had not started there are no images and no arrays.
    """
    files = open_files(run / FILES)
    if not {"progress", "counts_sum", "added"} <= files.keys():
        return 0, 0, {}
    done, total = int(files["progress"][0]), len(files["counts_sum"])
    return (done, total, collect(network, files, done)) if done else (0, total, {})


def keep(run: Path, network: Network, wanted: Path | None) -> str:
    """Write the finished images to the npz file `wanted`; return a message for the user, or "".

    The file is like a result's, plus an int `images_done`. Where it cannot be written, it is
    written to the folder for temporary files.
    """
    try:
        done, total, arrays = finished(run, network)
    except (OSError, ValueError, KeyError) as error:
        return f"its finished images cannot be read ({error})"
    if not done:
        older = wanted is not None and wanted.exists()
        return "no image was finished" + (f"; {wanted} is from an earlier run" if older else "")
    if wanted is None:
        return f"{done} of {total} images were finished"
    arrays["images_done"] = np.array(done)
    failures = ""
    spare = Path(tempfile.gettempdir(), f"ipvae-snn-{wanted.name}")
    foreign = wanted.exists() and not has_arrays(wanted, PARTIAL)
    for path in (spare,) if foreign else (wanted, spare):
        try:
            write_result(path, arrays, zipfile.ZIP_STORED)
        except OSError as error:
            failures += f"{path}: {error.strerror or error}; "
            continue
        return f"{failures}{done} of {total} images were finished and are kept in {path}"
    return f"{failures}{done} of {total} images were finished, and are lost"
