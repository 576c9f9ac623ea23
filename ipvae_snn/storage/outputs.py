"""Outputs of a command: all are tried before any work is done."""

import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ipvae_snn.errors import OutputError, OutputWarning
from ipvae_snn.storage.places import file_target, is_stream, status_of, try_to_write


@dataclass(frozen=True)
class Kind:
    """A kind of file that a command writes.

    name: in a message, as "a result of `ipvae-snn run`". is_ours: whether an existing file is of
    this kind, so that it may be replaced. text: it may be written into a pipe or a device. image:
    it would be read as one of the images of a folder.
    """

    name: str
    is_ours: Callable[[Path], bool]
    text: bool = False
    image: bool = False


@dataclass(frozen=True)
class Output:
    """A file to write."""

    path: Path
    kind: Kind


def output_path(text: str | os.PathLike[str]) -> Path:
    """Return the path that a user wrote, with `~` and `~user` replaced by the home folder.

    Raises OutputError for an empty one, and for a user who is not known.
    """
    name = os.fspath(text)
    if not name:
        raise OutputError("an output has an empty name; give the name of a file or folder")
    try:
        # Not of ./~, for which a Path forgets the dot.
        return Path(name).expanduser() if name.startswith("~") else Path(name)
    except RuntimeError as error:
        raise OutputError(
            f"{name}: the home folder is not known; write ./~... for a name with a tilde"
        ) from error


def check_outputs(
    outputs: Iterable[Output], inputs: Iterable[Any] = (), overwrite: bool = False
) -> frozenset[Path]:
    """Raise OutputError for the first output that could not be written, or would destroy a file.

    inputs: what the command reads; paths among them are compared with the outputs, all else is
    ignored. overwrite: replace existing files of other kinds too. Nothing is changed. Returns the
    paths where nothing lies, for `atomic.new_file`: what lies there after the work is another's
    (none with `overwrite`). Warns (OutputWarning) of a file with several hard links.
    """
    free: list[Path] = []
    read = [Path(each) for each in inputs if isinstance(each, str | os.PathLike)]
    before: list[Path] = []
    for output in outputs:
        path = Path(output.path)
        if not (output.kind.text and is_stream(path)):
            target = file_target(path)
            _check_differs(path, target, read, before)
            if output.kind.image:
                _check_beside_images(path, target, read)
            _check_ours(output, target, overwrite)
            _warn_of_links(path)
            if not overwrite and not os.path.lexists(target):
                free.append(path)
            try_to_write(target if os.path.lexists(path) else path)
            before.append(target)
    return frozenset(free)


def check_folder(folder: Path, inputs: Iterable[Any] = ()) -> None:
    """Raise OutputError if a folder could not be written at `folder`, or holds an input."""
    target = Path(os.path.realpath(folder))
    status = status_of(folder)
    if status is None:
        try_to_write(folder)
        return
    if not target.is_dir():
        raise OutputError(f"{folder}: is a file, not a folder; choose another name")
    for each in inputs:
        if isinstance(each, str | os.PathLike) and Path(os.path.realpath(each)).is_relative_to(
            target
        ):
            raise OutputError(
                f"{folder}: holds {os.fspath(each)}, an input of this command; choose another name"
            )
    try_to_write(target / "file")


def _check_differs(path: Path, target: Path, read: list[Path], before: list[Path]) -> None:
    """Raise OutputError if an output is an input, another output, or within or around one."""
    status = status_of(path)
    if status is not None:
        for one in read:
            source = _status_or_none(one)
            if source is not None and os.path.samestat(source, status):
                raise OutputError(f"{path}: is an input of this command; choose another name")
    for other in before:
        if target.is_relative_to(other) or other.is_relative_to(target):
            raise OutputError(f"{path}: two outputs have this name; give each its own")


def _check_beside_images(path: Path, target: Path, read: list[Path]) -> None:
    for folder in read:
        if folder.is_dir() and target.parent == Path(os.path.realpath(folder)):
            raise OutputError(
                f"{path}: would be one of the images in {folder}, an input of this command; choose "
                "another folder"
            )


def _status_or_none(path: Path) -> os.stat_result | None:
    """Return the status of an input's file; None where the input is no file, but a name."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _warn_of_links(path: Path) -> None:
    """Warn of a file with several hard links: a file that is replaced whole leaves them behind."""
    status = status_of(path)
    if status is not None and status.st_nlink > 1:
        warnings.warn(
            f"{path}: has {status.st_nlink} hard links; this one is replaced, and the others keep "
            "the old content",
            OutputWarning,
            stacklevel=4,
        )


def _check_ours(output: Output, target: Path, overwrite: bool) -> None:
    if overwrite or not target.exists() or output.kind.is_ours(target):
        return
    raise OutputError(
        f"{output.path}: exists and is not {output.kind.name}; choose another name, or replace it "
        "with --overwrite"
    )
