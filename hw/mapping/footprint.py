"""Memory and work of an integer network for those who implement it: exact, from the network alone.

Counts are of the network's own tensors and of the arithmetic that docs/ir.md specifies; no chip and
no run is assumed.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from ipvae_snn.arrays import AnyArray
from ipvae_snn.hw.mapping.populations import populations_of
from ipvae_snn.hw.mapping.state import StateWord
from ipvae_snn.ir.files import to_arrays
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS
from ipvae_snn.ir.network import IntegerNetwork

Part = Literal["weights", "neurons", "sampler", "read-out"]
When = Literal["once per image", "every step"]
READ_OUT: Final = "decoder"
SAMPLER: Final = "tables"


@dataclass(frozen=True)
class Tensor:
    """A tensor's type, shape and exact range; low and high are None if it is empty.

    part: what needs it; None where that is not known.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    low: int | float | None
    high: int | float | None
    part: Part | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "shape": list(self.shape)}


@dataclass(frozen=True)
class State:
    """The words that change in each neuron of a population; bits and whole bytes per neuron."""

    population: str
    neurons: int
    words: tuple[StateWord, ...]

    @property
    def bits(self) -> int:
        """Bits per neuron."""
        return sum(word.bits for word in self.words)

    @property
    def bytes(self) -> int:
        """Bytes of the population, every word in whole bytes."""
        return self.neurons * sum(word.bytes for word in self.words)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        words = [{"name": word.name, "bits": word.bits, "bytes": word.bytes} for word in self.words]
        totals = {"bits_per_neuron": self.bits, "bytes": self.bytes}
        return {"population": self.population, "neurons": self.neurons, "words": words, **totals}


@dataclass(frozen=True)
class Work:
    """Work of a connection: multiply-adds, and weights of one byte that are read.

    Dense: all of them, whenever it is computed. Event-driven: those of one event (a spike of any
    count, or a nonzero pixel or residual), with zero weights left out; bytes with them, since a
    source's column is stored whole.
    """

    connection: str
    when: When
    dense_operations: int
    dense_bytes: int
    operations_per_event_mean: float
    operations_per_event_max: int
    bytes_per_event: int


@dataclass(frozen=True)
class Footprint:
    """Tensors, state, and work per step; updates: neurons that are updated in every step."""

    tensors: tuple[Tensor, ...]
    states: tuple[State, ...]
    work: tuple[Work, ...]
    updates: int

    @property
    def constant_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.bytes for tensor in self.tensors)

    @property
    def device_bytes(self) -> int:
        """Bytes of the tensors that a device needs, which leaves the read-out to the host."""
        return sum(each.bytes for each in self.tensors if each.part != "read-out")

    @property
    def state_bytes(self) -> int:
        """Bytes that change, for one image at a time."""
        return sum(state.bytes for state in self.states)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "constant_bytes": self.constant_bytes,
            "constant_bytes_without_read_out": self.device_bytes,
            "state_bytes": self.state_bytes,
            "state": [state.as_json() for state in self.states],
            "accumulator_bits": ACCUMULATOR_BITS,
            "neuron_updates_per_step": self.updates,
            "work": [asdict(each) for each in self.work],
        }


def footprint(network: IntegerNetwork) -> Footprint:
    """Return the memory and work of a network."""
    states = tuple(
        State(each.name, each.size, tuple(word for word in each.state if word.changes))
        for each in populations_of(network, "spikes")
    )
    tensors = tuple(tensor(name, array, _part(name)) for name, array in to_arrays(network).items())
    return Footprint(tensors, states, tuple(_work(network)), sum(one.neurons for one in states))


def tensor(name: str, array: AnyArray, part: Part | None = None) -> Tensor:
    """Return the description of an array; reads it once and copies nothing."""
    low, high = (array.min().item(), array.max().item()) if array.size else (None, None)
    return Tensor(name, str(array.dtype), array.shape, array.nbytes, low, high, part)


def _part(name: str) -> Part:
    """Return what needs the tensor of this name (docs/ir.md lists them)."""
    match name.split("."):
        case [first, _] if first == READ_OUT:
            return "read-out"
        case [first, _] if first == SAMPLER:
            return "sampler"
        case [_, "weights" | "kernel" | "values" | "starts" | "columns"]:
            return "weights"
        case _:
            return "neurons"


def _work(network: IntegerNetwork) -> Iterator[Work]:
    """Yield the work of each connection, in the order of a step."""
    for connection in network.weighted:
        weights = connection.synapses.weights
        fan_out = weights.fan_out()
        yield Work(
            connection=connection.name,
            when="once per image" if network.once(connection) else "every step",
            dense_operations=weights.n_targets * weights.n_sources,
            dense_bytes=weights.n_bytes,
            operations_per_event_mean=float(fan_out.mean()),
            operations_per_event_max=int(fan_out.max()),
            bytes_per_event=weights.n_targets,
        )
