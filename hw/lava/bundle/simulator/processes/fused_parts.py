"""Populations and connections of a network in one process, as the fused model keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .arithmetic import Int64
from .arrivals import Scales, connections_of, inputs_of
from .graph import Graph, Population
from .matrices import matrix_of
from .network import constants_of, scales_of
from .population import NONE, STATEFUL, Hold, Integers
from .recording import Recording, place_of
from .weights import Synapses, synapses_of


class Through:
    """A connection: its exact sums, and the operations of its messages, by image."""

    def __init__(self, synapses: Synapses, source: str, traffic: npt.NDArray[Any] | None) -> None:
        self.synapses, self.source, self.traffic = synapses, source, traffic

    def sums(self, message: Integers, row: int) -> npt.NDArray[np.int32]:
        """Return the sums (targets,) of a message (sources,) for the image `row`."""
        if self.traffic is not None and row < len(self.traffic):
            self.traffic[row] += self.synapses.cost(message)
        return self.synapses.sums(message)


class Part:
    """A population: what it is, and its state in a run. population: None for one that relays."""

    def __init__(self, options: Any, graph: Graph, one: Population, hold: Hold) -> None:
        host = options["source"] == "bias"
        connections = connections_of(graph, one.name, host)
        scales = scales_of(options["arrays"], connections, one.size)
        inputs = inputs_of(graph, one.name, host)
        self.scales = Scales(inputs, (scales["multiplier"], scales["shift"]), hold)
        self.index = graph.populations.index(one)
        self.limit = int(one.constants.get("limit", 0))
        self.population: Any = None
        self.recording: Recording | None = None
        self.base = np.zeros(one.size, np.int64)
        if one.role != "relays":
            self.population = STATEFUL[one.kind](constants_of(options, graph, one))
            self.base = self.population.base
            folder, place = options["record"], place_of(graph, one.name)
            self.recording = Recording(Path(folder), options["rows"], place) if folder else None
        self.current: Int64 = self.base
        self.sums = np.zeros((len(inputs), one.size), np.int64)
        self.state: Int64 = np.zeros(one.size, np.int64)
        self.sent: Int64 = np.zeros(one.size, np.int64)
        self.saturated = NONE


@dataclass(frozen=True)
class Holds:
    """How values are kept within 24 bits: those of populations with a state, and of residuals."""

    stateful: Hold
    relaying: Hold


def parts_of(
    options: Any, graph: Graph, holds: Holds
) -> tuple[Mapping[str, Part], Mapping[str, Through]]:
    """Return populations and connections by name, from a Network's parameters."""
    parts = {
        one.name: Part(
            options, graph, one, holds.relaying if one.role == "relays" else holds.stateful
        )
        for one in graph.populations
    }
    used = {one.name for part in parts.values() for one in part.scales.inputs}
    connections = {}
    for one in graph.connections:
        if one.name in used:
            synapses = synapses_of(matrix_of(options["arrays"], one.name, one.weights))
            path = Path(options["record"] or "", f"traffic_{one.name}.npy")
            recorded = bool(options["record"]) and path.exists()
            traffic = np.load(path, mmap_mode="r+") if recorded else None
            connections[one.name] = Through(synapses, one.source, traffic)
    return parts, connections
