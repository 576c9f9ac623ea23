"""Populations and connections: the graph that an integer network is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.rules import require

IMAGE: Final = "image"  # the source that is no population: payloads from outside


class Neurons(Protocol):
    """The constants of a population's neurons, of one kind."""

    kind: ClassVar[str]
    # Whether a step starts from what the step before left; others only pass on what reaches them.
    keeps_state: ClassVar[bool]

    @property
    def size(self) -> int:
        """Number of neurons."""

    @property
    def sends(self) -> tuple[int, int]:
        """Least and largest payload of a spike."""

    @property
    def n_bytes(self) -> int:
        """Bytes of all constants of the single neurons."""


@dataclass(frozen=True, repr=False)
class Population:
    """Neurons of one kind under one name."""

    name: str
    neurons: Neurons

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
    """
    _require_unique("population", [one.name for one in populations])
    _require_unique("connection", [one.name for one in connections])
    sizes = {one.name: one.size for one in populations}
    require(IMAGE not in sizes, f"no population may be called {IMAGE!r}: that is the input")
    for one in connections:
        require(
            one.source in sizes or one.source == IMAGE,
            f"connection {one.name!r} comes from {one.source!r}, which is no population",
        )
        require(
            one.target in sizes,
            f"connection {one.name!r} leads to {one.target!r}, which is no population",
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
    waiting = {one.name: one for one in populations if not one.neurons.keeps_state}
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
