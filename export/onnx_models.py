"""Assembles the three ONNX models of a circuit: encode, step and whole inference.

Integer and float circuits differ in their parts only; the models have the same inputs and
outputs. N, the number of images, is dynamic; T, the number of steps, is an input.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import onnx

from ipvae_snn import __version__
from ipvae_snn.export.graph import INT32, INT64, Array, Dim, Graph, Value
from ipvae_snn.export.onnx_primitives import Keys, make_keys


class Circuit(Protocol):
    """What an exporter of some arithmetic provides; N images, M pixels, K neurons."""

    @property
    def arithmetic(self) -> str:
        """The name of the arithmetic: integer, float32 or float64."""

    @property
    def pixel_type(self) -> int:
        """ONNX element type of the pixels."""

    @property
    def state_type(self) -> int:
        """ONNX element type of membrane potential and held current."""

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""

    @property
    def initial_state(self) -> Array:
        """Membrane potentials (K,) when an image appears."""

    def held_current(self, g: Graph, pixels: Value) -> Value:
        """Return the held current (N, K) of pixels (N, M)."""

    def step(
        self, g: Graph, keys: Keys, step: Value, state: Value, current: Value
    ) -> tuple[Value, Value]:
        """Return (counts int32, state after the update), both (N, K)."""

    def decode(self, g: Graph, counts: Value) -> Value:
        """Return the reconstruction (N, M) float32 of counts (N, K) int32."""

    def metadata(self) -> dict[str, str]:
        """Return what distinguishes this network, by name."""


def encode_model(circuit: Circuit) -> onnx.ModelProto:
    """Return the model pixels (N, M) -> current (N, K), state (N, K)."""
    g = Graph("encode")
    shape: list[Dim] = ["N", circuit.n_neurons]
    pixels = _pixels(g, circuit)
    g.output("current", circuit.held_current(g, pixels), shape, "held current of the image")
    g.output("state", _initial_state(g, circuit, pixels), shape, "initial membrane potential")
    return _finish(g, circuit, "encode", "the input side")


def step_model(circuit: Circuit) -> onnx.ModelProto:
    """Return the model current, state (N, K), seed, image (N,), step -> counts, next_state."""
    g = Graph("step")
    shape: list[Dim] = ["N", circuit.n_neurons]
    current = g.input("current", circuit.state_type, shape, "held current, from encode")
    state = g.input("state", circuit.state_type, shape, "membrane potential")
    seed = _seed(g)
    image = g.input("image", INT64, ["N"], "index of each image in its data set, 0 .. 2**32-1")
    step = g.input("step", INT64, [], "0 .. 2**20-1")
    counts, after = circuit.step(g, _keys(g, seed, image), step, state, current)
    g.output("counts", counts, shape, "spikes of this step")
    g.output("next_state", after, shape, "membrane potential after the update")
    return _finish(g, circuit, "step", "one time step")


def inference_model(circuit: Circuit, trace: bool = False) -> onnx.ModelProto:
    """Return the model pixels (N, M), seed, first_image, steps -> the arrays of a Trace.

    counts_sum int64 (N, K), state (N, K), spikes_per_step int64 (N, T), reconstruction float32
    (N, M); with `trace` also counts int32 and states, both (N, T, K).
    """
    g = Graph("inference")
    k = circuit.n_neurons
    pixels = _pixels(g, circuit)
    seed = _seed(g)
    first_image = g.input("first_image", INT64, [], "index of the first row in its data set")
    steps = g.input("steps", INT64, [], "number of time steps T, 1 .. 2**20")
    rows = g.reshape(_rows(g, pixels))
    keys = _keys(g, seed, g.op("Range", first_image, g.op("Add", first_image, rows), 1))
    current = circuit.held_current(g, pixels)

    def step(h: Graph, i: Value, carried: list[Value]) -> tuple[None, list[Value], list[Value]]:
        state, _, counts_sum = carried
        counts, after = circuit.step(h, keys, i, state, current)
        wide = h.cast(counts, INT64)
        # The reference evaluator stacks scan outputs with vstack, which adds no axis to a matrix.
        traced = [h.unsqueeze(counts, 0), h.unsqueeze(after, 0)] if trace else []
        scans = [h.reduce("ReduceSum", wide, 1), *traced]
        return None, [after, counts, h.op("Add", counts_sum, wide)], scans

    initial = _initial_state(g, circuit, pixels)
    zeros = g.full(g.shape(initial), 0, np.int32)
    carried = [initial, zeros, g.cast(zeros, INT64)]
    state, counts, counts_sum, spikes, *traced = g.loop(steps, carried, step, [["N", k]] * 3)
    spikes = g.op("Transpose", spikes, perm=[1, 0])
    reconstruction = circuit.decode(g, counts)
    g.output("counts_sum", counts_sum, ["N", k], "spikes of all steps")
    g.output("state", state, ["N", k], "membrane potential after the last step")
    g.output("spikes_per_step", spikes, ["N", "T"], "spikes of all neurons in each step")
    g.output("reconstruction", reconstruction, ["N", circuit.n_pixels], "read-out of the last step")
    shape = g.op("Concat", g.reshape(steps, 1), g.ints(-1, k), axis=0)
    for name, value in zip(("counts", "states"), traced, strict=False):
        stacked = g.raw("Reshape", [value, shape], [value.dtype])[0]
        g.output(name, g.op("Transpose", stacked, perm=[1, 0, 2]), ["N", "T", k], "every step")
    return _finish(g, circuit, "inference", "whole inference")


def _pixels(g: Graph, circuit: Circuit) -> Value:
    return g.input("pixels", circuit.pixel_type, ["N", circuit.n_pixels], "images, one a row")


def _seed(g: Graph) -> Value:
    return g.input("seed", INT64, [], "key of all uniforms, 0 .. 2**32-1")


def _rows(g: Graph, value: Value) -> Value:
    return g.raw("Shape", [value], [INT64], start=0, end=1)[0]


def _keys(g: Graph, seed: Value, images: Value) -> Keys:
    # No word has rank 0: NumPy warns where a scalar addition wraps, and these are meant to.
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
