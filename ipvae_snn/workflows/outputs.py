"""Kinds of files that workflows write, and the check of all outputs before any work.

An existing file is replaced without a question only if it is of the kind that the workflow writes.
"""

import json
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from ipvae_snn.errors import FileFormatError, OutputError
from ipvae_snn.ir import files
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.report.picture_files import (
    PictureFolder,
    format_of,
    is_picture,
)
from ipvae_snn.storage.atomic import new_file
from ipvae_snn.storage.outputs import Kind, Output, check_folder, check_outputs
from ipvae_snn.storage.tensor_files import read_format
from ipvae_snn.watcher import partial_path

__all__ = [
    "BENCH",
    "COMPARISON",
    "CONVERSION",
    "ENERGY",
    "EVALUATION",
    "IMPORTED",
    "MAPPING",
    "MOVING",
    "NETWORK",
    "PICTURE",
    "PROBE",
    "RESULT",
    "check_folder",
    "check_outputs",
    "outputs",
    "picture_outputs",
    "remove_partial",
    "save_or_spare",
]

JSON_BYTES: Final = 1 << 28  # of a file that is read to find out what it is
TRACE_ARRAYS: Final = frozenset(("counts_sum", "state", "spikes_per_step", "reconstruction"))
PARTIAL_ARRAYS: Final = frozenset(("counts_sum", "images_done"))


def _is_network(path: Path) -> bool:
    try:
        return read_format(path) == files.FORMAT
    except FileFormatError:
        return False


def _is_imported(path: Path) -> bool:
    try:
        return bool(load_float_network(path).imported)
    except (FileFormatError, OSError):
        return False


def _has_arrays(names: frozenset[str], path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {f"{name}.npy" for name in names} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False


def _has_keys(names: frozenset[str], path: Path) -> bool:
    try:
        if path.stat().st_size > JSON_BYTES:
            return False
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and names <= value.keys()


def _json(command: str, *keys: str) -> Kind:
    """Return the kind of a command's JSON, which has these keys and others."""
    return Kind(
        f"a result of `ipvae-snn {command}`", partial(_has_keys, frozenset(keys)), text=True
    )


NETWORK: Final = Kind("an integer network", _is_network)
IMPORTED: Final = Kind("an imported checkpoint", _is_imported)
RESULT: Final = Kind("a result of `ipvae-snn run`", partial(_has_arrays, TRACE_ARRAYS))
PICTURE: Final = Kind("a picture of ipvae-snn", is_picture, image=True)
CONVERSION: Final = _json("convert", "circuit", "pixels_left_out", "bounds", "certificate")
EVALUATION: Final = _json("evaluate", "checkpoint_sha256", "trained_on", "readout")
MOVING: Final = _json("evaluate --frames", "checkpoint_sha256", "trained_on", "restarted")
COMPARISON: Final = _json("compare", "checkpoint_sha256", "network", "kl_form", "attribution")
ENERGY: Final = _json("energy", "activity", "neurobench", "estimates")
BENCH: Final = _json("bench", "rows", "energy_profile", "counts_equal")
PROBE: Final = _json("probe", "network", "kind", "stimuli", "left_out")
MAPPING: Final = _json("map", "network", "fits", "checks", "placement")


def outputs(*files: tuple[Path | None, Kind]) -> tuple[Output, ...]:
    """Return the outputs that have a path; ConfigError for a picture of an unknown suffix."""
    given = tuple(Output(path, kind) for path, kind in files if path is not None)
    for output in given:
        if output.kind is PICTURE:
            format_of(output.path)
    return given


def picture_outputs(folder: PictureFolder | None, names: Iterable[str]) -> tuple[Output, ...]:
    """Return the outputs of a folder of pictures; none without a folder."""
    return () if folder is None else tuple(Output(folder.file(name), PICTURE) for name in names)


def save_or_spare(path: Path, save: Callable[[Path], None], free: Collection[Path] = ()) -> None:
    """Write a result by `save(path)`; where that fails after the work, keep it elsewhere.

    free: paths where nothing lay (`check_outputs`), so that what lies there now is not replaced.
    Raises OutputError that names the file in the folder for temporary files, or the error of `save`
    if nothing can be written there either.
    """
    try:
        if path in free:
            with new_file(path) as temporary:
                save(temporary)
        else:
            save(path)
    except (OSError, OutputError) as error:
        folder = Path(tempfile.mkdtemp(prefix="ipvae-snn-"))
        try:
            save(folder / path.name)
        except OSError:
            folder.rmdir()
            raise error from None
        reason = str(error).removeprefix(f"{path}: ")
        reason = getattr(error, "strerror", None) or reason
        raise OutputError(
            f"{path}: {reason}; the result is kept in {folder / path.name}"
        ) from error


def remove_partial(out: Path) -> None:
    """Remove the finished images of an earlier run that failed, now that its result is whole."""
    path = partial_path(out)
    if _has_arrays(PARTIAL_ARRAYS, path):
        path.unlink(missing_ok=True)
