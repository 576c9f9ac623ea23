"""Run images through one network on one back end, and save the result."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Int64
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import BackendError, SaturatedError
from ipvae_snn.inference import reference
from ipvae_snn.ir import back_ends, saturation
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.progress import Begin, Progress, ignore
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.decodings import decoded, decoded_by
from ipvae_snn.workflows.estimates import Shape, require_run
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images, described, is_checkpoint
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.outputs import (
    RESULT,
    check_outputs,
    outputs,
    remove_partial,
    save_or_spare,
)
from ipvae_snn.workflows.run_figures import RunFigures, hits_of
from ipvae_snn.workflows.stopping import (
    AppliedStop,
    StepsTaken,
    Target,
    require_stopped,
    with_stop,
)

__all__ = [
    "ImageChoice",
    "RunOptions",
    "RunRequest",
    "RunResult",
    "run_file",
    "run_float",
    "run_integer",
]

FLOAT: Final = "float"
# Back ends known to count no saturations; of others, a missing count is detected after the run.
WITHOUT_SATURATIONS: Final = (FLOAT,)


class Chunking(NamedTuple):
    """Options of a run into a folder, chunk by chunk (`run_large`).

    resume: go on with the run there. chunk: images at a time, None for a number that suits the
    memory. scheduler: of a Dask cluster, as in `ClusterChoice`; None for this process. workers: of
    a local cluster.
    """

    resume: bool = False
    chunk: int | None = None
    scheduler: str | None = None
    workers: int | None = None


ONE_PIECE: Final = Chunking()


@dataclass(frozen=True)
class RunOptions:
    """Options of a run besides the request.

    backend: name, by default the fastest one on a CPU whose counts equal the reference's
    (`back_ends.DEFAULT`), for a checkpoint "float". out: npz file of the result.
    forbid_saturation: raise SaturatedError, and write nothing, if any neuron saturates. overwrite:
    replace a file at `out` that is no result of a run. chunking: where `out` is a folder.
    decoding: of the reconstruction; None for an integer network's own, and a sample of a float one.
    stop: ends images when they are done, of an integer network.
    """

    backend: str | None = None
    out: Path | None = None
    forbid_saturation: bool = False
    overwrite: bool = False
    chunking: Chunking = ONE_PIECE
    decoding: Decoding | None = None
    stop: Target | None = None


@dataclass(frozen=True, repr=False)
class RunResult:
    """A run: its trace, its images, and R2 of the last step's reconstructions.

    saturated_pixels: number of pixels beyond the range of the input code. seconds: wall-clock time
    of the back end, including its start. out: file of the trace. by_default: whether the back end
    is the default, and not the user's choice. labels (S,): the class of each score. decoding: of
    the reconstructions. stop: of the images that were done before T.
    """

    backend: str
    images: ImageSet
    trace: Trace
    quality: Estimate
    saturated_pixels: int
    seconds: float
    out: Path | None = None
    by_default: bool = False
    labels: Int64 = field(default_factory=lambda: np.zeros(0, np.int64))
    decoding: Decoding = SAMPLE
    stop: AppliedStop | None = None

    def __repr__(self) -> str:
        """Return back end, images, steps, R2 and spikes in one line."""
        return (
            f"RunResult({self.backend}, {len(self.images)} images, {self.steps} steps, "
            f"R2 {self.quality.mean:.3f}, {self.spikes_per_image:,.0f} spikes per image)"
        )

    @property
    def steps(self) -> int:
        """Number of time steps T."""
        return int(self.trace.spikes_per_step.shape[1])

    @cached_property
    def figures(self) -> RunFigures:
        """The figures of the run."""
        hits = hits_of(self.trace, self.images.labels, self.labels)
        return RunFigures(
            images=len(self.images),
            steps=self.steps,
            quality=self.quality,
            spikes=int(self.trace.counts_sum.sum()),
            hits=None if hits is None else np.array(hits, np.int64),
            saturations=saturation.saturations(self.trace),
            saturated_pixels=self.saturated_pixels,
            taken=StepsTaken.of(self.trace),
        )

    @property
    def spikes_per_image(self) -> float:
        """Spikes of all neurons and steps, mean over images."""
        return self.figures.spikes_per_image

    @property
    def saturations(self) -> tuple[saturation.Saturation, ...] | None:
        """Saturations by kind; None if the back end does not count them."""
        return self.figures.saturations

    @property
    def saturation_summary(self) -> str:
        """Saturations in one line; empty if there are none or the back end does not count them."""
        return saturation.summary(self.saturations or ())

    @property
    def accuracy(self) -> Estimate | None:
        """Share of images whose largest score after the last step is their class.

        None if the network has no read-out, or the images no labels.
        """
        return self.figures.accuracy

    def as_json(self) -> dict[str, Any]:
        """Return plain data, without the arrays."""
        return {
            "out": None if self.out is None else str(self.out),
            "backend": self.backend,
            "backend_by_default": self.by_default,
            "images": len(self.images),
            "steps": self.steps,
            "seconds": self.seconds,
            "decoding": str(self.decoding),
            "stop": None if self.stop is None else self.stop.as_json(),
            **self.figures.as_json(),
        }

    def document(self) -> Document:
        """Return the run in one line."""
        most = "" if self.stop is None else " at most"
        text = (
            f"{len(self.images)} images of {self.images.name}, {self.steps} steps{most} on "
            f"{self.backend}{' (default)' if self.by_default else ''} in {self.seconds:.2f} s; "
            f"{self.figures.text()}{decoded_by(self.decoding)}"
        )
        text += "" if self.stop is None else f"; {self.stop.text()}"
        file = () if self.out is None else (Span(str(self.out), "strong"), ": ")
        return Document("Run", (paragraph(*file, text),))


def run_file(
    path: Path,
    choice: ImageChoice,
    request: RunRequest,
    options: RunOptions,
    progress: Progress = ignore,
) -> RunResult:
    """Run the network in the file `path`, integer or float, and write the result.

    Raises BackendError if the back end does not run this kind of network, SaturatedError as
    `options` request, OutputError if the result cannot be written, and the errors of the back end.
    """
    written = outputs((options.out, RESULT))
    free = check_outputs(written, (path, choice.data), options.overwrite)
    floating = is_checkpoint(path)
    if options.forbid_saturation:
        _require_counted(FLOAT if floating else options.backend)
    run = _run_float_file if floating else _run_integer_file
    choice = replace(choice, report=progress)
    with parts(progress) as begin:
        result = run(path, choice, request, options, begin)
        return _kept(replace(result, by_default=options.backend is None), options, free)


def run_integer(
    network: IntegerNetwork,
    images: Images,
    request: RunRequest,
    backend: str = back_ends.DEFAULT,
    saved: bool = False,
) -> RunResult:
    """Run encoded images through an integer network; raises as the back end does.

    saved: the result will be written, which takes memory too.
    """
    session = network.prepare(backend)
    shape = Shape(len(images.pixels), request.steps, network.n_neurons, network.n_pixels)
    require_run(shape, request, floating=False, saved=saved)
    start = time.perf_counter()
    trace = session.run(images.pixels, request)
    require_stopped(trace, request, backend)
    seconds = time.perf_counter() - start
    quality = r2(images.floats.pixels, trace.reconstruction)
    return RunResult(
        backend,
        images.floats,
        trace,
        quality,
        images.saturated,
        seconds,
        labels=network.labels,
        decoding=network.decoder.decoding,
    )


def run_float(
    network: FloatNetwork,
    images: ImageSet,
    request: RunRequest,
    saved: bool = False,
    decoding: Decoding = SAMPLE,
) -> RunResult:
    """Run images through a float network on the keyed uniforms of an integer run.

    saved: as in `run_integer`.
    """
    shape = Shape(len(images), request.steps, network.n_neurons, network.n_pixels)
    require_run(shape, request, floating=True, saved=saved)
    start = time.perf_counter()
    trace = reference.run_float(network, images.pixels, request, decoding=decoding)
    seconds = time.perf_counter() - start
    quality = r2(images.pixels, trace.reconstruction)
    return RunResult(FLOAT, images, trace, quality, 0, seconds, decoding=decoding)


def _run_float_file(
    path: Path, choice: ImageChoice, request: RunRequest, options: RunOptions, begin: Begin
) -> RunResult:
    if options.backend not in (None, FLOAT):
        raise BackendError(
            f"{path} is a float checkpoint, which the back end {options.backend!r} does not run; "
            "use --backend float, or convert it first"
        )
    if options.stop is not None:
        raise BackendError(
            f"{path} is a float checkpoint, whose images take all steps; convert it first, or "
            "leave out --stop"
        )
    network = load_float_network(path)
    warn_if_still(network, str(path))
    begin(described(choice.data))
    images = choice.loaded_for(network)
    begin(f"{FLOAT}: {len(images)} images, {request.steps} steps")
    decoding = options.decoding or SAMPLE
    return run_float(network, images, request, options.out is not None, decoding)


def _run_integer_file(
    path: Path, choice: ImageChoice, request: RunRequest, options: RunOptions, begin: Begin
) -> RunResult:
    if options.backend == FLOAT:
        raise BackendError(
            f"{path} is an integer network; --backend float runs a checkpoint (model.safetensors)"
        )
    name = options.backend or back_ends.DEFAULT
    begin(f"loading the back end {name}")
    back_ends.load_backend(name)  # before the images, so that a wrong name costs no time
    network = decoded(load_network(path), options.decoding)
    warn_if_still(network, str(path))
    begin(described(choice.data))
    images = choice.encoded_for(network)
    if options.stop is not None:
        begin("finding when to stop")
    asked, stop = with_stop(network, request, options.stop, images.first)
    begin(f"{name}: {len(images.pixels)} images, {request.steps} steps")
    result = run_integer(network, images, asked, name, options.out is not None)
    return replace(result, stop=stop)


def _kept(result: RunResult, options: RunOptions, free: Collection[Path]) -> RunResult:
    """Check for saturations if the options forbid them, and write the result to their file."""
    if options.forbid_saturation:
        saturation.require_none(result.trace, result.backend)
    if options.out is None:
        return result
    save_or_spare(options.out, result.trace.save, free)
    remove_partial(options.out)
    return replace(result, out=options.out)


def _require_counted(backend: str | None) -> None:
    """Raise SaturatedError, before the run, for a back end that does not count saturations."""
    if backend in WITHOUT_SATURATIONS:
        able = sorted(set(back_ends.registered()) - set(WITHOUT_SATURATIONS))
        raise SaturatedError(
            f"the back end {backend!r} does not count what saturates, so that --on-overflow error "
            f"cannot be kept; these do, with an integer network: {', '.join(able)}"
        )
