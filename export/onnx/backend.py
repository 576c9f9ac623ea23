"""Back ends that run ONNX models: ONNX Runtime on the CPU, and ONNX's reference evaluator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, cast

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from ipvae_snn.arrays import Array, UInt8
from ipvae_snn.errors import BackendError, FileFormatError
from ipvae_snn.export.onnx.integer import IntegerCircuit
from ipvae_snn.export.onnx.models import inference_model
from ipvae_snn.export.onnx.onnx_runtime import onnxruntime, ort_errors
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.cut import run_and_cut
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import RunRequest, Trace, check_request, frames_of
from ipvae_snn.kernels.threads import n_threads
from ipvae_snn.watcher import current_watcher

CHUNK: Final = 128  # images at a time; measured: 32 to 512 take the same time per image
TRACE_BYTES: Final = 1 << 28  # most memory for the trace of one chunk
BYTES_A_TRACED_COUNT: Final = 16  # counts and states, stacked and transposed
ERRORS_ONLY: Final = 3  # ONNX Runtime's log severity

Run = Callable[[dict[str, Array]], dict[str, Array]]

_LOAD_ERRORS: Final = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
_RUN_ERRORS: Final = (ort_errors.Fail, ort_errors.InvalidArgument, ort_errors.RuntimeException)


def runtime(model: bytes | Path, threads: int | None = None) -> Run:
    """Return a function that runs the model in ONNX Runtime: inputs by name -> outputs by name.

    Raises FileFormatError if it cannot be loaded; the function raises BackendError if it fails.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads(threads)
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    # With few cores, spinning idle threads would slow down the working ones.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    name = str(model) if isinstance(model, Path) else "the ONNX model"
    try:
        session = onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=["CPUExecutionProvider"],
        )
    except _LOAD_ERRORS as error:
        raise FileFormatError(
            f"{name}: ONNX Runtime {onnxruntime.__version__} cannot load it "
            f"({_first_line(error)}); export it again"
        ) from error
    outputs = [output.name for output in session.get_outputs()]

    def run_session(feed: dict[str, Array]) -> dict[str, Array]:
        try:
            return dict(zip(outputs, session.run(outputs, feed), strict=True))
        except _RUN_ERRORS as error:
            raise BackendError(
                f"{name}: ONNX Runtime {onnxruntime.__version__} failed ({_first_line(error)})"
            ) from error

    return run_session


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class OnnxSession:
    """A network as ONNX models, each loaded at the first run that needs it.

    load: from a model and a number of threads to a function that runs it. models: by (trace,
    moving images, threads), which is all that a model depends on besides the network.
    """

    network: IntegerNetwork
    load: Callable[[onnx.ModelProto, int], Run]
    models: dict[tuple[bool, bool, int], Run] = field(default_factory=dict)

    def run(self, pixels: UInt8, request: RunRequest, threads: int | None = None) -> Trace:
        """Run `pixels` (N, M) or (N, F, M) uint8; return the interpreter's trace.

        A model takes all steps: what comes after a stop is dropped, and saves no time.
        """
        check_request(self.network, pixels, request)
        if request.stop is not None:
            return run_and_cut(self.network, pixels, request, partial(self.run, threads=threads))
        key = request.trace, pixels.ndim == 3, n_threads(threads)
        if key not in self.models:
            # Moving images run one frame after another, each from the states of the last one.
            model = inference_model(IntegerCircuit(self.network), request.trace, resumed=key[1])
            self.models[key] = self.load(model, key[2])
        return _in_chunks(self.models[key], self.network, pixels, request)


@dataclass(frozen=True)
class OnnxBackend:
    """A back end that runs ONNX models; load: as of `OnnxSession`."""

    load: Callable[[onnx.ModelProto, int], Run]

    def prepare(self, network: IntegerNetwork) -> Session:
        """Return a session, which loads its models when they are needed."""
        return OnnxSession(network, self.load)


