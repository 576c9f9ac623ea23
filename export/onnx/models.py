"""The three ONNX models of a circuit: encode, step and whole inference.

Integer and float circuits differ in their parts only; their models have the same inputs and
outputs. N, the number of images, is dynamic; T, the number of steps, is an input.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import numpy as np
import onnx

from ipvae_snn import __version__
from ipvae_snn.arrays import Array
from ipvae_snn.export.onnx.graph import INT32, INT64, Dim, Graph, Value
from ipvae_snn.export.onnx.primitives import Keys, make_keys
from ipvae_snn.ir.trace import SATURATIONS

SATURATED: Final = "number of saturated neurons: " + ", ".join(SATURATIONS)


class Stepped(NamedTuple):
    """One step: counts int32 of its last update and the state after it, both (N, K).

    saturated (N, 5) int32, by trace.SATURATIONS, is None where the arithmetic never saturates.
    spikes (N, K) int32: those of all updates of the step, None for one update per step.
    """

    counts: Value
    state: Value
    saturated: Value | None = None
    spikes: Value | None = None


class Circuit(Protocol):
    """Parts of an ONNX model in one arithmetic; N images, M pixels, K neurons."""

    @property
    def arithmetic(self) -> str:
        """The name of the arithmetic: integer, float32 or float64."""

    @property
    def pixel_type(self) -> int:
        """ONNX element type of the pixels."""

    @property
    def state_type(self) -> int:
        """ONNX element type of the membrane potential and of the stored input."""

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""

    @property
    def initial_state(self) -> Array:
        """Initial membrane potentials (K,) of an image."""

    @property
    def n_held(self) -> int:
        """Length of the stored input per image."""

    def held(self, g: Graph, pixels: Value) -> Value:
        """Return the stored input (N, n_held) of pixels (N, M)."""

    def step(self, g: Graph, keys: Keys, step: Value, state: Value, held: Value) -> Stepped:
        """Return one step from `state` (N, K) with the stored input `held`."""

    def decode(self, g: Graph, counts: Value) -> Value:
        """Return the reconstruction (N, M) float32 of counts (N, K) int32."""

    def metadata(self) -> dict[str, str]:
        """Return the metadata of this network, by name."""


def encode_model(circuit: Circuit) -> onnx.ModelProto:
    """Return the model pixels (N, M) -> held (N, n_held), state (N, K)."""
    g = Graph("encode")
    shape: list[Dim] = ["N", circuit.n_neurons]
    pixels = _pixels(g, circuit)
    g.output("held", circuit.held(g, pixels), ["N", circuit.n_held], "stored input of the image")
    g.output("state", _initial_state(g, circuit, pixels), shape, "initial membrane potential")
    return _finish(g, circuit, "encode", "the input side")


def step_model(circuit: Circuit) -> onnx.ModelProto:
    """Return the model held, state (N, K), seed, image (N,), step -> counts, next_state.

    And saturated (N, 5) where the circuit counts saturations; spikes (N, K) of all updates where a
    step has several (counts are those of the last one).
    """
    g = Graph("step")
    shape: list[Dim] = ["N", circuit.n_neurons]
    held = g.input("held", circuit.state_type, ["N", circuit.n_held], "from encode")
    state = g.input("state", circuit.state_type, shape, "membrane potential")
    seed = _seed(g)
    image = g.input("image", INT64, ["N"], "index of each image in its data set, 0 .. 2**32-1")
    step = g.input("step", INT64, [], "0 .. 2**20-1")
    counts, after, saturated, spikes = circuit.step(g, _keys(g, seed, image), step, state, held)
    g.output("counts", counts, shape, "spikes of this step")
    g.output("next_state", after, shape, "membrane potential after the update")
    if spikes is not None:
        g.output("spikes", spikes, shape, "spikes of all updates of this step")
    if saturated is not None:
        g.output("saturated", saturated, ["N", len(SATURATIONS)], SATURATED)
    return _finish(g, circuit, "step", "one time step")


def inference_model(circuit: Circuit, trace: bool = False) -> onnx.ModelProto:
    """Return the model pixels (N, M), seed, first_image, steps -> the arrays of a Trace.

    counts_sum int64 (N, K), state (N, K), spikes_per_step int64 (N, T), reconstruction float32
    (N, M); saturated int32 (N, T, 5) where the circuit counts saturations; with `trace` also
    counts int32 and states, both (N, T, K).
    """
    g = Graph("inference")
    k = circuit.n_neurons
    pixels = _pixels(g, circuit)
    seed = _seed(g)
    first_image = g.input("first_image", INT64, [], "index of the first row in its data set")
    steps = g.input("steps", INT64, [], "number of time steps T, 1 .. 2**20")
    rows = g.reshape(_rows(g, pixels))
    keys = _keys(g, seed, g.op("Range", first_image, g.op("Add", first_image, rows), 1))
    held = circuit.held(g, pixels)
    kept: list[tuple[str, int, str]] = []  # scan outputs of every step: name, length, text

    def step(h: Graph, i: Value, carried: list[Value]) -> tuple[None, list[Value], list[Value]]:
        state, _, counts_sum = carried
        counts, after, saturated, spikes = circuit.step(h, keys, i, state, held)
        wide = h.cast(counts if spikes is None else spikes, INT64)
        stacked = []
        if saturated is not None:
            kept.append(("saturated", len(SATURATIONS), SATURATED))
            stacked.append(saturated)
        if trace:
            kept.extend([("counts", k, "every step"), ("states", k, "every step")])
            stacked += [counts, after]
        # The reference evaluator stacks scan outputs with vstack, which adds no axis to a matrix.
        scans = [h.reduce("ReduceSum", wide, 1), *(h.unsqueeze(value, 0) for value in stacked)]
        return None, [after, counts, h.op("Add", counts_sum, wide)], scans

    initial = _initial_state(g, circuit, pixels)
    zeros = g.full(g.shape(initial), 0, np.int32)
    carried = [initial, zeros, g.cast(zeros, INT64)]
    state, counts, counts_sum, spikes, *stacked = g.loop(steps, carried, step, [["N", k]] * 3)
    spikes = g.op("Transpose", spikes, perm=[1, 0])
    reconstruction = circuit.decode(g, counts)
    g.output("counts_sum", counts_sum, ["N", k], "spikes of all steps")
    g.output("state", state, ["N", k], "membrane potential after the last step")
    g.output("spikes_per_step", spikes, ["N", "T"], "spikes of all neurons in each step")
    g.output("reconstruction", reconstruction, ["N", circuit.n_pixels], "read-out of the last step")
    for (name, length, text), value in zip(kept, stacked, strict=True):
        shape = g.op("Concat", g.reshape(steps, 1), g.ints(-1, length), axis=0)
        shaped = g.raw("Reshape", [value, shape], [value.dtype])[0]
        g.output(name, g.op("Transpose", shaped, perm=[1, 0, 2]), ["N", "T", length], text)
    return _finish(g, circuit, "inference", "whole inference")


def _pixels(g: Graph, circuit: Circuit) -> Value:
    return g.input("pixels", circuit.pixel_type, ["N", circuit.n_pixels], "images, one per row")


def _seed(g: Graph) -> Value:
    return g.input("seed", INT64, [], "key of all uniforms, 0 .. 2**32-1")


def _rows(g: Graph, value: Value) -> Value:
    return g.raw("Shape", [value], [INT64], start=0, end=1)[0]


def _keys(g: Graph, seed: Value, images: Value) -> Keys:
    # No word has rank 0: NumPy warns where a scalar addition wraps, and these must wrap.
    return make_keys(g, g.reshape(g.cast(seed, INT32), 1), g.unsqueeze(g.cast(images, INT32), 1))


def _initial_state(g: Graph, circuit: Circuit, pixels: Value) -> Value:
    shape = g.op("Concat", _rows(g, pixels), g.ints(circuit.n_neurons), axis=0)
    initial = g.constant(circuit.initial_state, "initial_state")
    return g.raw("Expand", [initial, shape], [circuit.state_type])[0]


def _finish(g: Graph, circuit: Circuit, role: str, what: str) -> onnx.ModelProto:
    entries = {
        "version": __version__,
        "arithmetic": circuit.arithmetic,
        "role": role,
        **circuit.metadata(),
    }
    return g.model(
        f"ipvae-snn: {what} of an iP-VAE spike-count network, {circuit.arithmetic} arithmetic.",
        {f"ipvae_snn.{name}": text for name, text in entries.items()},
    )
