"""Compare back ends with the reference: spike counts and states by equality."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ipvae_snn.backends import registry
from ipvae_snn.errors import DivergedError
from ipvae_snn.ir.equality import Divergence, first_divergence
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import Block, Document, Span, paragraph, table
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.estimates import Shape, require_verify
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images, described

__all__ = [
    "BACKENDS",
    "REFERENCE",
    "ImageChoice",
    "RunRequest",
    "Verification",
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

    network: the file, if there is one. compared: number of (image, step, neuron) triples.
    """

    backends: tuple[VerifiedBackend, ...]
    data: str
    images: int
    steps: int
    neurons: int
    seed: int
    network: str | None = None

    @property
    def compared(self) -> int:
        """Number of counts, and of states, compared for each back end."""
        return self.images * self.steps * self.neurons

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        rows = [each.as_json() for each in self.backends]
        return {"network": self.network, "compared": self.compared, "backends": rows}

    def document(self) -> Document:
        """Return one row per back end, with its seconds and verdict."""
        title = (
            f"{self.images} images of {self.data}, {self.steps} steps, {self.neurons} neurons, "
            f"seed {self.seed}"
        )
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
) -> Verification:
    """Run the integer network in the file `path` on the reference and on `backends`.

    progress: receives the back end that runs next. Raises BackendError for an unknown name before
    anything runs, and the errors of back ends. A divergence is part of the result.
    """
    network = load_network(path)
    for name in backends:
        progress(f"loading the back end {name}", 0, 0)
        registry.load_backend(name)  # before the images, so that a wrong name costs no time
    progress(described(choice.data), 0, 0)
    images = replace(choice, report=progress).encoded_for(network)
    result = verify(network, images, request, backends, progress)
    return replace(result, network=str(path))


def verify(
    network: IntegerNetwork,
    images: Images,
    request: RunRequest,
    backends: Sequence[str] = BACKENDS,
    progress: Progress = ignore,
) -> Verification:
    """Run encoded images on the reference and on `backends`, as `verify_file` does."""
    traced = replace(request, trace=True)
    others = [name for name in dict.fromkeys(backends) if name != REFERENCE]
    run_of = {name: registry.load_backend(name) for name in (REFERENCE, *others)}
    shape = Shape(len(images.pixels), request.steps, network.n_neurons, network.n_pixels)
    # The reference's trace, and that of the back end which is compared with it.
    require_verify(shape, traced, traces=min(2, len(run_of)))
    rows: list[VerifiedBackend] = []
    expected: Trace | None = None  # the reference's, which runs first
    with parts(progress) as begin:
        for name, execute in run_of.items():
            begin(f"{name}: {len(images.pixels)} images, {request.steps} steps")
            start = time.perf_counter()
            trace = execute(network, images.pixels, traced)
            divergence = None if expected is None else first_divergence(expected, trace)
            rows.append(VerifiedBackend(name, time.perf_counter() - start, divergence))
            expected = trace if expected is None else expected
    return Verification(
        backends=tuple(rows),
        data=images.floats.name,
        images=len(images.pixels),
        steps=request.steps,
        neurons=network.n_neurons,
        seed=request.seed,
    )
