"""Compare back ends with the reference: spike counts and states by equality."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ipvae_snn.data.sequences import Moving
from ipvae_snn.errors import DivergedError
from ipvae_snn.ir import back_ends
from ipvae_snn.ir.decoding import SAMPLE
from ipvae_snn.ir.equality import Divergence, first_divergence, in_frames
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Block, Document, Span, paragraph, table
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.decodings import Decoding, asked_decoding, decoded
from ipvae_snn.workflows.estimates import Shape, require_verify
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images, described
from ipvae_snn.workflows.moving import Asked, asked_of, encoded_as, motion_of
from ipvae_snn.workflows.stopping import (
    AppliedStop,
    Target,
    asked_stop,
    require_still,
    require_stopped,
    with_stop,
)

__all__ = [
    "BACKENDS",
    "REFERENCE",
    "ImageChoice",
    "RunRequest",
    "Verification",
    "asked_decoding",
    "asked_stop",
    "motion_of",
    "verify",
    "verify_file",
]

REFERENCE: Final = "reference"
BACKENDS: Final = ("compiled", "torch", "onnx", "lava")


@dataclass(frozen=True)
class VerifiedBackend:
    """One back end: its wall-clock seconds, and its first difference from the reference, if any."""

    backend: str
    seconds: float
    divergence: Divergence | None = None

    @property
    def equal(self) -> bool:
        """Whether all counts and states equal the reference's."""
        return self.divergence is None

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        result = {"backend": self.backend, "seconds": self.seconds, "equal": self.equal}
        if self.backend == REFERENCE:
            return result
        return {**result, "divergence": self.divergence.describe() if self.divergence else None}


@dataclass(frozen=True)
class Verification:
    """The reference first, then every back end compared with it.

    network: the file, if there is one. steps: per image, or per frame of sequences. moving: the
    input if it moves; `images` is then the number of sequences. compared: number of (image, step,
    neuron) triples. stop: of images that were done before the last step, if they were to be.
    """

    backends: tuple[VerifiedBackend, ...]
    data: str
    images: int
    steps: int
    neurons: int
    seed: int
    network: str | None = None
    moving: Moving | None = None
    decoding: str = str(SAMPLE)
    stop: AppliedStop | None = None

    @property
    def compared(self) -> int:
        """Number of counts, and of states, compared for each back end."""
        frames = 1 if self.moving is None else self.moving.frames
        return self.images * frames * self.steps * self.neurons

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        rows = [each.as_json() for each in self.backends]
        shown: dict[str, Any] = {}
        if self.moving is not None:
            shown = {
                "sequences": self.images,
                "frames": self.moving.frames,
                "motion": self.moving.motion,
                "steps_per_frame": self.steps,
            }
        decoding = {"decoding": self.decoding}
        return {
            "network": self.network,
            **shown,
            **decoding,
            "stop": None if self.stop is None else self.stop.as_json(),
            "compared": self.compared,
            "backends": rows,
        }

    def document(self) -> Document:
        """Return one row per back end, with its seconds and verdict."""
        title = (
            f"{_described(self.images, self.moving, self.data)}, "
            f"{_steps(self.steps, self.moving)}, {self.neurons} neurons, seed {self.seed}"
        )
        title += f", decoded by {self.decoding}" if self.decoding != str(SAMPLE) else ""
        title += "" if self.stop is None else f", {self.stop.text()}"
        rows = [(each.backend, f"{each.seconds:.2f}", _verdict(each)) for each in self.backends]
        blocks: list[Block] = [table(title, ("back end", "seconds", "counts and states"), rows)]
        if all(each.equal for each in self.backends):
            blocks.append(
                paragraph(Span(f"all {self.compared:,} counts and states are equal", "good"))
            )
        return Document("Back ends against the reference", tuple(blocks))

    def require_equal(self) -> None:
        """Raise DivergedError, with the first place of each, if a back end differs."""
        wrong = [
            f"{each.backend}: {each.divergence.describe()}"
            for each in self.backends
            if each.divergence
        ]
        if wrong:
            raise DivergedError("; ".join(wrong))


