"""Run sequences of frames through an integer network: carried over, and restarted at each frame."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from ipvae_snn.arrays import Float64, UInt8
from ipvae_snn.data.sequences import Moving, Sequences
from ipvae_snn.errors import BackendError, ConfigError
from ipvae_snn.hw.cost.moving import frame_operations
from ipvae_snn.ir import back_ends, saturation
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of
from ipvae_snn.metrics.quality import r2
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Document, Span, paragraph, table
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.cluster import cluster_of
from ipvae_snn.workflows.decodings import asked_decoding, decoded, decoded_by
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import described, is_checkpoint
from ipvae_snn.workflows.moving import Asked, motion_of, sequences_of, trained_moving
from ipvae_snn.workflows.outputs import (
    RESULT,
    check_outputs,
    outputs,
    remove_partial,
    save_or_spare,
)
from ipvae_snn.workflows.run import (
    ONE_PIECE,
    Chunking,
    RunOptions,
    RunResult,
    run_file,
)
from ipvae_snn.workflows.run_chunks import ChunkedResult, ChunkOptions
from ipvae_snn.workflows.run_large import names_folder, run_large_file
from ipvae_snn.workflows.stopping import asked_stop, require_still

__all__ = [
    "Chunking",
    "Frames",
    "ImageChoice",
    "MovingRunResult",
    "RunOptions",
    "RunRequest",
    "asked_decoding",
    "asked_stop",
    "motion_of",
    "restarted",
    "run_as_asked",
    "run_sequences",
]


@dataclass(frozen=True)
class Frames:
    """Figures of each frame, means over the sequences.

    r2: of the last step's reconstruction. spikes, operations: of the frame's steps.
    """

    r2: Annotated[Float64, "F"]
    spikes: Annotated[Float64, "F"]
    operations: Annotated[Float64, "F"]

    def as_json(self) -> dict[str, list[float]]:
        """Return plain data."""
        return {name: values.tolist() for name, values in vars(self).items()}


@dataclass(frozen=True, repr=False)
class MovingRunResult:
    """A run on sequences: its trace, and figures of frames carried over and restarted.

    restarted: every frame from the initial state, for as many steps. steps: per frame.
    """

    backend: str
    name: str
    sequences: int
    moving: Moving
    steps: int
    trace: Trace
    carried: Frames
    restarted: Frames
    seconds: float
    out: Path | None = None
    decoding: Decoding = SAMPLE

    def as_json(self) -> dict[str, Any]:
        """Return plain data, without the arrays."""
        limits = saturation.saturations(self.trace)
        return {
            "out": None if self.out is None else str(self.out),
            "backend": self.backend,
            "sequences": self.sequences,
            "frames": self.moving.frames,
            "motion": self.moving.motion,
            "steps_per_frame": self.steps,
            "seconds": self.seconds,
            "decoding": str(self.decoding),
            "carried": self.carried.as_json(),
            "restarted": self.restarted.as_json(),
            "saturations": None if limits is None else {one.kind: one.as_json() for one in limits},
        }

    def document(self) -> Document:
        """Return a table of the frames."""
        head = ("frame", "R2", "restarted", "spikes", "restarted", "operations", "restarted")
        both = (self.carried, self.restarted)
        rows = [
            (
                str(frame + 1),
                *(f"{one.r2[frame]:.3f}" for one in both),
                *(f"{one.spikes[frame]:,.0f}" for one in both),
                *(f"{one.operations[frame]:,.0f}" for one in both),
            )
            for frame in range(self.moving.frames)
        ]
        title = (
            f"{self.sequences} sequences of {self.moving} from {self.name}, {self.steps} steps a "
            f"frame on {self.backend}; synaptic operations, where only pixels that change are sent"
        )
        file = () if self.out is None else (Span(str(self.out), "strong"), ": ")
        text = f"{self.seconds:.2f} s; states carry over from frame to frame"
        text += decoded_by(self.decoding)
        return Document("Run", (table(title, head, rows), paragraph(*file, text)))


def run_as_asked(
    path: Path,
    choice: ImageChoice,
    request: RunRequest,
    options: RunOptions,
    asked: Asked | None,
    progress: Progress = ignore,
) -> RunResult | MovingRunResult | ChunkedResult:
    """Run still images, or sequences if they are asked for; steps are then those of a frame.

    Still images run chunk by chunk if `options.out` names a folder. Raises as `run_file` and
    `run_large_file` do, BackendError for sequences on a checkpoint, ConfigError for sequences into
    a folder.
    """
    if options.out is not None and names_folder(options.out):
        return _into_folder(path, choice, request, options, asked, progress)
    if options.chunking != ONE_PIECE:
        raise ConfigError(
            f"{options.out}: one file, but --resume, --chunk, --scheduler and --workers are for a "
            "result in a folder; give --out a name without suffix"
        )
    require_still(options.stop, asked)
    if asked is None:
        return run_file(path, choice, request, options, progress)
    written = outputs((options.out, RESULT))
    free = check_outputs(written, (path, choice.data), options.overwrite)
    if is_checkpoint(path):
        raise BackendError(
            f"{path} is a float checkpoint; `ipvae-snn evaluate --frames` shows it moving images, "
            "or convert it first"
        )
    with parts(progress) as begin:
        name = options.backend or back_ends.DEFAULT
        begin(f"loading the back end {name}")
        back_ends.load_backend(name)
        network = decoded(load_network(path), options.decoding)
        moving = asked.for_default(trained_moving(network))
        begin(described(choice.data))
        sequences = sequences_of(network, replace(choice, report=progress), moving)
        begin(f"{name}: {len(sequences)} sequences of {moving}, {request.steps} steps a frame")
        result = run_sequences(network, sequences, moving, request, name)
        if options.forbid_saturation:
            saturation.require_none(result.trace, name)
        if options.out is None:
            return result
        kept = result.trace if request.trace else replace(result.trace, counts=None, states=None)
        save_or_spare(options.out, kept.save, free)
        remove_partial(options.out)
        return replace(result, out=options.out)


def _into_folder(
    path: Path,
    choice: ImageChoice,
    request: RunRequest,
    options: RunOptions,
    asked: Asked | None,
    progress: Progress,
) -> ChunkedResult:
    out, how = options.out, options.chunking
    assert out is not None  # it names a folder
    if asked is not None:
        raise ConfigError(
            f"{out}: a folder, but sequences (--frames) are written to one file; give --out "
            f"{out}.npz"
        )
    cluster = cluster_of(how.scheduler, how.workers)
    name = options.backend or back_ends.DEFAULT
    chunk_options = ChunkOptions(
        out,
        how.resume,
        how.chunk,
        options.overwrite,
        options.forbid_saturation,
        by_default=options.backend is None,
        decoding=options.decoding,
        stop=options.stop,
    )
    return run_large_file(path, choice, request, name, chunk_options, cluster, progress)


def run_sequences(
    network: IntegerNetwork,
    sequences: Sequences,
    moving: Moving,
    request: RunRequest,
    backend: str = back_ends.DEFAULT,
) -> MovingRunResult:
    """Run sequences through a network, and their frames one by one; raises as the back end does."""
    images = sequences.images
    levels, _ = encode(network.input, images.pixels, images.kind, images.name)
    frames = levels.reshape(len(sequences), moving.frames, -1)
    session = network.prepare(backend)
    start = time.perf_counter()
    trace = session.run(frames, replace(request, trace=True))
    seconds = time.perf_counter() - start
    return MovingRunResult(
        backend,
        images.name,
        len(sequences),
        moving,
        request.steps,
        trace,
        carried=_figures(network, sequences, frames, trace),
        restarted=restarted(network, sequences, frames, request),
        seconds=seconds,
        decoding=network.decoder.decoding,
    )


def restarted(
    network: IntegerNetwork, sequences: Sequences, frames: UInt8, request: RunRequest
) -> Frames:
    """Return the figures of frames (N, F, M) that each start anew, on the default back end.

    Each frame draws as the first one of its sequence does.
    """
    session = network.prepare()
    quality, spikes, operations = np.zeros((3, frames.shape[1]))
    for i in range(frames.shape[1]):
        alone = session.run(frames[:, i], replace(request, trace=True))
        counts = counts_of(alone)
        quality[i] = r2(sequences.pixels[:, i], alone.reconstruction).mean
        spikes[i] = alone.spikes_per_step.sum(axis=1).mean()
        operations[i] = frame_operations(network, frames[:, i : i + 1], counts)[0]
    return Frames(quality, spikes, operations)


def _figures(network: IntegerNetwork, sequences: Sequences, frames: UInt8, trace: Trace) -> Frames:
    n, f, _ = frames.shape
    return Frames(
        _r2(sequences, trace.reconstruction),
        trace.spikes_per_step.reshape(n, f, -1).sum(axis=2).mean(axis=0),
        frame_operations(network, frames, counts_of(trace)),
    )


def _r2(sequences: Sequences, images: Annotated[Any, "N F M"]) -> Float64:
    pixels = sequences.pixels
    return np.array([r2(pixels[:, i], images[:, i]).mean for i in range(pixels.shape[1])])
