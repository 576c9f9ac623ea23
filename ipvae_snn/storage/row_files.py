"""Arrays of a known number of rows as .npy files that are filled in part by part.

A file has its full size from the start (the file system stores no zeros), so that parts may come
in any order. Rows are written through the file, not through a map of it: what is mapped counts as
memory of the process.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.errors import FileFormatError
from ipvae_snn.storage.array_reading import read_npy


@dataclass(frozen=True)
class RowFile:
    """A .npy file at `path` of an array (N, ...) in C order."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def header(self) -> bytes:
        """The bytes before the data, as numpy.save writes them."""
        stream = BytesIO()
        description = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": self.shape,
        }
        np.lib.format.write_array_header_1_0(stream, description)
        return stream.getvalue()

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.shape[0] * self.row_bytes

    def create(self) -> None:
        """Make the file, of zeros; FileExistsError if something lies there."""
        with self.path.open("xb") as stream:
            stream.write(self.header)
            stream.truncate(self.n_bytes)

    def check(self) -> None:
        """Raise FileFormatError unless the file has this shape and type."""
        array = read_npy(self.path)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise FileFormatError(
                f"{self.path}: holds {array.dtype}{array.shape}, but the run wrote "
                f"{self.dtype}{self.shape}; start it anew in another folder"
            )

    def write(self, first: int, rows: Array) -> None:
        """Write rows (n, ...) from row `first` on, to the disk itself.

        Raises ValueError for rows of another shape or type, or beyond the end.
        """
        wanted = self.shape[1:]
        fits = rows.dtype == self.dtype and rows.shape[1:] == wanted
        if not fits or not 0 <= first <= first + len(rows) <= self.shape[0]:
            raise ValueError(f"{rows.dtype}{rows.shape} from row {first} into {self}")
        with self.path.open("r+b") as stream:
            stream.seek(len(self.header) + first * self.row_bytes)
            stream.write(np.ascontiguousarray(rows).data)
            stream.flush()
            os.fsync(stream.fileno())

    @property
    def allocated(self) -> int:
        """Bytes of the file that already have a place on the disk; 0 where this is not known."""
        blocks = getattr(self.path.stat(), "st_blocks", 0)  # of 512 bytes; not on Windows
        return min(int(blocks) * 512, self.n_bytes)


def row_files(folder: Path, n: int, arrays: Mapping[str, Array]) -> dict[str, RowFile]:
    """Return a file of n rows in `folder` for each array, whose own rows (1, ...) show its form."""
    return {
        name: RowFile(folder / f"{name}.npy", (n, *array.shape[1:]), array.dtype)
        for name, array in arrays.items()
    }
