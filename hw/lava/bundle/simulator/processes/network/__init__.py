"""The whole network as one hierarchical Process: graded pixels in, spike counts out.

    network = Network(arrays, scalars, steps=64)      # of a bundle: bundle_io.read_network
    source.s_out.connect(network.image_in)
    network.s_out.connect(your_dense.s_in)

It consists of stock Dense connections and this package's populations, one for each of the graph.
Name MODELS in the run configuration, or let Lava choose (its Dense model gives the same counts,
more slowly).
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, tag
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense
from lava.utils.weightutils import SignMode

# The folder has another package name in an exported bundle.
from ..accumulator import Accumulator
from ..arrivals import connections_of, inputs_of
from ..common import EVERY, Rows
from ..graph import IMAGE, Connection, Graph, Population, graph_of
from ..lca import Lca
from ..matrices import matrix_of
from ..neuron import Neuron
from ..recording import place_of
from ..residual import Residual
from ..stateful import INPUTS

Arrays = Mapping[str, npt.NDArray[Any]]
PROCESSES: Final = {"poisson": Neuron, "lca": Lca, "accumulator": Accumulator}
# Names of the processes where a kind has one population only.
NAMES: Final = {"poisson": "neuron", "residual": "residual"}


class Network(AbstractProcess):
    """An iP-VAE, or any integer network (docs/ir.md), that infers one image after another.

    arrays, scalars: the integer network's, with M pixels. steps T: per image, in all; frames share
    them. A presentation takes S T + 2 time steps: S is 1 in a one-layer circuit, 2 in a two-layer
    one, else one more than the relaying populations in a row. seed, first_image: keys of the spike
    counts. source: the image comes as graded "spikes" through image_in, at the first time step of a
    presentation, or as "bias": the host writes the Var `held`. rows, scheduled, record, reports: as
    of Neuron; with several replicas, first_image is the first's.

    Ports: image_in (M,), pixel - zero_point; s_out (K,), spike counts. Vars: v (K,) membrane
    potential, z (K,) the counts last sent. These are of the population that the decoder reads, and
    so are saturated (4,) and overflowed (1,). held: the input current or the payload that an image
    causes, of the population that it reaches. scores: states of the accumulators, if there are any.
    residual_overflowed (1,): of the first residual neurons, if there are any.
    """

    def __init__(
        self,
        arrays: Arrays,
        scalars: Mapping[str, Any],
        *,
        steps: int,
        frames: int = 1,
        seed: int = 0,
        first_image: int = 0,
        source: str = "spikes",
        rows: Rows = EVERY,
        scheduled: bool = False,
        record: str | None = None,
        reports: str | None = None,
        name: str = "ipvae",
    ) -> None:
        super().__init__(
            name=name,
            arrays=arrays,
            scalars=scalars,
            steps=steps,
            frames=frames,
            seed=seed,
            first_image=first_image,
            source=source,
            rows=rows,
            scheduled=scheduled,
            record=record,
            reports=reports,
        )
        graph = graph_of(arrays, scalars)
        k = graph.population(graph.decoded).size
        m = int(np.prod(scalars["input"]["image_shape"]))
        self.image_in, self.s_out = InPort(shape=(m,)), OutPort(shape=(k,))

        def var(size: int) -> Any:
            return Var(shape=(size,), init=np.zeros(size, np.int64))

        initial = arrays.get(f"{graph.decoded}.initial_state", np.zeros(k, np.int64))
        self.v = Var(shape=(k,), init=initial)
        self.z = var(k)
        self.held = var(graph.held_by.size if graph.held_by else 1)
        self.scores = var(max(1, sum(one.size for one in graph.of_role("accumulates")[:1])))
        self.saturated = var(4)
        self.overflowed = var(1)
        self.residual_overflowed = var(1)


def synapses(weights: npt.NDArray[np.int8], name: str, **options: Any) -> Any:
    """Return a stock Dense connection that computes weights (targets, sources) @ payload exactly.

    In the mixed sign mode Dense drops the lowest of nine bits, so int8 weights enter doubled
    and the exponent -1 halves the sum, which is even.
    """
    return Dense(
        weights=2 * weights.astype(np.int32),
        weight_exp=-1,
        num_weight_bits=8,
        sign_mode=SignMode.MIXED,
        num_message_bits=24,
        name=name,
        **options,
    )


def scales_of(arrays: Arrays, connections: tuple[Connection, ...], size: int) -> dict[str, Any]:
    """Return multipliers and shifts (inputs, size) of the connections to a population."""
    rows: dict[str, list[Any]] = {
        part: [arrays[f"{one.name}.{part}"] for one in connections]
        for part in ("multiplier", "shift")
    }
    # Without a connection: multiplier 0, and any valid shift.
    empty = {"multiplier": np.zeros((1, size), np.int32), "shift": np.ones((1, size), np.int32)}
    return {part: np.stack(some) if some else empty[part] for part, some in rows.items()}


def constants_of(options: Any, graph: Graph, one: Population) -> dict[str, Any]:
    """Return the constants of a population's Process from a Network's parameters, but scales."""
    arrays, start = options["arrays"], f"{one.name}."
    constants: dict[str, Any] = dict(one.constants)
    if one.kind == "residual":
        return constants
    connected = ("multiplier", "shift")
    own = {
        name[len(start) :]: array
        for name, array in arrays.items()
        if name.startswith(start) and name[len(start) :] not in (*connected, "label")
    }
    constants |= own
    if one.kind == "poisson":
        constants.setdefault("loop_inhibition", np.zeros(one.size, np.int32))
        constants |= {name: arrays[f"tables.{name}"] for name in ("coarse", "fine", "reciprocal")}
        constants |= {
            "seed": options["seed"],
            "first_image": options["rows"].row(0) + options["first_image"],
            "image_stride": options["rows"].stride,
            "first_uniform": graph.first_uniforms()[one.name],
        }
    return constants


@implements(proc=Network, protocol=LoihiProtocol)
@tag("fixed_pt")
class NetworkModel(AbstractSubProcessModel):
    """Builds the graph: a Process for each population, and one for each connection.

    one-layer:  image_in -> feedforward -> neurons -> s_out;  neurons -> lateral -> neurons
    two-layer:  image_in -> residual -> feedforward -> neurons -> s_out;
                neurons -> prediction -> residual
    """

    def __init__(self, proc: Any) -> None:
        self.options = proc.proc_params
        self.graph = graph_of(self.options["arrays"], self.options["scalars"])
        self.host = self.options["source"] == "bias"
        self.made: dict[str, Any] = {}
        for one in self.graph.populations:
            self.made[one.name] = self.population(one)
            # Lava finds Processes among a model's attributes only.
            setattr(self, f"population_{one.name}", self.made[one.name])
        for one in self.graph.populations:
            for index, each in enumerate(connections_of(self.graph, one.name, self.host)):
                setattr(self, f"connection_{each.name}", self.connect(proc, each, INPUTS[index]))
        self.expose(proc)

    def population(self, one: Population) -> Any:
        """Return the Process of a population."""
        options, graph = self.options, self.graph
        connections = connections_of(graph, one.name, self.host)
        alone = sum(other.kind == one.kind for other in graph.populations) == 1
        shared = {
            **{name: options[name] for name in ("steps", "frames", "rows", "scheduled")},
            **{name: options[name] for name in ("record", "reports")},
            **constants_of(options, graph, one),
            **scales_of(options["arrays"], connections, one.size),
            "stride": graph.stride,
            "inputs": inputs_of(graph, one.name, self.host),
            "host": self.host and graph.held_by == one,
            "name": NAMES.get(one.kind, one.name) if alone else one.name,
        }
        if one.kind == "residual":
            index, depth = graph.populations.index(one), graph.depths[one.name]
            return Residual(**shared, index=index, depth=depth)
        return PROCESSES[one.kind](**shared, place=place_of(graph, one.name))

    def connect(self, proc: Any, one: Connection, port: str) -> Any:
        """Return the connection `one`, between its ends.

        Its messages come when a frame does, or at every step, `depth` synapses after the counts.
        """
        options, graph = self.options, self.graph
        settings = {"reports": options["reports"]} if options["reports"] else {}
        if options["scheduled"]:
            length = graph.stride * options["steps"] + 2
            once = one.source == IMAGE
            first = 0 if once else 1 + graph.depths[one.source]
            frames = 1 if one.starts else options["frames"]
            repeats = frames if once else options["steps"]
            every = graph.stride * (options["steps"] // repeats)
            settings["places"] = (first, every, first + every * (repeats - 1), length)
            settings |= {"record": self.file(f"traffic_{one.name}"), "rows": options["rows"]}
        weights = matrix_of(options["arrays"], one.name, one.weights)
        dense = synapses(weights, one.name, **settings)
        source = proc.image_in if one.source == IMAGE else self.made[one.source].s_out
        source.connect(dense.s_in)
        dense.a_out.connect(getattr(self.made[one.target], port))
        return dense

    def expose(self, proc: Any) -> None:
        """Connect the image to the residual neurons, and give the Network ports and Vars."""
        graph, held = self.graph, self.graph.held_by
        decoded = self.made[graph.decoded]
        decoded.s_out.connect(proc.s_out)
        for name in ("v", "z", "saturated", "overflowed"):
            getattr(proc, name).alias(getattr(decoded, name))
        relays = [self.made[one.name] for one in graph.relays]
        for one in relays:
            proc.image_in.connect(one.a_in)
        for one in relays[:1]:
            proc.residual_overflowed.alias(one.overflowed)
        for one in graph.of_role("accumulates")[:1]:
            proc.scores.alias(self.made[one.name].v)
        if held is not None:
            made = self.made[held.name]
            proc.held.alias(made.payload if held.role == "relays" else made.current)

    def file(self, name: str) -> str | None:
        """Return the path of a result file, or None if nothing is recorded."""
        folder = self.options["record"]
        return f"{folder}/{name}.npy" if folder else None
