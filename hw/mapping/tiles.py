"""Split of a population that sees parts of an image: each core takes some features on one tile.

Neighbouring positions of the same features read lists of synapses that are equal but for an offset,
so that a tile of them stores few lists.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ipvae_snn.arrays import Int32, Int64
from ipvae_snn.hw.mapping.core_capacity import Room
from ipvae_snn.hw.mapping.fans import fan_of
from ipvae_snn.hw.mapping.fill import Task
from ipvae_snn.hw.mapping.populations import Projection
from ipvae_snn.hw.mapping.sharing import words_of_lists


def tiled(task: Task, grid: tuple[int, ...], inputs: Sequence[Projection]) -> Int32 | None:
    """Return the core of every neuron in the split of fewest cores, None if none of them fits.

    grid: (features, rows, columns). inputs: the projections to the population. Numbers of tiles
    double down and across; for each, the fewest groups of features that fit are found by bisection.
    """
    features, rows, columns = grid
    best: Int32 | None = None
    fewest = task.size + 1
    for down, across in sorted(_tilings(rows, columns), key=lambda pair: pair[0] * pair[1]):
        most = min(features, (fewest - 1) // (down * across))
        if most < 1 or not _fits(task, _split(grid, most, down, across), inputs):
            continue
        least = 1
        while least < most:
            middle = (least + most) // 2
            fits = _fits(task, _split(grid, middle, down, across), inputs)
            least, most = (least, middle) if fits else (middle + 1, most)
        best, fewest = _split(grid, most, down, across), most * down * across
    return best


def words(projection: Projection, core_of: Int32, cores: int, room: Room) -> Int64:
    """Return the synapse words of a projection on each core, (cores,)."""
    if projection.shared is not None and room.shares_weights:
        return words_of_lists(projection.shared, core_of, cores, room)
    fan = fan_of(projection.pattern, core_of, cores)
    taken: Int64 = np.bincount(fan.indices, room.axon_words(fan.data), cores).astype(np.int64)
    return taken


def _tilings(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    for down in _doubling(rows):
        for across in _doubling(columns):
            yield down, across


def _doubling(size: int) -> list[int]:
    """Return 1, 2, 4 ... below size, and size."""
    return [*(1 << power for power in range((size - 1).bit_length())), size]


def _split(grid: tuple[int, ...], groups: int, down: int, across: int) -> Int32:
    """Return the core of every neuron: groups x down x across parts of about equal size."""
    feature, row, column = (
        np.arange(size) * parts // size
        for size, parts in zip(grid, (groups, down, across), strict=True)
    )
    core = (feature[:, None, None] * down + row[:, None]) * across + column
    return core.astype(np.int32).reshape(-1)


def _fits(task: Task, core_of: Int32, inputs: Sequence[Projection]) -> bool:
    """Return whether every core keeps within its limits; axons out are not known yet."""
    cores = int(core_of.max()) + 1
    neurons = np.bincount(core_of, minlength=cores)
    axons = np.bincount(fan_of(task.inputs, core_of, cores).indices, minlength=cores)
    if not np.all(task.admits(neurons, 0, axons, 0)):
        return False
    taken = sum((words(one, core_of, cores, task.room) for one in inputs), np.zeros(cores, int))
    return bool(np.all(task.admits(neurons, taken, axons, 0)))
