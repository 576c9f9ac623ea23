"""Diagnosis of an installation: versions, back ends, data sets, and remedies."""

import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ipvae_snn.backends.registry import load_backend, registered
from ipvae_snn.backends.torch_module import cuda_advice
from ipvae_snn.data import load, names
from ipvae_snn.errors import BackendUnavailableError, DataError
from ipvae_snn.hw.lava.environment import describe

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


def diagnose(data_root: Path | None = None) -> Diagnosis:
    """Load every back end and the first image of every data set, without downloads."""
    return Diagnosis(
        python=sys.version.split()[0],
        platform=platform.platform(),
        packages={name: _version(name) for name in (*PACKAGES, *OPTIONAL)},
        backends=_backends(),
        data=_data(data_root),
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _backends() -> dict[str, BackendState]:
    states = {name: _backend(name) for name in sorted(registered())}
    advice = cuda_advice()
    states["torch-cuda"] = BackendState(not advice, advice)
    lava = describe()
    remedy = lava["mend"]
    ready = BackendState(lava["state"] == "ready", None if remedy is None else str(remedy), lava)
    return {**states, "lava": ready, "lava-fused": ready}


def _backend(name: str) -> BackendState:
    try:
        load_backend(name)
    except BackendUnavailableError as error:
        return BackendState(False, str(error))
    return BackendState(True, "")


def _data(root: Path | None) -> tuple[DataState, ...]:
    states = []
    for source in names():
        advice = ""
        try:
            load(source.name, "test", root, limit=1, download=False)
        except DataError as error:
            advice = str(error)
        here = not advice
        states.append(DataState(source.name, source.summary, here, source.citation, advice))
    return tuple(states)
