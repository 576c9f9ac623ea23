"""Write a network as a folder of ONNX models, and check such a folder by running it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array, Float32, UInt8
from ipvae_snn.errors import DivergedError
from ipvae_snn.export.onnx.backend import inference_feed, runtime, trace_of
from ipvae_snn.export.onnx.floats import Precision, float_circuit
from ipvae_snn.export.onnx.integer import IntegerCircuit
from ipvae_snn.export.onnx.models import Circuit, encode_model, inference_model, step_model
from ipvae_snn.export.onnx.readme import CHECK_FILE, SATURATED, readme, write_check
from ipvae_snn.export.self_check import IMAGES, REQUEST, check_pixels
from ipvae_snn.image_shape import shape_text
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.storage.atomic import atomic_folder

MODELS: Final = {"encode": encode_model, "step": step_model, "inference": inference_model}
# Float models add in another order than NumPy: counts may differ where a uniform lies within
# rounding error of a cumulative probability, and states differ by rounding errors.
UNEQUAL_COUNTS: Final = 1e-3
STATE_TOLERANCE: Final = {"float32": 1e-2, "float64": 1e-6}


def write_onnx(network: IntegerNetwork, out: Path) -> list[Path]:
    """Write encode.onnx, step.onnx, inference.onnx, check.npz and README.md to the folder `out`.

    The folder is written whole or not at all; an older one is replaced. Returns the files.
    """
    pixels, circuit = check_pixels(network), IntegerCircuit(network)
    return _write(
        circuit,
        out,
        Example("integer", pixels, interpreter.run(network, pixels, REQUEST)),
        pixel="uint8",
        state="int32",
        shape=f"{shape_text(network.input.image_shape)}, {_graph(network)}",
        held=_length_held(circuit),
        saturated=SATURATED.format(axes="N, 5"),
        saturated_steps=SATURATED.format(axes="N, T, 5"),
    )


def write_float_onnx(
    network: FloatNetwork, out: Path, precision: Precision = "float64"
) -> list[Path]:
    """Write the float counterparts of the same files; pixels are float32, the state `precision`."""
    pixels = _float_pixels(network)
    return _write(
        float_circuit(network, precision),
        out,
        Example("float", pixels, run_float(network, pixels, REQUEST)),
        pixel="float32",
        state=precision,
        shape=shape_text(network.image_shape),
        held="K",
        saturated="",
        saturated_steps="",
    )


def _length_held(circuit: IntegerCircuit) -> str:
    """Return the length of the stored input: M, K, or that of several parts together."""
    network = circuit.network
    lengths = {network.n_pixels: "M", network.n_neurons: "K"}
    return lengths.get(circuit.n_held, str(circuit.n_held))


def _graph(network: IntegerNetwork) -> str:
    if network.is_circuit:
        return f"{network.circuit} circuit"
    parts = ", ".join(f"{one.name} of {one.size} {one.neurons.kind}" for one in network.populations)
    return f"a graph of {parts}"


class Example(NamedTuple):
    """Images (N, M) that check a runtime, and the trace of REQUEST on them; kind: of network."""

    kind: str
    pixels: Array
    trace: Trace


def _write(circuit: Circuit, out: Path, example: Example, **texts: str) -> list[Path]:
    with atomic_folder(out) as folder:
        for name, build in MODELS.items():
            (folder / f"{name}.onnx").write_bytes(build(circuit).SerializeToString())
        write_check(folder, example.pixels, REQUEST, example.trace)
        text = readme(circuit, example.kind, texts)
        (folder / "README.md").write_text(text, encoding="utf-8")
    return [out / f"{name}.onnx" for name in MODELS] + [out / CHECK_FILE, out / "README.md"]


def _float_pixels(network: FloatNetwork) -> Float32:
    """Return random images (3, M) of the network's kind."""
    rng = np.random.default_rng(0)
    shape = (IMAGES, network.n_pixels)
    unit = network.input_kind == "unit"
    return (rng.random(shape) if unit else rng.standard_normal(shape)).astype(np.float32)


