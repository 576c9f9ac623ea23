"""State of an unfinished training run, on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import from_toml, to_toml
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.models.checkpoint import _save
from ipvae_snn.storage.tensor_files import read_header

STATE_FORMAT: Final = "ipvae-snn/training-state"


STATE_VERSION: Final = 1


@dataclass(frozen=True)
class TrainingState:
    """State from which training continues; `iteration` iterations are done.

    parameters and moments are named tensors; data is the fingerprint of the training images.
    Every random draw is keyed by seed and iteration, so no generator has to be stored.
    """

    iteration: int
    parameters: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    config: Config
    data: str


def save_state(path: Path, state: TrainingState) -> None:
    """Write the training state to `path`, whole or not at all."""
    tensors = {f"parameter.{name}": value for name, value in state.parameters.items()}
    tensors |= {f"moment.{name}": value for name, value in state.moments.items()}
    metadata = {
        "format": STATE_FORMAT,
        "version": str(STATE_VERSION),
        "iteration": str(state.iteration),
        "config": to_toml(state.config),
        "data": state.data,
    }
    _save(path, {name: value.detach().cpu() for name, value in tensors.items()}, metadata)


def load_state(path: Path) -> TrainingState:
    """Read a training state; FileFormatError if it is missing, truncated, foreign or newer."""
    metadata = read_header(path, STATE_FORMAT, STATE_VERSION)
    try:
        with safe_open(path, framework="pt") as handle:
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no mapping)
        return TrainingState(
            iteration=int(metadata["iteration"]),
            parameters=_with_prefix(tensors, "parameter."),
            moments=_with_prefix(tensors, "moment."),
            config=from_toml(metadata["config"], str(path)),
            data=metadata["data"],
        )
    except (SafetensorError, KeyError, ValueError, ConfigError) as error:
        raise FileFormatError(
            f"{path}: a training state with a missing or malformed part ({error}); "
            "train anew into another folder"
        ) from error


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
