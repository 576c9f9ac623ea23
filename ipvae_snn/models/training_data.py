"""Paths of the user's own training images, stored in a checkpoint and found again from there.

A checkpoint keeps the absolute path, and the path relative to its own folder: the first is right
while nothing moves, the second after the folder of both was moved or copied.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ipvae_snn.errors import DataError

ABSOLUTE: Final = "absolute"
RELATIVE: Final = "relative"


def locations(data: Path, checkpoint: Path) -> dict[str, str]:
    """Return the paths of `data` to store in the file `checkpoint`.

    On Windows there is no relative path to another drive; it is then left out.
    """
    absolute = data.absolute()
    try:
        relative = os.path.relpath(absolute, checkpoint.absolute().parent)
    except ValueError:
        return {ABSOLUTE: str(absolute)}
    return {ABSOLUTE: str(absolute), RELATIVE: Path(relative).as_posix()}


def candidates(stored: Mapping[str, Any], checkpoint: Path) -> tuple[str, ...]:
    """Return the absolute paths at which the images of `checkpoint` may be, the likeliest first."""
    result: list[str] = []
    if ABSOLUTE in stored:
        result.append(str(stored[ABSOLUTE]))
    if RELATIVE in stored:
        result.append(os.path.normpath(checkpoint.absolute().parent / str(stored[RELATIVE])))
    return tuple(dict.fromkeys(result))


def training_data(trained_on: str, data_paths: tuple[str, ...]) -> str:
    """Return the name or path from which a network's training images are loaded.

    trained_on: data set name, or the name of the user's own images, which are then looked for at
    `data_paths`. Raises DataError, with the places, if they are at none of them, or if nobody knows
    what the network was trained on.
    """
    if not data_paths:
        if trained_on:
            return trained_on
        raise DataError(
            "the network does not say on which images it was trained; name images like those with "
            "--calibrate (in Python: calibrate=)"
        )
    for path in data_paths:
        if Path(path).exists():
            return path
    raise DataError(
        f"the training images {trained_on} are not at {' nor at '.join(data_paths)}; name images "
        "like those with --calibrate (in Python: calibrate=)"
    )
