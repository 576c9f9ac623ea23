"""Diagnosis of an installation: versions, back ends, data sets, and remedies."""

import platform
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ipvae_snn.backends import triton_circuit
from ipvae_snn.backends.torch_module import cuda_advice
from ipvae_snn.data import Source, load, names
from ipvae_snn.errors import BackendUnavailableError, DataError
from ipvae_snn.hw.lava.environment import describe
from ipvae_snn.ir.back_ends import load_backend, registered
from ipvae_snn.progress import Progress, Steps, ignore
from ipvae_snn.report.document import Block, Document, Span, paragraph, table

PACKAGES: Final = ("numpy", "torch", "onnx", "onnxruntime", "safetensors", "scipy", "scikit-learn")
OPTIONAL: Final = ("snntorch", "norse", "lava-nc")


@dataclass(frozen=True)
class BackendState:
    """Whether a back end works, the remedy if not, and for Lava its environment."""

    works: bool
    advice: str | None
    environment: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self.environment, "works": self.works, "advice": self.advice}

    def cells(self) -> tuple[Span, str]:
        """Return whether it works, and its Python or the remedy."""
        if not self.works:
            return Span("not available", "warning"), str(self.advice)
        python = self.environment.get("python")
        return Span("works", "good"), f"in {python}" if python else ""


@dataclass(frozen=True)
class DataState:
    """Whether the test split of a data set is available, and the remedy if not."""

    name: str
    summary: str
    here: bool
    citation: str
    advice: str


@dataclass(frozen=True)
class Diagnosis:
    """Result of a diagnosis. packages: versions by name, None for one that is not installed."""

    python: str
    platform: str
    packages: Mapping[str, str | None]
    backends: Mapping[str, BackendState]
    data: tuple[DataState, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "python": self.python,
            "platform": self.platform,
            "packages": dict(self.packages),
            "backends": {name: state.as_json() for name, state in self.backends.items()},
            "data": [asdict(state) for state in self.data],
        }

    def document(self) -> Document:
        """Return three tables (packages, back ends, data sets), and a remedy for missing data."""
        packages = [
            (name, number or "not installed" + (" (optional)" if name in OPTIONAL else ""))
            for name, number in self.packages.items()
        ]
        backends = [(name, *state.cells()) for name, state in self.backends.items()]
        states = {True: Span("available", "good"), False: Span("no files", "warning")}
        data = [(row.name, states[row.here], row.summary) for row in self.data]
        title = f"Python {self.python}, {self.platform}"
        blocks: list[Block] = [
            table(title, ("package", "version"), packages, text=True),
            table("Back ends", ("name", "state", "where, or the remedy"), backends, text=True),
            table("Data sets", ("name", "test split", "what"), data, text=True),
        ]
        if not all(row.here for row in self.data):
            blocks.append(
                paragraph(
                    "for a set without files, give its folder with --data-root or IPVAE_SNN_DATA "
                    "(`--json` lists the files)"
                )
            )
        return Document("Installation", tuple(blocks))


def diagnose(data_root: Path | None = None, progress: Progress = ignore) -> Diagnosis:
    """Load every back end and the first image of every data set, without downloads."""
    back_ends, sources = sorted(registered()), names()
    steps = Steps(progress, len(back_ends) + len(sources) + 1)
    # Lava's environment answers from processes of its own while the back ends load here.
    with ThreadPoolExecutor(1) as pool:
        lava = pool.submit(describe)
        states = _backends(back_ends, lava, steps)
        data = _data(sources, data_root, steps)
    return Diagnosis(
        python=sys.version.split()[0],
        platform=platform.platform(),
        packages={name: _version(name) for name in (*PACKAGES, *OPTIONAL)},
        backends=states,
        data=data,
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _backends(
    back_ends: Sequence[str], asked: Future[dict[str, object]], steps: Steps
) -> dict[str, BackendState]:
    states: dict[str, BackendState] = {}
    for name in back_ends:
        steps.begin(f"back end {name}")
        states[name] = _backend(name)
        steps.add(1)
    advice = cuda_advice()
    states["torch-cuda"] = BackendState(not advice, advice)
    kernels = triton_circuit.advice()
    states["triton"] = BackendState(not kernels, kernels)
    steps.begin("Lava's environment")
    lava = asked.result()
    remedy = lava["remedy"]
    steps.add(1)
    ready = BackendState(lava["state"] == "ready", None if remedy is None else str(remedy), lava)
    return {**states, "lava": ready, "lava-fused": ready}


def _backend(name: str) -> BackendState:
    try:
        load_backend(name)
    except BackendUnavailableError as error:
        return BackendState(False, str(error))
    return BackendState(True, "")


def _data(sources: Sequence[Source], root: Path | None, steps: Steps) -> tuple[DataState, ...]:
    states = []
    for source in sources:
        steps.begin(f"data set {source.name}")
        advice = ""
        try:
            load(source.name, "test", root, limit=1, download=False)
        except DataError as error:
            advice = str(error)
        here = not advice
        states.append(DataState(source.name, source.summary, here, source.citation, advice))
        steps.add(1)
    return tuple(states)
