"""The graph of a network (docs/ir.md) as the Processes need it: sizes, order, and time.

It needs NumPy only. The rules that a graph keeps are checked in the bundle's rules.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
IMAGE: Final = "image"  # the source that is no population
MAX_INPUTS: Final = 8  # connections to a population: Lava's ports are declared, not counted
# Constant of each neuron that tells a population's size, by kind; of others "size" is a constant.
SIZED_BY: Final = {"poisson": "bias", "lca": "threshold", "accumulator": "bias"}
ROLES: Final = {
    "poisson": "computes",
    "lca": "computes",
    "residual": "relays",
    "accumulator": "accumulates",
}


@dataclass(frozen=True)
class Population:
    """Neurons of one kind under one name, with the constants that they share."""

    name: str
    kind: str
    size: int
    constants: Mapping[str, int]

    @property
    def role(self) -> str:
        """What the neurons do: they compute, relay or accumulate."""
        return ROLES[self.kind]


@dataclass(frozen=True)
class Connection:
    """A connection by its ends; weights: their kind and the constants beside their tensors.

    starts: whether it sets the first potentials of an image, and acts at no other time.
    """

    name: str
    source: str
    target: str
    weights: Mapping[str, Any]
    starts: bool = False


@dataclass(frozen=True)
class Graph:
    """Populations and connections; the decoder reads the population `decoded`.

    A start is the last of the connections.
    """

    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    decoded: str

    @cached_property
    def depths(self) -> Mapping[str, int]:
        """Synapses between the counts of a step and what a population sends in it.

        0 for those with a state. ValueError where populations that relay form a circle.
        """
        depths = {one.name: 0 for one in self.populations if one.role != "relays"}
        waiting = [one.name for one in self.populations if one.role == "relays"]
        sources = {name: self.sources(name) for name in waiting}
        while waiting:
            ready = [name for name in waiting if not sources[name] & {*waiting}]
            if not ready:
                raise ValueError(
                    f"the populations {', '.join(waiting)} form a circle without delay"
                )
            for name in ready:
                depths[name] = 1 + max((depths[one] for one in sources[name]), default=0)
            waiting = [name for name in waiting if name not in depths]
        return depths

    @property
    def stride(self) -> int:
        """Time steps of a step: one for each synapse on the longest way from neuron to neuron."""
        return 1 + max(self.depths.values())

    def sources(self, name: str) -> set[str]:
        """Return the populations that reach a population."""
        return {one.source for one in self.into(name)} - {IMAGE}

    def into(self, name: str) -> tuple[Connection, ...]:
        """Return the connections that lead to a population."""
        return tuple(one for one in self.connections if one.target == name)

    def of_role(self, *roles: str) -> tuple[Population, ...]:
        """Return the populations of some roles, in the order in which results hold them."""
        return tuple(one for one in self.populations if one.role in roles)

    @property
    def relays(self) -> tuple[Population, ...]:
        """The populations that relay, each after those that reach it."""
        return tuple(sorted(self.of_role("relays"), key=lambda one: self.depths[one.name]))

    def population(self, name: str) -> Population:
        """Return a population by its name."""
        return {one.name: one for one in self.populations}[name]

    def slices(self, some: Iterable[Population]) -> dict[str, slice]:
        """Return where each of some populations lies in their arrays, one after another."""
        found, start = {}, 0
        for one in some:
            found[one.name] = slice(start, start + one.size)
            start += one.size
        return found

    def first_uniforms(self) -> dict[str, int]:
        """Return the index of the first uniform of each population that draws."""
        drawing = [one for one in self.populations if one.kind == "poisson"]
        return {name: where.start for name, where in self.slices(drawing).items()}

    @property
    def shown(self) -> tuple[str, ...]:
        """The populations that the image reaches: all that relay, and ends of its connections."""
        shown = (one for one in self.connections if one.source == IMAGE and not one.starts)
        ends = {one.target for one in shown}
        return tuple(
            one.name for one in self.populations if one.role == "relays" or one.name in ends
        )

    @property
    def held_by(self) -> Population | None:
        """The population for which the host can write what an image causes; None if several."""
        names = self.shown
        if len(names) != 1 or any(one.starts for one in self.connections):
            return None
        one = self.population(names[0])
        weighted = any(c.source == IMAGE for c in self.into(one.name))
        return None if one.role == "relays" and weighted else one


def graph_of(arrays: Arrays, scalars: Mapping[str, Any]) -> Graph:
    """Return the graph of a network that keeps the rules."""
    return Graph(
        populations=tuple(population_of(arrays, one) for one in scalars["populations"]),
        connections=tuple(
            Connection(one["name"], one["source"], one["target"], one["weights"], starts)
            for one, starts in listed_connections(scalars)
        ),
        decoded=scalars["decoder"]["source"],
    )


def listed_connections(scalars: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], bool]]:
    """Return the scalars of the connections and of the start, and whether each is the start."""
    start = [(scalars["start"], True)] if scalars.get("start") is not None else []
    return [*((one, False) for one in scalars["connections"]), *start]


def population_of(arrays: Arrays, given: Mapping[str, Any]) -> Population:
    """Return a population of a network's scalars."""
    name, kind, constants = given["name"], given["kind"], given["constants"]
    sized_by = SIZED_BY.get(kind)
    size = constants["size"] if sized_by is None else np.size(arrays[f"{name}.{sized_by}"])
    return Population(name, kind, int(size), constants)
