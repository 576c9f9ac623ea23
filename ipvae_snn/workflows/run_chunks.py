"""Run any number of images chunk by chunk: memory does not depend on their number.

The draws of an image are keyed by its index in the run, so that no result depends on the chunks.
"""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import AnyArray, UInt8
from ipvae_snn.data.streams import ImageStream
from ipvae_snn.errors import BackendError, DataError
from ipvae_snn.hw.lava.bundle.simulator.ending import Interrupted
from ipvae_snn.ir import files, saturation
from ipvae_snn.ir.decoding import SAMPLE, Decoding
from ipvae_snn.ir.encode import MAX_SATURATED, check_images, count_saturated, levels
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import Session
from ipvae_snn.ir.trace import RunRequest, Trace, check_request
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.report.json_files import write_json
from ipvae_snn.storage import memory
from ipvae_snn.storage.array_reading import read_npy
from ipvae_snn.storage.row_files import row_files
from ipvae_snn.watcher import current_watcher, watched
from ipvae_snn.workflows.decodings import decoded_by
from ipvae_snn.workflows.images import Images, encoded
from ipvae_snn.workflows.result_folder import (
    FIGURES,
    FORMAT,
    VERSION,
    ResultFolder,
    missing,
)
from ipvae_snn.workflows.run_figures import ChunkFigures, RunFigures, Shown, merged
from ipvae_snn.workflows.stopping import AppliedStop, Target, with_stop

# Bytes that a chunk may take by default, and no more than this share of what is free.
CHUNK_BYTES: Final = 96 * 2**20
CHUNK_SHARE: Final = 8
# Images of a chunk by default: a multiple of BLOCK where possible, and so many at most, since a
# chunk is what a kill costs.
BLOCK: Final = 32
MOST: Final = 1 << 14


class Chunk(NamedTuple):
    """Images first .. first + n - 1 of a run: their levels (n, M), and what figures need."""

    first: int
    levels: UInt8
    shown: Shown


# Receives how many images of a chunk are done while it runs in this process.
Report = Callable[[int], None]
# Runs chunks, in any order; the request is that of the whole run.
Execute = Callable[[Iterable[Chunk], RunRequest, Report], Iterator[tuple[Chunk, Trace]]]


@dataclass(frozen=True)
class ChunkOptions:
    """Options of a run in chunks.

    out: folder of the result. resume: go on with the run there. chunk: images at a time, by
    default as many as take some 100 MB. overwrite: replace a run that is there.
    forbid_saturation: raise SaturatedError if a neuron saturates. by_default: whether the back end
    is the default, and not the user's choice. decoding: in place of that of a network's file. stop:
    ends images when they are done.
    """

    out: Path
    resume: bool = False
    chunk: int | None = None
    overwrite: bool = False
    forbid_saturation: bool = False
    by_default: bool = False
    decoding: Decoding | None = None
    stop: Target | None = None


@dataclass(frozen=True, repr=False)
class ChunkedResult:
    """A run whose arrays lie in the folder `out`, as .npy files; its figures.

    seconds: wall-clock time of this call. resumed: images that were done before it. place: what
    ran the chunks, if it was not this process.
    """

    backend: str
    name: str
    figures: RunFigures
    seconds: float
    out: Path
    chunk: int
    resumed: int = 0
    by_default: bool = False
    place: str = ""
    decoding: Decoding = SAMPLE
    stop: AppliedStop | None = None

    def __repr__(self) -> str:
        """Return back end, images, steps, R2 and spikes in one line."""
        f = self.figures
        return (
            f"ChunkedResult({self.backend}, {f.images} images, {f.steps} steps, "
            f"R2 {f.quality.mean:.3f}, {f.spikes_per_image:,.0f} spikes per image, in {self.out})"
        )

    def array(self, name: str) -> AnyArray:
        """Return an array of the trace by its name, mapped: what is not used is not read.

        Raises FileFormatError for an array that the run did not write.
        """
        array: AnyArray = read_npy(self.out / f"{name}.npy")
        return array

    def as_json(self) -> dict[str, Any]:
        """Return plain data, without the arrays."""
        return {
            "out": str(self.out),
            "backend": self.backend,
            "backend_by_default": self.by_default,
            "images": self.figures.images,
            "images_resumed": self.resumed,
            "chunk": self.chunk,
            "steps": self.figures.steps,
            "seconds": self.seconds,
            "decoding": str(self.decoding),
            "stop": None if self.stop is None else self.stop.as_json(),
            **self.figures.as_json(),
        }

    def document(self) -> Document:
        """Return the run in one line."""
        f = self.figures
        before = f", {self.resumed:,} of them done before" if self.resumed else ""
        default = " (default)" if self.by_default else ""
        most = "" if self.stop is None else " at most"
        text = (
            f"{f.images:,} images of {self.name}{before}, {f.steps} steps{most} on {self.backend}"
            f"{default}{self.place} in {self.seconds:.2f} s, {self.chunk:,} at a time; {f.text()}"
            f"{decoded_by(self.decoding)}"
        )
        text += "" if self.stop is None else f"; {self.stop.text()}"
        return Document("Run", (paragraph(Span(str(self.out), "strong"), ": ", text),))


