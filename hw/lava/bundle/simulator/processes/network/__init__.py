"""The whole network as one hierarchical Process: graded pixels in, spike counts out.

    network = Network(arrays, scalars, steps=64)      # of a bundle: bundle_io.read_network
    source.s_out.connect(network.image_in)
    network.s_out.connect(your_dense.s_in)

It consists of stock Dense connections and this package's populations. Name MODELS in the run
configuration, or let Lava choose (its Dense model gives the same counts, more slowly).
"""

from collections.abc import Mapping
from typing import Any

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
from ..common import EVERY, Rows
from ..neuron import Neuron
from ..residual import Residual

Arrays = Mapping[str, npt.NDArray[Any]]


class Network(AbstractProcess):
    """An iP-VAE of M pixels and K neurons that infers one image after another.

    arrays, scalars: the integer network's (docs/ir.md). steps T: per image; a presentation
    takes T + 2 time steps in a one-layer circuit, 2T + 2 in a two-layer one. seed, first_image:
    keys of the spike counts. source: the image comes as graded "spikes" through image_in, at the
    first time step of a presentation, or as "bias": the host writes the Var `held` there. rows,
    scheduled, record, reports: as of Neuron; with several replicas, first_image is the first's.

    Ports: image_in (M,), pixel - zero_point; s_out (K,), spike counts. Vars: v (K,) membrane
    potential, z (K,) the counts last sent, held (K,) the input current or (M,) the payload of
    the image, saturated (4,) and overflowed (1,) of the neurons, residual_overflowed (1,) of the
    residual neurons (in a two-layer circuit only).
    """

    def __init__(
        self,
        arrays: Arrays,
        scalars: Mapping[str, Any],
        *,
        steps: int,
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
            seed=seed,
            first_image=first_image,
            source=source,
            rows=rows,
            scheduled=scheduled,
            record=record,
            reports=reports,
        )
        k, m = arrays["feedforward.weights"].shape
        two_layer = scalars["residual_limit"] is not None
        self.image_in, self.s_out = InPort(shape=(m,)), OutPort(shape=(k,))
        self.v = Var(shape=(k,), init=arrays["neurons.initial_state"])
        self.z = Var(shape=(k,), init=np.zeros(k, np.int64))
        held = (m,) if two_layer else (k,)
        self.held = Var(shape=held, init=np.zeros(held, np.int64))
        self.saturated = Var(shape=(4,), init=np.zeros(4, np.int64))
        self.overflowed = Var(shape=(1,), init=np.zeros(1, np.int64))
        self.residual_overflowed = Var(shape=(1,), init=np.zeros(1, np.int64))


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


def constants_of(options: Any) -> dict[str, Any]:
    """Return the constants of the Process `Neuron` from a Network's parameters."""
    arrays = options["arrays"]
    zeros = np.zeros(len(arrays["neurons.bias"]), np.int32)
    return {
        "bias": arrays["neurons.bias"],
        "self_inhibition": arrays["neurons.self_inhibition"],
        "loop_inhibition": arrays.get("residual.loop_inhibition", zeros),
        "initial_state": arrays["neurons.initial_state"],
        "feedforward_multiplier": arrays["feedforward.multiplier"],
        "feedforward_shift": arrays["feedforward.shift"],
        # A two-layer circuit has no lateral connection: multiplier 0, and any valid shift.
        "lateral_multiplier": arrays.get("lateral.multiplier", zeros),
        "lateral_shift": arrays.get("lateral.shift", zeros + 1),
        "coarse": arrays["tables.coarse"],
        "fine": arrays["tables.fine"],
        "reciprocal": arrays["tables.reciprocal"],
        "seed": options["seed"],
        "first_image": options["rows"].row(0) + options["first_image"],
        "image_stride": options["rows"].stride,
        **options["scalars"]["neurons"],
    }


@implements(proc=Network, protocol=LoihiProtocol)
@tag("fixed_pt")
class NetworkModel(AbstractSubProcessModel):
    """Builds the one-layer or the two-layer circuit.

    one-layer:  image_in -> feedforward -> neurons -> s_out;  neurons -> lateral -> neurons
    two-layer:  image_in -> residual -> feedforward -> neurons -> s_out;
                neurons -> prediction -> residual
    """

    def __init__(self, proc: Any) -> None:
        self.options = proc.proc_params
        two_layer = self.options["scalars"]["residual_limit"] is not None
        self.stride = 2 if two_layer else 1
        self.length = self.stride * self.options["steps"] + 2
        self.shared = {
            name: self.options[name] for name in ("steps", "rows", "scheduled", "reports")
        }
        self.neurons = Neuron(
            **constants_of(self.options),
            **self.shared,
            stride=self.stride,
            held="residual" if two_layer else self.options["source"],
            record=self.options["record"],
        )
        self.neurons.s_out.connect(proc.s_out)
        for name in ("v", "z", "saturated", "overflowed"):
            getattr(proc, name).alias(getattr(self.neurons, name))
        if two_layer:
            self.build_two_layer(proc)
        else:
            self.build_one_layer(proc)

    def build_one_layer(self, proc: Any) -> None:
        """Connect the neurons with each other, and the image to them if it comes as spikes."""
        self.lateral = self.connection("lateral", 1)
        self.neurons.s_out.connect(self.lateral.s_in)
        self.lateral.a_out.connect(self.neurons.l_in)
        if self.options["source"] == "spikes":
            self.feedforward = self.connection("feedforward", 0, once=True)
            proc.image_in.connect(self.feedforward.s_in)
            self.feedforward.a_out.connect(self.neurons.a_in)
        proc.held.alias(self.neurons.current)

    def build_two_layer(self, proc: Any) -> None:
        """Connect the neurons through residual neurons; the image reaches these one to one."""
        arrays = self.options["arrays"]
        self.residual = Residual(
            multiplier=arrays["prediction.multiplier"],
            shift=arrays["prediction.shift"],
            limit=self.options["scalars"]["residual_limit"],
            **self.shared,
            held=self.options["source"],
            record=self.file("residual_saturated"),
        )
        self.prediction = self.connection("prediction", 1)
        self.feedforward = self.connection("feedforward", 2)
        proc.image_in.connect(self.residual.a_in)
        self.neurons.s_out.connect(self.prediction.s_in)
        self.prediction.a_out.connect(self.residual.p_in)
        self.residual.s_out.connect(self.feedforward.s_in)
        self.feedforward.a_out.connect(self.neurons.a_in)
        proc.held.alias(self.residual.payload)
        proc.residual_overflowed.alias(self.residual.overflowed)

    def file(self, name: str) -> str | None:
        """Return the path of a result file, or None if nothing is recorded."""
        folder = self.options["record"]
        return f"{folder}/{name}.npy" if folder else None

    def connection(self, name: str, first: int, once: bool = False) -> Any:
        """Return the connection called `name`.

        Its messages come at place `first` of a presentation and then, unless `once`, at every
        step.
        """
        options = {"reports": self.options["reports"]} if self.options["reports"] else {}
        if self.options["scheduled"]:
            last = first if once else first + self.stride * (self.options["steps"] - 1)
            options["places"] = (first, self.stride, last, self.length)
            options |= {"record": self.file(f"traffic_{name}"), "rows": self.options["rows"]}
        return synapses(self.options["arrays"][f"{name}.weights"], name, **options)
