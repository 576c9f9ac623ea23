"""Arrays of a foreign file by name, with checks of names, shapes and values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.choices import nearest
from ipvae_snn.errors import FileFormatError

LISTED: Final = 8  # names that a message lists at most


@dataclass(frozen=True)
class NamedArrays:
    """The arrays of the file at `path`."""

    path: Path
    arrays: Mapping[str, Array]

    def __contains__(self, name: str) -> bool:
        """Return whether there is an array `name`."""
        return name in self.arrays

    def array(self, name: str, shape: tuple[int | None, ...] | None = None) -> Float32:
        """Return one array in float32.

        shape: the lengths of its axes, None for any length; None for any shape. Raises
        FileFormatError if it is missing, of another shape, no numbers, or not finite.
        """
        if name not in self.arrays:
            raise FileFormatError(
                f"{self.path}: holds no {name}; it holds {listed(self.arrays)}; was another format "
                "meant?"
            )
        array = self.arrays[name]
        if array.dtype.kind not in "fiu":
            raise FileFormatError(
                f"{self.path}: {name} is of type {array.dtype}; real numbers are needed"
            )
        if shape is not None and not _fits(array.shape, shape):
            wanted = ", ".join("any" if length is None else str(length) for length in shape)
            raise FileFormatError(
                f"{self.path}: {name} has shape {array.shape}, but ({wanted}) is needed; the parts "
                "of the file do not belong together"
            )
        with np.errstate(over="ignore"):
            result = np.ascontiguousarray(array, dtype=np.float32)
        finite = np.isfinite(result)
        if not finite.all():
            raise FileFormatError(
                f"{self.path}: {name} holds {int(np.size(finite) - finite.sum())} values that are "
                "NaN, infinite or beyond single precision; train it again"
            )
        return result

    def vector(self, name: str, length: int) -> Float32:
        """Return an array (length,), stored as that or as (1, length)."""
        present = self.arrays.get(name)
        stored = (1, length) if present is not None and present.ndim == 2 else (length,)
        return self.array(name, stored).reshape(length)

    def scalar(self, name: str) -> float:
        """Return one number, stored as an array of one element of any shape."""
        array = self.array(name)
        if array.size != 1:
            raise FileFormatError(
                f"{self.path}: {name} has shape {array.shape}, but one number is needed; the parts "
                "of the file do not belong together"
            )
        return float(array.reshape(()))

    def require_known(self, names: Iterable[str]) -> None:
        """Raise FileFormatError for the first array that is not one of `names`."""
        known = list(names)
        for name in self.arrays:
            if name not in known:
                meant = nearest(name, known)
                hint = f"; did you mean {meant}?" if meant else ""
                raise FileFormatError(
                    f"{self.path}: holds {name[:80]!r}, which is not known in this format "
                    f"({', '.join(known)}){hint}; remove or rename it"
                )


def listed(names: Iterable[str]) -> str:
    """Return names for a message: the first ones, and the number of the others."""
    every = [repr(name[:80]) for name in names]
    others = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return ", ".join(every[:LISTED]) + others if every else "nothing"


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    pairs = zip(shape, wanted, strict=False)
    nothing = 0 in shape
    return len(shape) == len(wanted) and not nothing and all(w is None or s == w for s, w in pairs)
