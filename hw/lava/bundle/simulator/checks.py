"""Checks of single values and arrays; each raises ValueError in one line.

An exported bundle contains a copy, so this module needs NumPy only.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .files import Array

LIMIT = (1 << 23) - 1  # of accumulators, potentials and currents: symmetric signed 24 bits
SHORT = 40  # characters of a wrong value in a message


def require(holds: Any, message: str) -> None:
    """Raise ValueError with `message` unless the rule holds."""
    if not holds:
        raise ValueError(message)


def within(name: str, value: Any, least: float, most: float) -> None:
    """Raise ValueError unless `value` is in least..most; NaN is not."""
    require(least <= value <= most, f"{name} {value} is not in {least}..{most}")


def whole(value: Any, name: str) -> int:
    """Return a whole number; ValueError for all else, true and 1.0 too."""
    require(type(value) is int, f"{name} is {str(value)[:SHORT]!r}, not a whole number")
    return int(value)


def text(value: Any, name: str) -> str:
    """Return a text; ValueError for all else."""
    require(type(value) is str, f"{name} is {str(value)[:SHORT]!r}, not a text")
    return str(value)


def known(value: Any, names: Mapping[str, Any], what: str) -> str:
    """Return one of the names; ValueError for all else."""
    require(
        type(value) is str and value in names,
        f"{what} of kind {str(value)[:SHORT]!r} are not known here; known ones are "
        f"{', '.join(names)}",
    )
    return str(value)


def check_type(arrays: Mapping[str, Array], name: str, kind: str, shape: tuple[int, ...]) -> None:
    """Check an array's type and shape."""
    array = arrays[name]
    require(
        array.dtype == np.dtype(kind) and array.shape == shape,
        f"{name} is {array.dtype}{array.shape}, but {np.dtype(kind)}{shape} is needed",
    )


def check_range(name: str, array: Array, least: int, most: int) -> None:
    """Check the values of an array of integers."""
    within(name, int(array.min()), least, most)
    within(name, int(array.max()), least, most)
