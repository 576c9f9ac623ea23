"""Folders of pictures: files in order, labels from sub-folders or from labels.csv."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ipvae_snn.data import pictures, videos
from ipvae_snn.errors import DataError

LABELS_FILE: Final = "labels.csv"
READABLE: Final = pictures.SUFFIXES | videos.SUFFIXES
# Files that file managers and archives leave in folders.
_LITTER: Final = frozenset({"thumbs.db", "desktop.ini", "__macosx"})
_SHOWN: Final = 3


class Listing(NamedTuple):
    """Files of a folder in order, their labels or None, and remarks for the user."""

    files: tuple[Path, ...]
    labels: tuple[int, ...] | None
    remarks: tuple[str, ...] = ()


def listing(folder: Path) -> Listing:
    """Return the pictures and videos in `folder`, in the order of their names.

    Where all of them lie in sub-folders, each sub-folder (with those in it) is a class, numbered in
    the order of the names. A file labels.csv of lines "file name,label" gives labels instead.
    Hidden files are left out, and links to folders around this one; other files that are no
    pictures are named in the remarks. Raises DataError if there is no picture, if some lie beside
    sub-folders with more, if a folder or a picture's link leads nowhere or cannot be read, or for a
    label file that does not fit.
    """
    visible = [path for path in _inside(folder) if not _is_hidden(path.name)]
    here = [path for path in visible if not path.is_dir()]
    files = [path for path in here if _is_readable(path)]
    inside = {
        path.name: _all_below(path)
        for path in visible
        if path.is_dir() and not folder.resolve().is_relative_to(path.resolve())
    }
    below = {name: [p for p in paths if _is_readable(p)] for name, paths in inside.items()}
    classes = {name: paths for name, paths in below.items() if paths}
    if files and classes:
        raise DataError(
            f"{folder}: holds {len(files)} pictures and also folders with pictures "
            f"({_some(list(classes))}); keep all in the folder itself or all in sub-folders"
        )
    files = files or [path for paths in classes.values() for path in paths]
    if not files:
        raise DataError(f"{folder}: holds no image file ({', '.join(sorted(READABLE))})")
    _check_files(files)
    everything = [*here, *(path for paths in inside.values() for path in paths)]
    labels: tuple[int, ...] | None
    table = folder / LABELS_FILE
    remarks = _left_out([p for p in everything if not _is_readable(p) and p != table])
    if table.is_file():
        labels, names = _read_labels(table, folder, files)
    else:
        numbers = [index for index, paths in enumerate(classes.values()) for _ in paths]
        # One sub-folder says nothing about classes.
        names = list(classes) if len(classes) > 1 else []
        labels = tuple(numbers) if names else None
    if names:
        remarks = (*remarks, "labels: " + _some([f"{i} {n}" for i, n in enumerate(names)], 20))
    return Listing(tuple(files), labels, remarks)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LITTER


def _is_readable(path: Path) -> bool:
    return path.suffix.lower() in READABLE


def _inside(folder: Path) -> list[Path]:
    """Return what lies in `folder`, in order; DataError if it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> DataError:
    return DataError(
        f"{error.filename}: cannot be read ({error.strerror}); allow it, or remove the folder"
    )


def _check_files(paths: Sequence[Path]) -> None:
    """Raise DataError for a picture that is no file; reading a pipe would wait for ever."""
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"{path}: no file, but a link that leads nowhere, a pipe or a device; remove it"
            )


def _all_below(folder: Path) -> list[Path]:
    """Return all visible files under `folder` in order; links to folders are not followed.

    Raises DataError for a folder that cannot be read.
    """

    def fail(error: OSError) -> None:
        raise _unreadable(error) from error

    result: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        result.extend(Path(place, name) for name in sorted(names) if not _is_hidden(name))
    return result


def _left_out(others: Sequence[Path]) -> tuple[str, ...]:
    names = [path.name for path in others]
    return (f"left out, no pictures: {_some(names)}",) if names else ()


def _some(names: Sequence[str], shown: int = _SHOWN) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def _read_labels(
    table: Path, folder: Path, files: Sequence[Path]
) -> tuple[tuple[int, ...], list[str]]:
    """Return each file's label, and the names of the classes where labels are not numbers."""
    given = _label_rows(table, {path.relative_to(folder).as_posix() for path in files})
    missing = [name for path in files if (name := path.relative_to(folder).as_posix()) not in given]
    if missing:
        raise DataError(f"{table}: has no label for {_some(missing)}; add a line for each")
    words = [given[path.relative_to(folder).as_posix()] for path in files]
    if all(word.lstrip("-").isascii() and word.lstrip("-").isdigit() for word in words):
        numbers = tuple(int(word[:20]) for word in words)
        if max(map(abs, numbers)) >= 1 << 62:
            raise DataError(f"{table}: a label is as large as {max(numbers, key=abs)}; number them")
        return numbers, []
    names = sorted(set(words))
    number = {name: index for index, name in enumerate(names)}
    return tuple(number[word] for word in words), names


def _label_rows(table: Path, known: set[str]) -> dict[str, str]:
    """Return label by file name; the first line may be a heading."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(number, row) for number, row in enumerate(csv.reader(stream), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a readable CSV file ({error}); save it as UTF-8") from error
    result: dict[str, str] = {}
    for place, (number, row) in enumerate(rows):
        name, label = (row[0].strip(), row[1].strip()) if len(row) > 1 else (row[0].strip(), "")
        if name not in known:
            if place == 0:
                continue  # the heading
            raise DataError(
                f"{table}, line {number}: there is no picture {name[:60]!r} in {table.parent}; "
                "correct the name or remove the line"
            )
        if not label:
            raise DataError(
                f"{table}, line {number}: no label; write the file name, a comma and the label"
            )
        if result.setdefault(name, label) != label:
            raise DataError(
                f"{table}, line {number}: {name[:60]!r} has a second label; keep one of them"
            )
    return result
