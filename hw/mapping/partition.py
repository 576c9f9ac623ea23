"""Partition of every population over cores: fewest cores first, then least traffic."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ipvae_snn.arrays import Float64, Int32, Int64
from ipvae_snn.hw.mapping.bound import least_cores
from ipvae_snn.hw.mapping.core_capacity import Room
from ipvae_snn.hw.mapping.fans import fan_of
from ipvae_snn.hw.mapping.fill import Task, best_fit, in_order
from ipvae_snn.hw.mapping.populations import Layout, Population
from ipvae_snn.hw.mapping.refine import Traffic, dissolve, reduce_traffic
from ipvae_snn.hw.mapping.tiles import tiled

Fill: TypeAlias = Callable[[Task, Int64], Int32 | None]
ATTEMPTS: Final = 6  # to satisfy the axons out, which depend on the split that they limit
FEW: Final = 4096  # neurons; up to here best fit tries every order
PROMISING: Final = 1.1  # times the fewest cores; splits with more are dropped
MARGIN: Final = 1.08  # factor by which expected axons out grow per attempt


@dataclass(frozen=True)
class Partition:
    """The core of every neuron; a core holds neurons of one population.

    core_of: by population, (size,) int32, numbered through all populations. fan: by projection,
    (sources, cores) sparse, number of targets of a source on a core. least_cores: lower bound of
    any split, by population.
    """

    core_of: Mapping[str, Int32]
    cores: int
    fan: Mapping[str, Any]
    least_cores: Mapping[str, int]

    def axons_out(self, layout: Layout, population: Population) -> Int64:
        """Return the number of cores that each neuron of a population sends to, (size,)."""
        total = np.zeros(population.size, np.int64)
        for projection in layout.projections:
            if projection.source == population.name:
                total += np.diff(self.fan[projection.name].indptr)
        return total


def partition(layout: Layout, room: Room, rates: Mapping[str, Float64]) -> Partition:
    """Split the populations of a layout; every neuron must fit on a core alone.

    rates: events per step of each source, by name (population or image). Axons out depend on the
    split of the targets, so they are estimated from the last attempt. If they still do not fit
    after the last one, the split is returned unchanged, and the checks report it.
    """
    expected = {p.name: np.zeros(p.size, np.int64) for p in layout.populations}
    ready = [_prepared(layout, population, room, rates) for population in layout.populations]
    for attempt in range(ATTEMPTS):
        split = _attempt(layout, ready, expected)
        if room.axons_out is None:
            break
        sent = {p.name: split.axons_out(layout, p) for p in layout.populations}
        if all(_within(split.core_of[name], sent[name], room.axons_out) for name in sent):
            break
        scale = MARGIN ** (attempt + 1)
        expected = {name: np.ceil(scale * value).astype(np.int64) for name, value in sent.items()}
    return split


@dataclass(frozen=True)
class _Way:
    """A way to fill cores, its split (n,), and its cost: cores, then events."""

    fill: Fill
    order: Int64
    split: Int32
    cost: tuple[float, float]


@dataclass(frozen=True)
class _Prepared:
    """A population with its inputs, its bound, and its best way to fill cores.

    tiles: a split into tiles that share weights, where that takes fewer cores than any way.
    """

    population: Population
    task: Task
    traffic: Traffic
    least: int
    way: _Way
    tiles: Int32 | None


def _prepared(
    layout: Layout, population: Population, room: Room, rates: Mapping[str, Float64]
) -> _Prepared:
    """Fill cores by index, along the network's bands, by largest fan-in, and by best fit."""
    inputs, traffic = _inputs(layout, population, rates)
    task = Task(inputs, room, population.state_bytes, np.zeros(population.size, np.int64))
    shared = [
        p for p in layout.into(population.name) if room.shares_weights and p.shared is not None
    ]
    # Equal lists take the words of one, so that words bound nothing.
    bounding = replace(room, words=None, word_bytes=None) if shared else room
    least = least_cores(inputs, bounding, population.state_bytes)
    largest_first = np.argsort(-np.diff(inputs.indptr), kind="stable")
    orders = [np.arange(task.size), _banded(inputs), largest_first]
    ways = _finished(task, traffic, [(in_order, order) for order in orders])
    best = min(ways, key=lambda way: way.cost)
    if shared and population.grid:
        tiles = tiled(task, population.grid, layout.into(population.name))
        if tiles is not None and int(tiles.max()) + 1 < best.cost[0]:
            return _Prepared(population, task, traffic, least, best, tiles)
    if best.cost[0] > least:  # else no way can use fewer cores
        others = orders if task.size <= FEW else [best.order]
        ways += _finished(task, traffic, [(best_fit, order) for order in others])
        best = min(ways, key=lambda way: way.cost)
    return _Prepared(population, task, traffic, least, best, None)


