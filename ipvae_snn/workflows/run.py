"""Run images through one network on one back end, and save the result."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np

from ipvae_snn.arrays import Bool, Int64
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import BackendError, SaturatedError
from ipvae_snn.inference import reference
from ipvae_snn.ir import back_ends, saturation
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.metrics.estimates import Estimate, share
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.progress import Begin, Progress, ignore
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.watcher import parts
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


@dataclass(frozen=True)
class RunOptions:
    """Options of a run besides the request.

    backend: name, by default the fastest one on a CPU whose counts equal the reference's
    (`back_ends.DEFAULT`), for a checkpoint "float". out: npz file of the result.
    forbid_saturation: raise SaturatedError, and write nothing, if any neuron saturates. overwrite:
    replace a file at `out` that is no result of a run.
    """

    backend: str | None = None
    out: Path | None = None
    forbid_saturation: bool = False
    overwrite: bool = False


@dataclass(frozen=True, repr=False)
class RunResult:
    """A run: its trace, its images, and R2 of the last step's reconstructions.

    saturated_pixels: number of pixels beyond the range of the input code. seconds: wall-clock time
    of the back end, including its start. out: file of the trace. by_default: whether the back end
    is the default, and not the user's choice. labels (S,): the class of each score.
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

    @property
    def spikes_per_image(self) -> float:
        """Spikes of all neurons and steps, mean over images."""
        return float(self.trace.counts_sum.sum(axis=1).mean())

    @property
    def saturations(self) -> tuple[saturation.Saturation, ...] | None:
        """Saturations by kind; None if the back end does not count them."""
        return saturation.saturations(self.trace)

    @property
    def saturation_summary(self) -> str:
        """Saturations in one line; empty if there are none or the back end does not count them."""
        return saturation.summary(self.saturations or ())

    @property
    def accuracy(self) -> Estimate | None:
        """Share of images whose largest score after the last step is their class.

        None if the network has no read-out, or the images no labels.
        """
        return None if self.hits is None else share(int(self.hits[:, -1].sum()), len(self.hits))

    @property
    def hits(self) -> Annotated[Bool, "N T"] | None:
        """Whether the largest score names the image's class after each step; None as above."""
        truth = self.images.labels
        if self.trace.scores is None or truth is None:
            return None
        return np.asarray(self.labels[self.trace.scores.argmax(axis=2)] == truth[:, None])

    def as_json(self) -> dict[str, Any]:
        """Return plain data, without the arrays."""
        limits, right = self.saturations, self.accuracy
        return {
            "out": None if self.out is None else str(self.out),
            "backend": self.backend,
            "backend_by_default": self.by_default,
            "images": len(self.images),
            "steps": self.steps,
            "seconds": self.seconds,
            "r2": self.quality.mean,
            "r2_95": [self.quality.low, self.quality.high],
            "spikes_per_image": self.spikes_per_image,
            "accuracy": None if right is None else right.mean,
            "accuracy_95": None if right is None else [right.low, right.high],
            "accuracy_by_step": self._accuracy_by_step(),
            "saturated_pixels": self.saturated_pixels,
            "saturations": None if limits is None else {one.kind: one.as_json() for one in limits},
        }

    def _accuracy_by_step(self) -> dict[int, float] | None:
        """Return the share of right classes after 1, 2, 4, ... steps, and after the last one."""
        if self.hits is None:
            return None
        marks = sorted({2**i for i in range(self.steps.bit_length())} | {self.steps})
        return {t: float(self.hits[:, t - 1].mean()) for t in marks}

    def _classes_text(self) -> str:
        right = self.accuracy
        if right is None:
            return ""
        return (
            f"; classes right: {100 * right.mean:.1f} % (95 %: {100 * right.low:.1f}.."
            f"{100 * right.high:.1f})"
        )

    def document(self) -> Document:
        """Return the run in one line."""
        quality, saturated = self.quality, self.saturation_summary
        text = (
            f"{len(self.images)} images of {self.images.name}, {self.steps} steps on "
            f"{self.backend}{' (default)' if self.by_default else ''} in {self.seconds:.2f} s; "
            f"R2 {quality.mean:.3f} (95 %: {quality.low:.3f}..{quality.high:.3f}), "
            f"{self.spikes_per_image:.0f} spikes per image"
            + self._classes_text()
            + (f"; {self.saturated_pixels} pixels saturated" if self.saturated_pixels else "")
            + (f"; saturated: {saturated}" if saturated else "")
        )
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
    )


def run_float(
    network: FloatNetwork, images: ImageSet, request: RunRequest, saved: bool = False
) -> RunResult:
    """Run images through a float network on the keyed uniforms of an integer run.

    saved: as in `run_integer`.
    """
    shape = Shape(len(images), request.steps, network.n_neurons, network.n_pixels)
    require_run(shape, request, floating=True, saved=saved)
    start = time.perf_counter()
    trace = reference.run_float(network, images.pixels, request)
    seconds = time.perf_counter() - start
    return RunResult(FLOAT, images, trace, r2(images.pixels, trace.reconstruction), 0, seconds)


def _run_float_file(
    path: Path, choice: ImageChoice, request: RunRequest, options: RunOptions, begin: Begin
) -> RunResult:
    if options.backend not in (None, FLOAT):
        raise BackendError(
            f"{path} is a float checkpoint, which the back end {options.backend!r} does not run; "
            "use --backend float, or convert it first"
        )
    network = load_float_network(path)
    warn_if_still(network, str(path))
    begin(described(choice.data))
    images = choice.loaded_for(network)
    begin(f"{FLOAT}: {len(images)} images, {request.steps} steps")
    return run_float(network, images, request, options.out is not None)


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
    network = load_network(path)
    warn_if_still(network, str(path))
    begin(described(choice.data))
    images = choice.encoded_for(network)
    begin(f"{name}: {len(images.pixels)} images, {request.steps} steps")
    return run_integer(network, images, request, name, options.out is not None)


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
