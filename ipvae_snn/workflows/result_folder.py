"""Folder for the result of a large run: arrays that are filled in chunk by chunk, and its records.

run.json says what runs; the arrays are .npy files named as in a result file (`ir.trace.Trace`);
chunks.jsonl has a line with the figures of each chunk that lies whole in the arrays; figures.json
is written at the end. Since a line follows its chunk, a run that is killed at any time continues
after the chunks that have a line.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ipvae_snn.arrays import AnyArray
from ipvae_snn.errors import DataError, FileFormatError, OutputError
from ipvae_snn.ir.result_files import AXES
from ipvae_snn.storage import memory
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.storage.locks import LOCK, locked, require_free
from ipvae_snn.storage.outputs import check_folder
from ipvae_snn.storage.places import existing_parent
from ipvae_snn.storage.row_files import RowFile
from ipvae_snn.storage.source_files import MALFORMED, read_text, reason
from ipvae_snn.storage.temporary import is_temporary
from ipvae_snn.storage.text_values import parse_json_object
from ipvae_snn.workflows.run_figures import ChunkFigures

FORMAT: Final = "ipvae-snn/run"
VERSION: Final = 1
DESCRIPTION, RECORDS, FIGURES = "run.json", "chunks.jsonl", "figures.json"
FULL: Final = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
MAX_DESCRIPTION: Final = 1 << 20
MAX_RECORDS: Final = 1 << 31
# What differs between two runs, in words; the keys are those of run.json.
DIFFERENCES: Final[Mapping[str, str]] = {
    "network": "another network",
    "data": "other images",
}


@dataclass(frozen=True)
class ResultFolder:
    """A folder for the result of one run.

    description: what identifies the run (plain data). arrays: the files of its arrays, by name.
    """

    path: Path
    description: Mapping[str, Any]
    arrays: Mapping[str, RowFile]

    @property
    def n_bytes(self) -> int:
        """Bytes of the arrays."""
        return sum(one.n_bytes for one in self.arrays.values())

    @contextmanager
    def opened(self, resume: bool) -> Iterator[list[ChunkFigures]]:
        """Begin the run, or go on with it; yield the figures of the chunks that are done.

        Other runs cannot write there meanwhile. Raises FileFormatError if the folder holds a run
        and `resume` is False, or a damaged one, DataError if it is another run's, OutputError if
        the arrays do not fit on the disk.
        """
        with locked(self.path):
            going_on = resume and (self.path / DESCRIPTION).exists()
            if going_on:
                self._check_same()
                done = self._records()
            else:
                check_new(self.path, resume)
                done = []
            self._check_space()
            if not going_on:
                self._begin()
            yield done

    def keep(self, figures: ChunkFigures, arrays: Mapping[str, AnyArray]) -> None:
        """Write a chunk's arrays, and then its line; OutputError if the disk is full."""
        try:
            for name, array in arrays.items():
                self.arrays[name].write(figures.first, array)
            with (self.path / RECORDS).open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(figures.as_json()) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise _full(self.path, error) from error

    def discard(self) -> None:
        """Remove the run's files, of a run that kept nothing."""
        for name in (DESCRIPTION, RECORDS, *(one.path.name for one in self.arrays.values())):
            (self.path / name).unlink(missing_ok=True)

    def _begin(self) -> None:
        try:
            for one in self.arrays.values():
                one.create()
            (self.path / RECORDS).write_text("", encoding="utf-8")
            # Last: with it the folder holds a run.
            write_text(self.path / DESCRIPTION, json.dumps(dict(self.description), indent=2) + "\n")
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                raise OutputError(
                    f"{self.path}: no files of {memory.shown(self.n_bytes)} can be made there "
                    f"({error.strerror or error}); choose another disk"
                ) from error
            raise

    def _check_space(self) -> None:
        """Raise OutputError if what is still to be written does not fit on the disk."""
        needed = self.n_bytes - sum(
            one.allocated for one in self.arrays.values() if one.path.exists()
        )
        free = shutil.disk_usage(existing_parent(self.path / DESCRIPTION)).free
        if needed > free:
            trace = " without --trace, or" if "counts" in self.arrays else ""
            raise OutputError(
                f"{self.path}: the result takes {memory.shown(needed)} ({needed:,} bytes) of disk, "
                f"but {memory.shown(free)} is free there; run{trace} fewer images (--limit), or "
                "choose another disk"
            )

    def _check_same(self) -> None:
        """Raise DataError unless the folder's run is this one."""
        path = self.path / DESCRIPTION
        given = _read(path)
        mine = dict(self.description)
        if given.get("version") != VERSION:
            raise FileFormatError(
                f"{path}: version {given.get('version')!r} is not {VERSION}; start the run anew in "
                "another folder"
            )
        differing = [key for key in mine if given.get(key) != mine[key]]
        if differing:
            what = ", ".join(
                DIFFERENCES.get(key, f"{key} {given.get(key)!r}, not {mine[key]!r}")
                for key in differing
            )
            raise DataError(
                f"{self.path}: its run was started with {what}; give what it was started with "
                f"({DESCRIPTION} there has it), or choose another folder"
            )
        for one in self.arrays.values():
            one.check()

    def _records(self) -> list[ChunkFigures]:
        """Return the chunks that are done; a last line that was cut off is removed."""
        path = self.path / RECORDS
        whole, end, rest = read_text(path, MAX_RECORDS).rpartition("\n")
        if rest:
            write_text(path, whole + end)
        done: list[ChunkFigures] = []
        try:
            for line in whole.splitlines():
                done.append(ChunkFigures.from_json(parse_json_object(line)))
        except MALFORMED as error:
            raise FileFormatError(
                f"{path}: line {len(done) + 1} is no record of a chunk ({reason(error)}); start "
                "the run anew in another folder"
            ) from error
        missing(int(self.description["images"]), done, str(path))
        return done