def _finished(task: Task, traffic: Traffic, ways: Sequence[tuple[Fill, Int64]]) -> list[_Way]:
    """Fill cores in several ways; of the splits with about the fewest, empty cores if possible."""
    report = [
        (fill, order, split) for fill, order in ways if (split := fill(task, order)) is not None
    ]
    fewest = min((int(split.max()) + 1 for _, _, split in report), default=0)
    result = []
    for fill, order, split in report:
        if int(split.max()) + 1 <= PROMISING * fewest:
            less = dissolve(task, split)
            cost = float(less.max() + 1), _events(task, less, traffic)
            result.append(_Way(fill, order, less, cost))
    return result


def _within(core_of: Int32, sent: Int64, limit: int) -> bool:
    return bool(np.bincount(core_of, sent).max() <= limit)


def _attempt(
    layout: Layout, ready: Sequence[_Prepared], expected: Mapping[str, Int64]
) -> Partition:
    core_of: dict[str, Int32] = {}
    cores = 0
    for one in ready:
        split = one.tiles if one.tiles is not None else _refined(one, expected)
        core_of[one.population.name] = split + np.int32(cores)
        cores += int(split.max()) + 1
    fan = {p.name: fan_of(p.pattern, core_of[p.target], cores) for p in layout.projections}
    return Partition(core_of, cores, fan, {one.population.name: one.least for one in ready})


def _refined(one: _Prepared, expected: Mapping[str, Int64]) -> Int32:
    """Return the split of a population in its best way, for so many expected axons out."""
    task, split = one.task, one.way.split
    if expected[one.population.name].any():  # not the first attempt
        task = replace(task, axons_out=expected[one.population.name])
        split = dissolve(task, _filled(task, one.way))
    return reduce_traffic(task, split, one.traffic)


def _filled(task: Task, way: _Way) -> Int32:
    report = way.fill(task, way.order)
    return in_order(task, way.order) if report is None else report


def _inputs(
    layout: Layout, population: Population, rates: Mapping[str, Float64]
) -> tuple[Any, Traffic]:
    """Return all inputs of a population side by side, and the cost of their events."""
    reached = layout.into(population.name)
    if not reached:
        return sparse.csr_array((population.size, 0), dtype=bool), Traffic(np.zeros(0), None)
    inputs = sparse.hstack([p.pattern for p in reached], format="csr")
    first_own, column = None, 0
    for projection in reached:
        if projection.source == population.name:
            first_own = column
        column += projection.pattern.shape[1]
    return inputs, Traffic(np.concatenate([rates[p.source] for p in reached]), first_own)


def _banded(inputs: Any) -> Int64:
    """Return the neurons in an order that places those with common sources together."""
    n = inputs.shape[0]
    both = sparse.block_array([[None, inputs], [inputs.T, None]], format="csr")
    order = reverse_cuthill_mckee(both, symmetric_mode=True)
    result: Int64 = order[order < n].astype(np.int64)
    return result


def _events(task: Task, core_of: Int32, traffic: Traffic) -> float:
    """Return the events per step that reach cores other than the sender's."""
    fan = fan_of(task.inputs, core_of, int(core_of.max()) + 1)
    sent = np.diff(fan.indptr).astype(float)
    first = traffic.first_own
    if first is not None:
        own = np.arange(task.size)
        sent[first : first + task.size] -= np.asarray(fan[first + own, core_of] > 0).ravel()
    return float(sent @ traffic.rates)
