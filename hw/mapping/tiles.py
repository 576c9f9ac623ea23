"""Split of a population that sees parts of an image: each core takes some features on one tile.

Neighbouring positions of the same features read lists of synapses that are equal but for an offset,
so that a tile of them stores few lists.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

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
    tilings = product(_doubling(rows), _doubling(columns))
    best: Int32 | None = None
    fewest = task.size + 1
    for down, across in sorted(tilings, key=prod):
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


def words(projection: Projection, fan: Any, core_of: Int32, room: Room) -> Int64:
    """Return the synapse words of a projection on each core, (cores,).

    fan (sources, cores): its targets, of `fan_of`. core_of (targets,).
    """
    cores = fan.shape[1]
    if projection.shared is not None and room.shares_weights:
        return words_of_lists(projection.shared, core_of, cores, room)
    taken: Int64 = np.bincount(fan.indices, room.axon_words(fan.data), cores).astype(np.int64)
    return taken


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
    fans = [fan_of(one.pattern, core_of, cores) for one in inputs]
    axons = sum((np.bincount(fan.indices, minlength=cores) for fan in fans), np.zeros(cores, int))
    if not np.all(task.admits(neurons, 0, axons, 0)):
        return False
    each = (words(*both, core_of, task.room) for both in zip(inputs, fans, strict=True))
    taken = sum(each, np.zeros(cores, int))
    return bool(np.all(task.admits(neurons, taken, axons, 0)))
