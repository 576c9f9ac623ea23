"""The mesh of cores: chips in a row, each a grid of tiles with one or more cores."""

from dataclasses import dataclass
from math import isqrt

import numpy as np

from ipvae_snn.arrays import Int64, Integers
from ipvae_snn.hw.chips.profile import ChipProfile
from ipvae_snn.hw.mapping.core_capacity import limit


@dataclass(frozen=True)
class Mesh:
    """Chips in a row, west to east, each columns x rows tiles of cores_per_tile cores.

    usable: number of usable cores per chip, the first ones in the order of slots: tile by tile
    along a row. assumed: whether the grid is this tool's assumption, where it is not public.
    """

    columns: int
    rows: int
    cores_per_tile: int
    cores_per_chip: int
    usable: int
    chips: int
    assumed: bool

    @property
    def slots(self) -> int:
        """Number of usable cores, on all chips."""
        return self.usable * self.chips

    def chip(self, slots: Integers) -> Int64:
        """Return the chip of each slot."""
        return np.asarray(slots, np.int64) // self.usable

    def x(self, slots: Integers) -> Int64:
        """Return the column of each slot's tile, counted through all chips."""
        return self._tile(slots) % self.columns + self.columns * self.chip(slots)

    def y(self, slots: Integers) -> Int64:
        """Return the row of each slot's tile."""
        return self._tile(slots) // self.columns

    def within_tile(self, slots: Integers) -> Int64:
        """Return the position of each slot in its tile."""
        return np.asarray(slots, np.int64) % self.usable % self.cores_per_tile

    def hops(self, a: Integers, b: Integers) -> Int64:
        """Return the hops between tiles from slots a to slots b: along a row, then a column."""
        return np.asarray(np.abs(self.x(a) - self.x(b)) + np.abs(self.y(a) - self.y(b)))

    def _tile(self, slots: Integers) -> Int64:
        return np.asarray(slots, np.int64) % self.usable // self.cores_per_tile


def mesh_of(profile: ChipProfile, cores: int) -> Mesh:
    """Return the mesh for a number of cores; near-square with single-core tiles if not public.

    Where the number of cores per chip is not public, one chip is assumed to hold them all.
    """
    total = limit(profile, "cores_per_chip") or limit(profile, "usable_cores_per_chip") or cores
    usable = limit(profile, "usable_cores_per_chip") or total
    chips = -(-cores // usable)
    columns, rows = limit(profile, "mesh_columns"), limit(profile, "mesh_rows")
    per_tile = limit(profile, "cores_per_tile")
    if columns is None or rows is None or per_tile is None:
        columns, rows = near_square(total)
        return Mesh(columns, rows, 1, total, usable, chips, True)
    return Mesh(
        columns, rows, per_tile, total, min(usable, columns * rows * per_tile), chips, False
    )


def near_square(cores: int) -> tuple[int, int]:
    """Return columns and rows: an exact rectangle up to 2:1, or the smallest larger one."""
    for rows in range(isqrt(cores), 0, -1):
        if cores % rows == 0 and cores <= 2 * rows * rows:
            return cores // rows, rows
    columns = isqrt(cores - 1) + 1 if cores > 1 else 1
    return columns, -(-cores // columns)