def _in_runtime(model: onnx.ModelProto, threads: int) -> Run:
    return runtime(model.SerializeToString(), threads)


def _in_evaluator(model: onnx.ModelProto, threads: int) -> Run:
    """Return the model in ONNX's own reference evaluator, which has one thread."""
    evaluator = ReferenceEvaluator(model)

    def evaluate(feed: dict[str, Array]) -> dict[str, Array]:
        values = cast(list[Array], evaluator.run(None, feed))
        return dict(zip(evaluator.output_names, values, strict=True))

    return evaluate


RUNTIME: Final = OnnxBackend(_in_runtime)
REFERENCE: Final = OnnxBackend(_in_evaluator)  # slow, for few images


def run(
    network: IntegerNetwork, pixels: UInt8, request: RunRequest, threads: int | None = None
) -> Trace:
    """Run `pixels` (N, M) or (N, F, M) uint8 once in ONNX Runtime; return the trace."""
    return OnnxSession(network, _in_runtime).run(pixels, request, threads)


def run_reference(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Run `pixels` as `run` in ONNX's own reference evaluator: slow, for few images."""
    return OnnxSession(network, _in_evaluator).run(pixels, request)


def inference_feed(pixels: Array, request: RunRequest, first_row: int = 0) -> dict[str, Array]:
    """Return the inputs of an inference model for the images from `first_row` on."""
    return {
        "pixels": pixels,
        "seed": np.array(request.seed, np.int64),
        "first_image": np.array(request.first_image + first_row, np.int64),
        "steps": np.array(request.steps, np.int64),
    }


def trace_of(outputs: dict[str, Array]) -> Trace:
    """Return the trace that the outputs of an inference model are; it has no class."""
    return Trace(**{name: value for name, value in outputs.items() if name != "class"})


def _in_chunks(
    run_model: Run, network: IntegerNetwork, pixels: UInt8, request: RunRequest
) -> Trace:
    """Run a few images at a time; this bounds the memory and changes no result."""
    rows, n_frames = CHUNK, frames_of(pixels).shape[1]
    if request.trace:
        image_bytes = n_frames * request.steps * network.n_neurons * BYTES_A_TRACED_COUNT
        rows = max(1, min(CHUNK, TRACE_BYTES // image_bytes))
    report = current_watcher().progress
    parts: list[dict[str, Array]] = []
    for start in range(0, len(pixels), rows):
        chunk = pixels[start : start + rows]
        if pixels.ndim == 3:
            parts.append(_moving(run_model, network, chunk, request, start))
        else:
            parts.append(run_model(inference_feed(chunk, request, start)))
        report(min(start + rows, len(pixels)), len(pixels))
    return trace_of({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _moving(
    run_model: Run, network: IntegerNetwork, frames: UInt8, request: RunRequest, first_row: int
) -> dict[str, Array]:
    """Run one frame (N, M) after another, each from the states in which the last one ended."""
    started = interpreter.appear(network, frames[:, 0])
    state: Array = interpreter.side_by_side(network.computing, started)
    state = state.astype(np.int32)
    scores: Array = np.zeros((len(frames), network.n_scores), np.int32)
    done: list[dict[str, Array]] = []
    for frame in range(frames.shape[1]):
        feed = inference_feed(frames[:, frame], request, first_row)
        feed |= {"initial_state": state, "first_step": np.array(frame * request.steps, np.int64)}
        if network.n_scores:
            feed["initial_scores"] = scores
        outputs = run_model(feed)
        state = outputs["state"]
        scores = outputs["scores"][:, -1] if network.n_scores else scores
        outputs["reconstruction"] = outputs["reconstruction"][:, None]
        done.append(outputs)
    by_step = [name for name in done[0] if name not in ("counts_sum", "state", "class")]
    return {
        "counts_sum": np.sum([one["counts_sum"] for one in done], axis=0),
        "state": state,
        **{name: np.concatenate([one[name] for one in done], axis=1) for name in by_step},
    }
