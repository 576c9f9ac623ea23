"""Kinds of neurons as ONNX subgraphs: a class per kind, equal to those of `ipvae_snn.ir.neurons`.

States and payloads are int32 (N, size), totals of scaled sums int64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Int32
from ipvae_snn.errors import BackendError
from ipvae_snn.export.onnx.graph import INT32, INT64, Graph, Value
from ipvae_snn.export.onnx.primitives import Draw, spike_counts
from ipvae_snn.export.onnx.sampling import IntegerSampling
from ipvae_snn.ir.fixed_point import STATE_BITS, signed_limit
from ipvae_snn.ir.neurons import Accumulators, LcaNeurons, Neurons, PoissonNeurons, ResidualNeurons
from ipvae_snn.ir.sampler import SamplerTables

# Which neurons saturate, bool (N, size), by a name of trace.SATURATIONS.
Hits = dict[str, Value]


class StatefulOnnx(ABC):
    """Neurons that keep a state."""

    # State when an image appears, and what is added to the sums in every step; (size,).
    initial: Int32
    bias: Int32 | None

    @abstractmethod
    def integrate(self, g: Graph, state: Value, total: Value, sent: Value) -> tuple[Value, Hits]:
        """Return the states after a step, and what saturated.

        total: scaled sums and bias; sent: the neurons' own payloads, not read by accumulators.
        """


class ComputingOnnx(StatefulOnnx):
    """Neurons that send in every step."""

    @abstractmethod
    def send(self, g: Graph, state: Value, draw: Draw) -> Value:
        """Return the payloads that leave the states."""


class PoissonOnnx(ComputingOnnx):
    """Poisson neurons."""

    def __init__(self, neurons: PoissonNeurons) -> None:
        self.constants, self.bias = neurons, neurons.bias
        self.initial = neurons.initial_state
        self.sampling = IntegerSampling(neurons, SamplerTables())

    def send(self, g: Graph, state: Value, draw: Draw) -> Value:
        """Return the spike counts drawn at membrane potentials `state`."""
        counts = spike_counts(g, self.sampling, draw, state, self.constants.size)
        return g.op("Min", counts, self.constants.max_count)

    def rates(self, g: Graph, state: Value) -> Value:
        """Return the rates int32 at membrane potentials `state`, in 2**-12 spikes per step."""
        return self.sampling.rates(g, state)

    def integrate(self, g: Graph, state: Value, total: Value, sent: Value) -> tuple[Value, Hits]:
        """Return the membrane potentials after the counts of this step have competed.

        The input of a neuron without its self-inhibition is clipped first, by a number; this equals
        clipping the whole by a tensor (docs/ir.md, step 3).
        """
        group = self.constants
        extra = group.extra_bits
        highest, lowest = group.excitation_max << extra, group.update_min << extra
        wide = g.cast(sent, INT64)
        if group.loop_inhibition is not None:
            loop = g.constant(group.loop_inhibition.astype(np.int64), "loop_inhibition")
            total = g.op("Add", total, g.op("Mul", wide, loop))
        own = g.op("Mul", wide, g.constant(group.own_inhibition, "own_inhibition"))
        bounded = g.op("Sub", g.op("Min", total, highest), own)
        update = g.op("Max", bounded, lowest)
        if extra:
            update = g.floor_shift(g.op("Add", update, 1 << (extra - 1)), extra, 1 << (62 - extra))
        moved = g.op("Add", g.cast(state, INT64), update)
        hits = {
            "count": g.compare("GreaterOrEqual", sent, group.max_count),
            "excitation": g.compare("Greater", total, highest),
            "inhibition": g.compare("Less", bounded, lowest),
            "potential": g.compare("Greater", moved, group.state_max),
        }
        return g.cast(g.op("Clip", moved, group.state_min, group.state_max), INT32), hits


class LcaOnnx(ComputingOnnx):
    """LCA neurons: leaky integrators with a soft threshold."""

    def __init__(self, neurons: LcaNeurons) -> None:
        self.constants, self.bias = neurons, None
        self.initial = np.zeros(neurons.size, np.int32)

    def send(self, g: Graph, state: Value, draw: Draw) -> Value:
        """Return the payloads that leave the states; nothing is drawn."""
        group = self.constants
        above = g.op("Max", g.op("Sub", state, g.constant(group.threshold, "threshold")), 0)
        if group.payload_shift:
            above = g.shift_right(above, group.payload_shift)
        return g.op("Min", above, group.max_payload)

    def integrate(self, g: Graph, state: Value, total: Value, sent: Value) -> tuple[Value, Hits]:
        """Return the states a step nearer to the sums."""
        group = self.constants
        wide, shift = g.cast(state, INT64), group.leak_shift
        nearer = g.op("Add", g.op("Sub", total, wide), 1 << (shift - 1))
        moved = g.op("Add", wide, g.floor_shift(nearer, shift, 1 << (62 - shift)))
        hits = {
            "count": g.compare("GreaterOrEqual", sent, group.max_payload),
            "potential": g.compare("Greater", moved, group.state_max),
        }
        return g.cast(g.op("Clip", moved, -group.state_max, group.state_max), INT32), hits


class AccumulatorOnnx(StatefulOnnx):
    """Accumulators: the scores of classes. They send nothing."""

    def __init__(self, neurons: Accumulators) -> None:
        self.bias, self.initial = neurons.bias, np.zeros(neurons.size, np.int32)

    def integrate(self, g: Graph, state: Value, total: Value, sent: Value) -> tuple[Value, Hits]:
        """Return the states after the sums of a step; a state beyond 24 bits saturates."""
        limit = signed_limit(STATE_BITS)
        moved = g.op("Add", g.cast(state, INT64), total)
        beyond = g.compare("Greater", g.op("Abs", moved), limit)
        return g.cast(g.op("Clip", moved, -limit, limit), INT32), {"potential": beyond}


class ResidualOnnx:
    """Residual neurons: they keep no state."""

    def __init__(self, neurons: ResidualNeurons) -> None:
        self.limit = neurons.limit

    def relay(self, g: Graph, payload: Value, total: Value) -> tuple[Value, Hits]:
        """Return the differences (N, M) int32 between payload and prediction, and where they clip.

        payload: int32, total: int64.
        """
        error = g.op("Sub", g.cast(payload, INT64), total)
        clipped = g.op("Clip", error, -self.limit, self.limit)
        beyond = g.compare("Greater", g.op("Abs", error), self.limit)
        return g.cast(clipped, INT32), {"residual": beyond}


# Each kind takes the neurons of its own kind.
COMPUTING: Final[Mapping[str, Callable[[Any], ComputingOnnx]]] = {
    PoissonNeurons.kind: PoissonOnnx,
    LcaNeurons.kind: LcaOnnx,
}
STATEFUL: Final[Mapping[str, Callable[[Any], StatefulOnnx]]] = {
    **COMPUTING,
    Accumulators.kind: AccumulatorOnnx,
}
RELAYS: Final[Mapping[str, Callable[[Any], ResidualOnnx]]] = {ResidualNeurons.kind: ResidualOnnx}


def computing(neurons: Neurons) -> ComputingOnnx:
    """Return neurons that compute; BackendError for a kind that these models do not have."""
    _require_known(neurons, COMPUTING)
    return COMPUTING[neurons.kind](neurons)


def stateful(neurons: Neurons) -> StatefulOnnx:
    """Return neurons that keep a state; BackendError for a kind that these models do not have."""
    _require_known(neurons, STATEFUL)
    return STATEFUL[neurons.kind](neurons)


def relaying(neurons: Neurons) -> ResidualOnnx:
    """Return neurons without a state; BackendError for a kind that these models do not have."""
    _require_known(neurons, RELAYS)
    return RELAYS[neurons.kind](neurons)


def _require_known(neurons: Neurons, kinds: Mapping[str, object]) -> None:
    if neurons.kind not in kinds:
        raise BackendError(
            f"onnx: neurons of kind {neurons.kind!r} are not among {', '.join(kinds)}; use the "
            "back end reference"
        )
