"""A trained float network as ONNX subgraphs: a `Circuit` (export/onnx/models.py).

It computes the same as ipvae_snn/inference/reference.py, in Gram form, with the state in float32 or
float64. Counts are always drawn in float64, since float32 cannot represent a 31-bit uniform.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ipvae_snn.arrays import Array, Int64
from ipvae_snn.export.onnx.graph import FLOAT32, FLOAT64, INT64, UINT64, Dim, Graph, Value
from ipvae_snn.export.onnx.models import Read, States, Stepped
from ipvae_snn.export.onnx.primitives import Draw, Keys, spike_counts
from ipvae_snn.image_shape import shape_text
from ipvae_snn.inference.reference import Dynamics, dynamics
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.float_sampler import MAX_COUNT_PER_PART, MAX_LOG_RATE
from ipvae_snn.ir.prng import UNIFORM_BITS
from ipvae_snn.ir.sampler import SPLIT_OCTAVES
from ipvae_snn.models.float_network import FloatNetwork

Precision = Literal["float32", "float64"]
ELEMENT: Final[dict[Precision, int]] = {"float32": FLOAT32, "float64": FLOAT64}
# Slightly below the true limit, so that rounding cannot drop a part; the number of parts decides.
ONE_PART_MARGIN: Final = 1e-5


@dataclass(frozen=True)
class FloatSampling:
    """Poisson counts by inversion (ir/float_sampler.py); the state is the log rate in nats."""

    max_part_count: int = MAX_COUNT_PER_PART
    one_part_limit: float = SPLIT_OCTAVES * math.log(2.0) - ONE_PART_MARGIN
    splits: bool = True

    def may_spike(self, g: Graph, state: Value, uniform: Value) -> Value:
        """Return whether exp(-rate) <= u; division into parts makes a count of 0 more likely."""
        silent = g.op("Exp", g.op("Neg", self._rate(g, state)))
        return g.compare("LessOrEqual", silent, self._unit(g, uniform))

    def parts(self, g: Graph, state: Value) -> Value:
        """Return 2**max(0, ceil(log2(rate) - 3))."""
        octaves = g.op("Mul", self._capped(g, state), 1.0 / math.log(2.0))
        above = g.op("Ceil", g.op("Sub", octaves, float(SPLIT_OCTAVES)))
        power = g.cast(g.op("Max", above, 0.0), UINT64)
        return g.cast(g.op("BitShift", g.scalar(1, UINT64), power, direction="LEFT"), INT64)

    def begin(self, g: Graph, state: Value, uniform: Value) -> tuple[Value, Value, Value]:
        """Return (u, rate of a part, exp(-rate)), float64."""
        parts = g.cast(self.parts(g, state), FLOAT64)
        rate = g.op("Div", self._rate(g, state), parts)
        return self._unit(g, uniform), rate, g.op("Exp", g.op("Neg", rate))

    def advance(self, g: Graph, probability: Value, rate: Value, k: Value) -> Value:
        """Return probability * rate / k."""
        return g.op("Div", g.op("Mul", probability, rate), g.cast(k, FLOAT64))

    def _capped(self, g: Graph, state: Value) -> Value:
        return g.op("Min", g.cast(state, FLOAT64), MAX_LOG_RATE)

    def _rate(self, g: Graph, state: Value) -> Value:
        return g.op("Exp", self._capped(g, state))

    def _unit(self, g: Graph, uniform: Value) -> Value:
        middle = g.op("Add", g.cast(uniform, FLOAT64), 0.5)
        return g.op("Mul", middle, 1.0 / (1 << UNIFORM_BITS))


@dataclass(frozen=True)
class FloatCircuit:
    """A float network as the parts of an ONNX model: a `Circuit`. Build it with `float_circuit`."""

    network: FloatNetwork
    dynamics: Dynamics
    arithmetic: Precision
    pixel_type: int = FLOAT32

    @property
    def state_type(self) -> int:
        """ONNX element type of the membrane potential and of the input current."""
        return ELEMENT[self.arithmetic]

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return self.network.n_pixels

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.network.n_neurons

    def appear(self, g: Graph, pixels: Value) -> Value | None:
        """Return the first potentials (N, K) that the start gives pixels; None without one."""
        d = self.dynamics
        if d.start is None:
            return None
        weights = self._constant(g, d.start, "start")
        moved = g.op("MatMul", g.cast(pixels, self.state_type), weights)
        started = g.op("Add", moved, g.constant(self.initial_state, "initial_state"))
        return g.op("Clip", started, float(d.floor), float(d.clip))

    @property
    def initial_state(self) -> Array:
        """Initial log rates (K,) in nats."""
        return self.dynamics.u0.astype(self.arithmetic)

    def _constant(self, g: Graph, array: Array, name: str) -> Value:
        return g.constant(array.astype(self.arithmetic), name)

    @property
    def labels(self) -> Int64:
        """A float network has no scores of classes."""
        return np.zeros(0, np.int64)

    @property
    def n_held(self) -> int:
        """Length of the stored input per image: K input currents."""
        return self.n_neurons

    def held(self, g: Graph, pixels: Value) -> Value:
        """Return exp(log_lr) (phi^T x / sigma^2 - exp(log_bias)), (N, K)."""
        d = self.dynamics
        weights = self._constant(g, d.step_size * d.feed_forward, "feedforward")
        drive = g.op("MatMul", g.cast(pixels, self.state_type), weights)
        return g.op("Sub", drive, self._constant(g, d.step_size * d.bias, "bias"))

    def step(self, g: Graph, keys: Keys, step: Value, states: States, held: Value) -> Stepped:
        """Return counts int32 and state after the step, (N, K); soft clips saturate nowhere.

        In a step of n updates, update j uses the uniforms of update step * n + j. counts are those
        of the last update, spikes those of all updates.
        """
        updates, state = self.network.updates_per_step, states.potentials
        if updates == 1:
            return Stepped(*self._update(g, keys, step, state, held, None))
        first = g.op("Mul", step, updates)
        # At the first update the potential is where the step started: the leak is zero.
        counts, after = self._update(g, keys, first, state, held, None)

        def update(
            h: Graph, j: Value, carried: list[Value]
        ) -> tuple[None, list[Value], list[Value]]:
            number = h.op("Add", h.op("Add", first, j), 1)
            drawn, moved = self._update(h, keys, number, carried[1], held, state)
            return None, [drawn, moved, h.op("Add", carried[2], drawn)], []

        shape: list[list[Dim]] = [["N", self.n_neurons]] * 3
        trips = g.scalar(updates - 1, INT64)
        counts, after, spikes = g.loop(trips, [counts, after, counts], update, shape)
        return Stepped(counts, after, spikes=spikes)

    def _update(
        self, g: Graph, keys: Keys, number: Value, state: Value, held: Value, start: Value | None
    ) -> tuple[Value, Value]:
        """Return counts int32 and state after update `number`; the leak pulls towards `start`."""
        d = self.dynamics
        counts = spike_counts(g, FloatSampling(), Draw(keys, number), state, self.n_neurons)
        lateral = self._constant(g, d.step_size * d.G, "lateral")
        change = g.op("Sub", held, g.op("MatMul", g.cast(counts, self.state_type), lateral))
        pull = d.step_size * self.network.leak
        if start is not None and pull > 0:
            change = g.op("Sub", change, g.op("Mul", g.op("Sub", state, start), pull))
        return counts, self._soft_clip(g, g.op("Add", state, self._soft_clip(g, change)))

    def _soft_clip(self, g: Graph, a: Value) -> Value:
        """Return clip - softplus(clip - max(a, floor)), with a softplus that cannot overflow."""
        clip = g.scalar(self.dynamics.clip, a.dtype)
        below = g.op("Sub", clip, g.op("Max", a, self.dynamics.floor))
        small = g.op("Exp", g.op("Neg", g.op("Abs", below)))
        softplus = g.op("Add", g.op("Max", below, 0.0), g.op("Log", g.op("Add", small, 1.0)))
        return g.op("Sub", clip, softplus)

    @property
    def decoding(self) -> Decoding:
        """The counts of the last update are decoded."""
        return SAMPLE

    def decode(self, g: Graph, read: Read) -> Value:
        """Return phi z, (N, M) float32."""
        phi = self._constant(g, self.network.phi.T, "dictionary")
        return g.cast(g.op("MatMul", g.cast(read.added, self.state_type), phi), FLOAT32)

    def metadata(self) -> dict[str, str]:
        """Return the metadata of this network, by name."""
        return {
            "input_kind": self.network.input_kind,
            "input_shape": shape_text(self.network.image_shape),
            "state_unit": "nats (log of the rate)",
            "step_size": repr(self.dynamics.step_size),
            "clip": repr(float(self.dynamics.clip)),
            "floor": repr(float(self.dynamics.floor)),
            **self._step_metadata(),
            "provenance.source": self.network.source,
            "provenance.trained_on": self.network.trained_on,
        }

    def _step_metadata(self) -> dict[str, str]:
        """Return the updates per step and the leak, of a network that has several."""
        if self.network.updates_per_step == 1:
            return {}
        return {
            "updates_per_step": str(self.network.updates_per_step),
            "leak": repr(self.network.leak),
        }


def float_circuit(network: FloatNetwork, precision: Precision = "float64") -> FloatCircuit:
    """Return the circuit of a float network with its state in `precision`."""
    return FloatCircuit(network, dynamics(network), precision)
