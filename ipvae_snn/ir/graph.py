"""Populations and connections: the graph that an integer network is."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Final

from ipvae_snn.errors import brief
from ipvae_snn.ir.neurons import Neurons
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.rules import require

IMAGE: Final = "image"  # the source that is no population: payloads from outside
RESERVED: Final = (IMAGE, "decoder", "tables")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True, repr=False)
class Population:
    """Neurons of one kind under one name.

    grid: (features, rows, columns) of neurons that see parts of an image; empty for others.
    """

    name: str
    neurons: Neurons
    grid: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check that the grid holds the neurons."""
        require(
            self.grid == () or (len(self.grid) == 3 and prod(self.grid) == self.size),
            f"population {self.name!r} has {self.size} neurons, but the grid {self.grid}",
        )

    def __repr__(self) -> str:
        """Return name, kind and size."""
        return f"Population({self.name}: {self.size} of {self.neurons.kind})"

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.neurons.size


@dataclass(frozen=True, repr=False)
class Connection:
    """Synapses from a population, or the image, to a population."""

    name: str
    source: str
    target: str
    synapses: Synapses

    def __repr__(self) -> str:
        """Return name, ends and synapses."""
        return f"Connection({self.name}: {self.source} -> {self.target}, {self.synapses})"


def check_graph(
    populations: tuple[Population, ...], connections: tuple[Connection, ...], n_pixels: int
) -> None:
    """Raise ProgramError unless names are unique, ends exist, sizes fit and no cycle is without
    delay.

    A file names tensors after populations and connections, so that no two may share a name.
    """
    names = [one.name for one in populations], [one.name for one in connections]
    for subject, some in zip(("population", "connection"), names, strict=True):
        _require_unique(subject, some)
        for name in some:
            require(
                _NAME.fullmatch(name) is not None and name not in RESERVED,
                f"no {subject} may be called {brief(name)}: names are letters, digits, - and _, "
                f"and none of {', '.join(RESERVED)}",
            )
    both = sorted(set(names[0]) & set(names[1]))
    require(not both, f"a population and a connection are both called {', '.join(both)}")
    sizes = {one.name: one.size for one in populations}
    roles = {one.name: one.neurons.role for one in populations}
    for one in connections:
        require(
            one.source in sizes or one.source == IMAGE,
            f"connection {one.name!r} comes from {one.source!r}, which is no population",
        )
        require(
            one.target in sizes,
            f"connection {one.name!r} leads to {one.target!r}, which is no population",
        )
        require(
            roles.get(one.source) != "accumulates",
            f"connection {one.name!r} comes from {one.source!r}, whose neurons send nothing",
        )
        wanted = (sizes[one.target], sizes.get(one.source, n_pixels))
        given = (one.synapses.n_targets, one.synapses.n_sources)
        require(
            given == wanted,
            f"connection {one.name!r} has {given[1]} sources and {given[0]} targets, but "
            f"{one.source!r} and {one.target!r} have {wanted[1]} and {wanted[0]}",
        )
    relay_order(populations, connections)


def relay_order(
    populations: tuple[Population, ...], connections: tuple[Connection, ...]
) -> tuple[Population, ...]:
    """Return the populations without state, each after those that reach it.

    Raises ProgramError where some of them reach each other in a circle: nothing in it could be
    computed first.
    """
    waiting = {one.name: one for one in populations if one.neurons.role == "relays"}
    ordered: list[Population] = []
    while waiting:
        ready = [
            one
            for name, one in waiting.items()
            if not any(c.target == name and c.source in waiting for c in connections)
        ]
        require(
            bool(ready),
            f"the populations {', '.join(waiting)} reach each other in a circle without delay; "
            "one of them must keep a state",
        )
        ordered += ready
        for one in ready:
            del waiting[one.name]
    return tuple(ordered)


def _require_unique(subject: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        require(bool(name), f"a {subject} without a name")
        require(name not in seen, f"two {subject}s are called {name!r}")
        seen.add(name)