def _described(images: int, moving: Moving | None, data: str) -> str:
    """Return "20 images of digits", or "20 sequences of 8 frames of drift from digits"."""
    if moving is None:
        return f"{images} images of {data}"
    return f"{images} sequences of {moving} from {data}"


def _steps(steps: int, moving: Moving | None) -> str:
    return f"{steps} steps" if moving is None else f"{steps} steps a frame"


def _verdict(each: VerifiedBackend) -> Span:
    if each.backend == REFERENCE:
        return Span("reference")
    return Span("equal", "good") if each.equal else Span("DIFFERENT", "bad")


def verify_file(
    path: Path,
    choice: ImageChoice,
    request: RunRequest,
    backends: Sequence[str] = BACKENDS,
    progress: Progress = ignore,
    asked: Asked | None = None,
    decoding: Decoding | None = None,
    stop: Target | None = None,
) -> Verification:
    """Run the integer network in the file `path` on the reference and on `backends`.

    progress: receives the back end that runs next. asked: sequences in place of still images;
    choice.limit then counts sequences, and request.steps are those of a frame. decoding: in place
    of the network's own. stop: ends still images when they are done. Raises BackendError for an
    unknown name before anything runs, and the errors of back ends. A divergence is part of the
    result.
    """
    network = decoded(load_network(path), decoding)
    for name in backends:
        progress(f"loading the back end {name}", 0, 0)
        back_ends.load_backend(name)  # before the images, so that a wrong name costs no time
    progress(described(choice.data), 0, 0)
    moving = asked_of(asked, network, str(path))
    images = encoded_as(network, replace(choice, report=progress), moving)
    result = verify_stopped(network, images, (request, stop), backends, progress, moving)
    return replace(result, network=str(path))


def verify_stopped(
    network: IntegerNetwork,
    images: Images,
    asked: tuple[RunRequest, Target | None],
    backends: Sequence[str] = BACKENDS,
    progress: Progress = ignore,
    moving: Moving | None = None,
) -> Verification:
    """Verify as `verify` does, with the stop that a user asks for; ConfigError if images move."""
    require_still(asked[1], moving)
    request, stop = with_stop(network, *asked, images.first)
    return replace(verify(network, images, request, backends, progress, moving), stop=stop)


def verify(
    network: IntegerNetwork,
    images: Images,
    request: RunRequest,
    backends: Sequence[str] = BACKENDS,
    progress: Progress = ignore,
    moving: Moving | None = None,
) -> Verification:
    """Run encoded images on the reference and on `backends`, as `verify_file` does.

    moving: the input if images.pixels are sequences (N, F, M), None for still images (N, M).
    """
    traced = replace(request, trace=True)
    others = [name for name in dict.fromkeys(backends) if name != REFERENCE]
    sessions = {name: network.prepare(name) for name in (REFERENCE, *others)}
    frames = 1 if moving is None else moving.frames
    whole = replace(traced, steps=frames * request.steps)
    shape = Shape(len(images.pixels), whole.steps, network.n_neurons, frames * network.n_pixels)
    # The reference's trace, and that of the back end which is compared with it.
    require_verify(shape, whole, traces=min(2, len(sessions)))
    n = len(images.pixels)
    counted = f"{n} images" if moving is None else f"{n} sequences of {moving}"
    rows: list[VerifiedBackend] = []
    expected: Trace | None = None  # the reference's, which runs first
    with parts(progress) as begin:
        for name, session in sessions.items():
            begin(f"{name}: {counted}, {_steps(request.steps, moving)}")
            start = time.perf_counter()
            trace = session.run(images.pixels, traced)
            require_stopped(trace, traced, name)
            divergence = None if expected is None else first_divergence(expected, trace)
            if moving is not None:
                divergence = in_frames(divergence, request.steps)
            rows.append(VerifiedBackend(name, time.perf_counter() - start, divergence))
            expected = trace if expected is None else expected
    return Verification(
        backends=tuple(rows),
        data=images.floats.name,
        images=len(images.pixels),
        steps=request.steps,
        neurons=network.n_neurons,
        seed=request.seed,
        moving=moving,
        decoding=str(network.decoder.decoding),
    )
