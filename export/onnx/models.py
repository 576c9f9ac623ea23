"""The three ONNX models of a circuit: encode, step and whole inference.

Integer and float circuits differ in their parts only; their models have the same inputs and
outputs. N, the number of images, is dynamic; T, the number of steps, is an input.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

import numpy as np
import onnx

from ipvae_snn import __version__
from ipvae_snn.arrays import Array, Int64
from ipvae_snn.export.onnx.graph import INT32, INT64, Dim, Graph, Value
from ipvae_snn.export.onnx.primitives import Keys, make_keys
from ipvae_snn.ir.decoding import Decoding
from ipvae_snn.ir.trace import SATURATIONS

CLASS: Final = "label of the largest score, of the first one where several are largest"
SATURATED: Final = "number of saturated neurons: " + ", ".join(SATURATIONS)


class States(NamedTuple):
    """States between two steps: potentials (N, K), and scores (N, S) where the network has any."""

    potentials: Value
    scores: Value | None = None


class Stepped(NamedTuple):
    """One step: counts int32 of its last update and the state after it, both (N, K).

    saturated (N, 5) int32, by trace.SATURATIONS, is None where the arithmetic never saturates.
    spikes (N, K) int32: those of all updates of the step, None for one update per step.
    scores (N, S) int32 after the step, None where the network has none.
    """

    counts: Value
    state: Value
    saturated: Value | None = None
    spikes: Value | None = None
    scores: Value | None = None


class Read(NamedTuple):
    """What a reconstruction is made from.

    added (N, K) int32: counts of the last `steps` steps (int64 scalar; None for one), added up;
    state (N, K): potentials after the last one.
    """

    added: Value
    state: Value
    steps: Value | None = None


class Circuit(Protocol):
    """Parts of an ONNX model in one arithmetic; N images, M pixels, K neurons, S scores."""

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
        """Initial membrane potentials (K,) of an image, before a start moves them."""

    def appear(self, g: Graph, pixels: Value) -> Value | None:
        """Return the first potentials (N, K) that a start gives pixels (N, M); None without one."""

    @property
    def labels(self) -> Int64:
        """The class (S,) that each score stands for; S is 0 where there is no read-out."""

    @property
    def n_held(self) -> int:
        """Length of the stored input per image."""

    def held(self, g: Graph, pixels: Value) -> Value:
        """Return the stored input (N, n_held) of pixels (N, M)."""

    def step(self, g: Graph, keys: Keys, step: Value, states: States, held: Value) -> Stepped:
        """Return one step from `states` with the stored input `held`."""

    @property
    def decoding(self) -> Decoding:
        """What the reconstruction is decoded from."""

    def decode(self, g: Graph, read: Read) -> Value:
        """Return the reconstruction (N, M) float32 as `decoding` has it."""

    def metadata(self) -> dict[str, str]:
        """Return the metadata of this network, by name."""


def encode_model(circuit: Circuit) -> onnx.ModelProto:
    """Return the model pixels (N, M) -> held (N, n_held), state (N, K), scores (N, S) if any."""
    g = Graph("encode")
    shape: list[Dim] = ["N", circuit.n_neurons]
    pixels = _pixels(g, circuit)
    g.output("held", circuit.held(g, pixels), ["N", circuit.n_held], "stored input of the image")
    g.output("state", _initial_state(g, circuit, pixels), shape, "initial membrane potential")
    if len(circuit.labels):
        g.output("scores", _no_scores(g, circuit, pixels), ["N", len(circuit.labels)], "all 0")
    return _finish(g, circuit, "encode", "the input side")


def step_model(circuit: Circuit) -> onnx.ModelProto:
    """Return the model held, state (N, K), seed, image (N,), step -> counts, next_state.

    And saturated (N, 5) where the circuit counts saturations; spikes (N, K) of all updates where a
    step has several (counts are those of the last one). Where there is a read-out, also scores
    (N, S) -> next_scores and class (N,) int64, the label of the largest score.
    """
    g = Graph("step")
    shape: list[Dim] = ["N", circuit.n_neurons]
    held = g.input("held", circuit.state_type, ["N", circuit.n_held], "from encode")
    state = g.input("state", circuit.state_type, shape, "membrane potential")
    wide: list[Dim] = ["N", len(circuit.labels)]
    scores = g.input("scores", INT32, wide, "scores of classes") if wide[1] else None
    seed = _seed(g)
    image = g.input("image", INT64, ["N"], "index of each image in its data set, 0 .. 2**32-1")
    step = g.input("step", INT64, [], "0 .. 2**20-1")
    done = circuit.step(g, _keys(g, seed, image), step, States(state, scores), held)
    g.output("counts", done.counts, shape, "spikes of this step")
    g.output("next_state", done.state, shape, "membrane potential after the update")
    if done.spikes is not None:
        g.output("spikes", done.spikes, shape, "spikes of all updates of this step")
    if done.saturated is not None:
        g.output("saturated", done.saturated, ["N", len(SATURATIONS)], SATURATED)
    if done.scores is not None:
        g.output("next_scores", done.scores, wide, "scores after the step")
        g.output("class", _class(g, circuit, done.scores), ["N"], CLASS)
    return _finish(g, circuit, "step", "one time step")


def inference_model(
    circuit: Circuit, trace: bool = False, resumed: bool = False
) -> onnx.ModelProto:
    """Return the model pixels (N, M), seed, first_image, steps -> the arrays of a Trace.

    counts_sum int64 (N, K), state (N, K), spikes_per_step int64 (N, T), reconstruction float32
    (N, M); saturated int32 (N, T, 5) where the circuit counts saturations; where there is a
    read-out, scores int32 (N, T, S) and class int64 (N,) after the last step; with `trace` also
    counts int32 and states, both (N, T, K). `resumed`: state, scores and first_step are inputs too,
    so that another image goes on where the last one stopped.
    """
    g = Graph("inference")
    k, s = circuit.n_neurons, len(circuit.labels)
    pixels = _pixels(g, circuit)
    seed = _seed(g)
    first_image = g.input("first_image", INT64, [], "index of the first row in its data set")
    steps = g.input("steps", INT64, [], "number of time steps T, 1 .. 2**20")
    rows = g.reshape(_rows(g, pixels))
    keys = _keys(g, seed, g.op("Range", first_image, g.op("Add", first_image, rows), 1))
    held = circuit.held(g, pixels)
    if resumed:
        initial = g.input("initial_state", circuit.state_type, ["N", k], "membrane potential")
        scores = [g.input("initial_scores", INT32, ["N", s], "scores of classes")] if s else []
        first_step = g.input("first_step", INT64, [], "steps that are over")
    else:
        initial = _initial_state(g, circuit, pixels)
        scores = [_no_scores(g, circuit, pixels)] if s else []
    kept: list[tuple[str, int, str]] = []  # scan outputs of every step: name, length, text

    window: Value | None = None  # number of last steps whose counts are added up
    if circuit.decoding.kind == "mean":
        window = g.op("Min", steps, circuit.decoding.steps)
        added_from = g.op("Sub", steps, window)

    def step(h: Graph, i: Value, carried: list[Value]) -> tuple[None, list[Value], list[Value]]:
        state, added, counts_sum, *before = carried
        number = h.op("Add", i, first_step) if resumed else i
        done = circuit.step(h, keys, number, States(state, *before), held)
        counts = done.counts
        if window is not None:
            counted = h.cast(h.compare("GreaterOrEqual", i, added_from), INT32)
            counts = h.op("Add", added, h.op("Mul", counts, counted))
        wide = h.cast(done.counts if done.spikes is None else done.spikes, INT64)
        stacked, after = [], []
        if done.saturated is not None:
            kept.append(("saturated", len(SATURATIONS), SATURATED))
            stacked.append(done.saturated)
        if done.scores is not None:
            kept.append(("scores", s, "scores of classes after every step"))
            stacked.append(done.scores)
            after.append(done.scores)
        if trace:
            kept.extend([("counts", k, "every step"), ("states", k, "every step")])
            stacked += [done.counts, done.state]
        # The reference evaluator stacks scan outputs with vstack, which adds no axis to a matrix.
        scans = [h.reduce("ReduceSum", wide, 1), *(h.unsqueeze(value, 0) for value in stacked)]
        return None, [done.state, counts, h.op("Add", counts_sum, wide), *after], scans

    zeros = g.full(g.shape(initial), 0, np.int32)
    carried = [initial, zeros, g.cast(zeros, INT64), *scores]
    shapes: list[list[Dim]] = [["N", k] for _ in range(3)]
    shapes += [["N", s] for _ in scores]
    state, counts, counts_sum, *rest = g.loop(steps, carried, step, shapes)
    last, (spikes, *stacked) = rest[: len(scores)], rest[len(scores) :]
    spikes = g.op("Transpose", spikes, perm=[1, 0])
    reconstruction = circuit.decode(g, Read(counts, state, window))
    g.output("counts_sum", counts_sum, ["N", k], "spikes of all steps")
    g.output("state", state, ["N", k], "membrane potential after the last step")
    g.output("spikes_per_step", spikes, ["N", "T"], "spikes of all neurons in each step")
    text = f"decoded after the last step: {circuit.decoding}"
    g.output("reconstruction", reconstruction, ["N", circuit.n_pixels], text)
    for (name, length, text), value in zip(kept, stacked, strict=True):
        shape = g.op("Concat", g.reshape(steps, 1), g.ints(-1, length), axis=0)
        shaped = g.raw("Reshape", [value, shape], [value.dtype])[0]
        g.output(name, g.op("Transpose", shaped, perm=[1, 0, 2]), ["N", "T", length], text)
    for value in last:
        g.output("class", _class(g, circuit, value), ["N"], CLASS)
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
    started = circuit.appear(g, pixels)
    if started is not None:
        return started
    shape = g.op("Concat", _rows(g, pixels), g.ints(circuit.n_neurons), axis=0)
    initial = g.constant(circuit.initial_state, "initial_state")
    return g.raw("Expand", [initial, shape], [circuit.state_type])[0]


def _no_scores(g: Graph, circuit: Circuit, pixels: Value) -> Value:
    shape = g.op("Concat", _rows(g, pixels), g.ints(len(circuit.labels)), axis=0)
    return g.full(shape, 0, np.int32)


def _class(g: Graph, circuit: Circuit, scores: Value) -> Value:
    """Return the label (N,) of the largest score, of the first one where several are largest."""
    largest = g.op("ArgMax", scores, dtype=INT64, axis=1, keepdims=0)
    return g.gather(g.constant(circuit.labels, "labels"), largest)


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