def check_new(path: Path, resume: bool = False) -> None:
    """Raise FileFormatError or OutputError unless a run can start in the folder `path`."""
    if (path / DESCRIPTION).exists():
        _read(path / DESCRIPTION)
        raise FileFormatError(
            f"{path}: holds a run already; continue it with --resume, replace it with --overwrite, "
            "or choose another folder"
        )
    others = [one.name for one in path.iterdir() if not _is_own(one)] if path.exists() else []
    if others:
        hint = ", which is no run to resume" if resume else ""
        raise OutputError(
            f"{path}: holds {min(others)}{hint}; choose a new or an empty folder for the result"
        )


def check_place(path: Path, inputs: tuple[Any, ...], resume: bool, overwrite: bool) -> None:
    """Raise an error, before any work, if no result can be written to the folder `path`."""
    check_folder(path, inputs)
    require_free(path)
    if not resume and not (overwrite and (path / DESCRIPTION).exists()):
        check_new(path)


def clear(path: Path) -> None:
    """Remove the run in the folder `path`, if there is one, and nothing else."""
    if not (path / DESCRIPTION).exists():
        return
    _read(path / DESCRIPTION)
    with locked(path):
        # The description goes first: what is left by a kill is then no run to resume.
        arrays = (f"{name}.npy" for name in AXES)
        for name in (DESCRIPTION, RECORDS, FIGURES, *arrays):
            (path / name).unlink(missing_ok=True)


def missing(n: int, done: list[ChunkFigures], subject: str) -> list[tuple[int, int]]:
    """Return the ranges (first, last) of the n images that no chunk in `done` holds, in order.

    Raises FileFormatError, naming `subject`, for chunks that overlap or go beyond.
    """
    result, reached = [], 0
    for one in sorted(done, key=lambda chunk: chunk.first):
        if one.first < reached or one.images < 1 or one.first + one.images > n:
            raise FileFormatError(
                f"{subject}: images {one.first}..{one.first + one.images - 1} do not fit the "
                f"other chunks of {n} images; start the run anew in another folder"
            )
        if one.first > reached:
            result.append((reached, one.first))
        reached = one.first + one.images
    return [*result, (reached, n)] if reached < n else result


def _read(path: Path) -> dict[str, Any]:
    """Return what a run.json says; FileFormatError if it is none of ours."""
    try:
        given = parse_json_object(read_text(path, MAX_DESCRIPTION))
    except MALFORMED as error:
        raise FileFormatError(
            f"{path}: not readable ({reason(error)}); choose another folder"
        ) from error
    if given.get("format") != FORMAT:
        raise FileFormatError(f"{path}: not of a run of ipvae-snn; choose another folder")
    return given


def _is_own(path: Path) -> bool:
    return path.name == LOCK or is_temporary(path.name)


def _full(folder: Path, error: OSError) -> OutputError:
    """Return the error of a disk that cannot hold more; finished chunks stay."""
    room = error.errno in FULL
    advice = "free some space and continue" if room else "remove the cause and continue"
    return OutputError(f"{folder}: {error.strerror or error}; {advice} with --resume")
