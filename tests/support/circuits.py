"""Integer networks from the parts of a circuit, and with some of them changed."""

import dataclasses
from typing import Any, TypeVar

from ipvae_snn.ir.circuits import Parts, graph_of
from ipvae_snn.ir.network import IntegerNetwork, circuit_network

PARTS = tuple(field.name for field in dataclasses.fields(Parts))
Anything = TypeVar("Anything")


def circuit(**given: Any) -> IntegerNetwork:
    """Return the network of the fields of a circuit's parts and of IntegerNetwork."""
    parts = {name: value for name, value in given.items() if name in PARTS}
    others = {name: value for name, value in given.items() if name not in PARTS}
    return circuit_network(parts=Parts(**parts), **others)


def replace(given: Anything, **changes: Any) -> Anything:
    """Return as dataclasses.replace, but of a network its circuit's parts too, by their names."""
    parts = {name: value for name, value in changes.items() if name in PARTS}
    if isinstance(given, IntegerNetwork) and parts:
        old = {name: getattr(given.parts, name) for name in PARTS}
        populations, connections = graph_of(Parts(**old | parts))
        others = {name: value for name, value in changes.items() if name not in PARTS}
        graph = {"populations": populations, "connections": connections}
        return dataclasses.replace(given, **others, **graph)  # type: ignore[return-value]  # Anything is a network
    return dataclasses.replace(given, **changes)  # type: ignore[type-var]  # a dataclass