def run_steps(folder: Path, pixels: Array, request: RunRequest) -> Trace:
    """Run encode.onnx once and step.onnx for every step; return the trace, every step kept.

    The reconstruction, which these models do not compute, is empty: (N, 0).
    """
    encoded = runtime(folder / "encode.onnx")({"pixels": pixels})
    step = runtime(folder / "step.onnx")
    seed = np.array(request.seed, np.int64)
    image = request.first_image + np.arange(len(pixels), dtype=np.int64)
    names: list[str] = [name for name in ("state", "scores") if name in encoded]
    carried = {name: encoded[name] for name in names}
    counts, spikes, states, saturated, scores = [], [], [], [], []
    for t in range(request.steps):
        feed = {"held": encoded["held"], **carried, "seed": seed, "image": image}
        outputs = step(feed | {"step": np.array(t, np.int64)})
        carried = {name: outputs[f"next_{name}"] for name in names}
        state = carried["state"]
        scores += [carried["scores"]] if "scores" in carried else []
        counts.append(outputs["counts"])
        spikes.append(outputs.get("spikes", outputs["counts"]))
        states.append(state)
        saturated += [outputs["saturated"]] if "saturated" in outputs else []
    traced = np.stack(counts, axis=1)
    total = np.stack(spikes, axis=1).astype(np.int64)
    nothing = np.zeros((len(pixels), 0), np.float32)
    return Trace(
        total.sum(axis=1),
        state,
        total.sum(axis=2),
        nothing,
        traced,
        np.stack(states, axis=1),
        np.stack(saturated, axis=1) if saturated else None,
        np.stack(scores, axis=1) if scores else None,
    )


def run_inference(folder: Path, pixels: Array, request: RunRequest) -> Trace:
    """Run inference.onnx on all pixels at once; return its arrays (no trace)."""
    return trace_of(runtime(folder / "inference.onnx")(inference_feed(pixels, request)))


def check_files(out: Path, network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> None:
    """Run the integer models of the folder `out` and compare them with the interpreter.

    Raises DivergedError with the file, the first image, step and neuron that differ, and both
    values; FileFormatError if a model cannot be loaded.
    """
    traced = RunRequest(request.steps, request.seed, request.first_image, trace=True)
    expected = interpreter.run(network, pixels, traced)
    stepwise = run_steps(out, pixels, request)
    # step.onnx computes no reconstruction, so there is none to compare.
    without = replace(expected, reconstruction=stepwise.reconstruction)
    whole = run_inference(out, pixels, request)
    if first_divergence(expected, whole) is not None:
        whole = _unrolled(out, pixels, request)
    for name, want, have in (("step.onnx", without, stepwise), ("inference.onnx", expected, whole)):
        divergence = first_divergence(want, have)
        if divergence is not None:
            raise DivergedError(
                f"{out / name} does not give the interpreter's result: {divergence.describe()}; "
                "it was altered or this runtime is not exact: export it again"
            )


def _unrolled(folder: Path, pixels: Array, request: RunRequest) -> Trace:
    """Run inference.onnx for 1, 2, ... T steps, so that its trace shows the first difference."""
    runs = [
        run_inference(folder, pixels, replace(request, steps=t + 1)) for t in range(request.steps)
    ]
    sums = np.stack([run.counts_sum for run in runs], axis=1)
    counts = np.diff(sums, axis=1, prepend=0).astype(np.int32)
    states: Array = np.stack([run.state for run in runs], axis=1)
    return replace(runs[-1], counts=counts, states=states)


def check_float_files(out: Path, network: FloatNetwork) -> None:
    """Run the float models of the folder `out` on random images and compare with float inference.

    At most 1 in 1000 spike counts may differ; where all counts of an image agree, its states must
    agree up to rounding. Raises DivergedError with the first image, step and neuron that differ.
    """
    pixels = _float_pixels(network)
    expected = run_float(network, pixels, REQUEST)
    stepwise, whole = run_steps(out, pixels, REQUEST), run_inference(out, pixels, REQUEST)
    if expected.counts is None or stepwise.counts is None:
        raise ValueError("a run with trace=True kept no counts")
    same = (expected.counts == stepwise.counts).all(axis=(1, 2))
    unequal = float((expected.counts != stepwise.counts).mean())
    tolerance = STATE_TOLERANCE[stepwise.state.dtype.name]
    drawn = max(expected.counts.size, int(expected.counts_sum.sum()))
    for name, trace in (("step.onnx", stepwise), ("inference.onnx", whole)):
        error = np.abs(trace.state[same] - expected.state[same]).max(initial=0.0)
        strays = np.abs(trace.counts_sum - expected.counts_sum).sum() / drawn
        if unequal > UNEQUAL_COUNTS or strays > UNEQUAL_COUNTS or not error <= tolerance:
            divergence = first_divergence(expected, trace)
            place = divergence.describe() if divergence else "states differ"
            raise DivergedError(
                f"{out / name} does not give float inference's result: {place}; export it again"
            )