def in_session(session: Session) -> Execute:
    """Return the execution of chunks one after another in this process."""

    def execute(
        chunks: Iterable[Chunk], request: RunRequest, report: Report
    ) -> Iterator[tuple[Chunk, Trace]]:
        for chunk in chunks:
            size = len(chunk.levels)

            def units(done: int, total: int, size: int = size) -> None:
                report(size * done // max(total, 1))

            # No file for finished images: those are in the folder.
            with watched(replace(current_watcher(), progress=units, keep=None)):
                trace = session.run(chunk.levels, request_of(chunk, request))
            yield chunk, trace

    return execute


def request_of(chunk: Chunk, request: RunRequest) -> RunRequest:
    """Return the request of a chunk, whose images keep their draws."""
    return replace(request, first_image=request.first_image + chunk.first)


def run_chunks(
    network: IntegerNetwork,
    images: ImageStream,
    request: RunRequest,
    backend: str,
    options: ChunkOptions,
    execute: Execute,
) -> ChunkedResult:
    """Run the images and write the result to the folder `options.out`, chunk by chunk.

    The current watcher receives images done and all images. Raises DataError for images that do not
    fit, OutputError where the result cannot be written or does not fit on the disk, the errors of
    the back end; KeyboardInterrupt for a signal. In all these cases chunks that are done stay, and
    a run with `options.resume` goes on from there.
    """
    start, n = time.perf_counter(), len(images)
    # Of all images, whose number keys their draws; nothing of this shape takes memory.
    blank = np.broadcast_to(np.zeros(network.n_pixels, np.uint8), (1, network.n_pixels))
    check_request(network, blank, replace(request, first_image=request.first_image + n - 1))
    check_request(network, blank, request)

    def first(most: int) -> Images:
        return encoded(network, images.part(0, min(most, n)))

    request, stop = with_stop(network, request, options.stop, first)
    one = Trace.empty(network, blank.shape, request).arrays()
    folder = ResultFolder(
        options.out,
        _description(network, images, request, backend),
        row_files(options.out, n, one),
    )
    size = options.chunk or default_chunk(network, images, one)
    with folder.opened(options.resume) as done:
        kept, progress = list(done), current_watcher().progress

        def report(images: int) -> None:
            progress(sum(each.images for each in kept) + images, n)

        resumed = sum(each.images for each in kept)
        _announce(folder, request, resumed)
        with _explained(folder, kept, n):
            ranges = missing(n, kept, str(options.out))
            chunks = _chunks(network, images, ranges, size, sum(c.saturated_pixels for c in kept))
            report(0)
            for chunk, trace in execute(chunks, request, report):
                figures = ChunkFigures.of(chunk.first, chunk.shown, trace, network.labels)
                if options.forbid_saturation:
                    saturation.refuse(merged([figures], request.steps).saturations, backend)
                folder.keep(figures, _arrays(trace, folder, backend))
                kept.append(figures)
                report(0)
        result = ChunkedResult(
            backend,
            images.name,
            merged(kept, request.steps),
            time.perf_counter() - start,
            options.out,
            size,
            resumed,
            options.by_default,
            decoding=network.decoder.decoding,
            stop=stop,
        )
        write_json(options.out / FIGURES, result.as_json())
    return result


def default_chunk(network: IntegerNetwork, images: ImageStream, one: dict[str, AnyArray]) -> int:
    """Return how many images to run at a time; one: the result's arrays of one image.

    Besides its result an image takes its pixels in float32 and five times in float64, of which
    R2 is made, and the back end's own arrays (as `estimates.require_run` counts them).
    """
    k, m = network.n_neurons, network.n_pixels
    each = sum(array.nbytes for array in one.values()) + 24 * k + (12 + 44) * m
    free = memory.free()
    budget = CHUNK_BYTES if free is None else min(CHUNK_BYTES, free // CHUNK_SHARE)
    count = min(MOST, max(1, budget // each))
    return count - count % BLOCK if count > BLOCK else count


def _description(
    network: IntegerNetwork, images: ImageStream, request: RunRequest, backend: str
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "network": files.digest(network),
        "data": images.digest,
        "images": len(images),
        "backend": backend,
        "steps": request.steps,
        "seed": request.seed,
        "first_image": request.first_image,
        "trace": request.trace,
        "stop": None if request.stop is None else asdict(request.stop),
    }


def _announce(folder: ResultFolder, request: RunRequest, resumed: int) -> None:
    """Say what will be written, before the work, and how much of it each part is."""
    size = folder.n_bytes
    text = f"{folder.path}: {'goes on after' if resumed else 'will hold'} "
    text += f"{resumed:,} images; " if resumed else ""
    text += f"{size:,} bytes ({memory.shown(size)})"
    if request.trace:
        every = sum(folder.arrays[name].n_bytes for name in ("counts", "states"))
        text += f", of which counts and states of every step are {every:,}"
    current_watcher().note(text)


def _chunks(
    network: IntegerNetwork,
    images: ImageStream,
    ranges: list[tuple[int, int]],
    size: int,
    saturated: int,
) -> Iterator[Chunk]:
    """Yield the images of some ranges, encoded.

    saturated: pixels beyond the input range before. Raises DataError as soon as they are more than
    1 % of all pixels of the run.
    """
    code, most = network.input, MAX_SATURATED * len(images) * network.n_pixels
    for begin, end in ranges:
        for first in range(begin, end, size):
            part = images.part(first, min(first + size, end))
            check_images(code.image_shape, code.kind, part.pixels, part.kind, part.name)
            beyond = count_saturated(code, part.pixels)
            saturated += beyond
            if saturated > most:
                raise DataError(
                    f"{part.name}: {saturated:,} pixels up to image {first + len(part) - 1} lie "
                    "outside the network's input range, more than 1 % of all; scale them as the "
                    "training data were"
                )
            shown = Shown(part.pixels, part.labels, beyond)
            yield Chunk(first, levels(code, part.pixels), shown)


def _arrays(trace: Trace, folder: ResultFolder, backend: str) -> dict[str, AnyArray]:
    """Return the arrays of a chunk; BackendError where they are not those that every run has."""
    given = trace.arrays()
    for name, file in folder.arrays.items():
        if name not in given or given[name].shape[1:] != file.shape[1:]:
            raise BackendError(
                f"the back end {backend!r} gave no {name} as the reference does, so that the run "
                "cannot be written in chunks; write it to one file (--out NAME.npz)"
            )
    return {name: given[name].astype(one.dtype, copy=False) for name, one in folder.arrays.items()}


@contextmanager
def _explained(folder: ResultFolder, kept: list[ChunkFigures], n: int) -> Iterator[None]:
    """Add what is done to an interruption; after an error, keep a folder if it holds images."""
    try:
        yield
    except KeyboardInterrupt as error:
        number = int(getattr(error, "number", signal.SIGINT))
        done = sum(each.images for each in kept)
        raise Interrupted(
            number,
            f"{str(error) or 'interrupted'}; {done:,} of {n:,} images are in {folder.path}, "
            "continue with --resume",
        ) from error
    except Exception:  # any error goes on; only an empty folder goes first
        if not kept:
            folder.discard()
        raise
