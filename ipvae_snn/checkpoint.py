"""Checkpoint files: the network for use (model.safetensors) and the state to go on from.

Both are safetensors files with string metadata; neither is ever read with pickle.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ipvae_snn.atomic import atomic_path
from ipvae_snn.config import Config, from_toml, to_toml
from ipvae_snn.errors import ConfigError, FileFormatError
from ipvae_snn.float_network import FORMAT, VERSION, InputKind, read_header
from ipvae_snn.model import IterativePoissonVAE
from ipvae_snn.sorted_safetensors import sorted_metadata

STATE_FORMAT: Final = "ipvae-snn/training-state"
STATE_VERSION: Final = 1


@dataclass(frozen=True)
class Origin:
    """What a network was trained on: data set name, kind of pixels and (height, width)."""

    trained_on: str
    input_kind: InputKind
    image_shape: tuple[int, int]


@dataclass(frozen=True)
class TrainingState:
    """All that training needs to go on: `iteration` iterations are done.

    parameters and moments are named tensors; data is the fingerprint of the training images.
    Every random draw is keyed by seed and iteration, so there is no generator to be kept.
    """

    iteration: int
    parameters: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    config: Config
    data: str


def save_model(path: Path, model: IterativePoissonVAE, config: Config, origin: Origin) -> None:
    """Write the network to `path`, whole or not at all, as `load_float_network` reads it.

    log_sigma is stored after its bound, so that a reader needs no more than the formulas.
    """
    tensors = {name: value.detach().cpu() for name, value in vars(model.view()).items()}
    network = {
        "clip": config.model.clip,
        "floor": config.model.floor,
        "input_kind": origin.input_kind,
        "image_shape": list(origin.image_shape),
        "trained_on": origin.trained_on,
    }
    metadata = {
        "format": FORMAT,
        "version": str(VERSION),
        "network": json.dumps(network),
        "config": to_toml(config),
        "kl": config.train.kl,
    }
    _save(path, tensors, metadata)


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
    """Read a training state; FileFormatError if it is missing, torn, foreign or newer."""
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


def load_checkpoint_config(path: Path) -> Config:
    """Return the config that the network at `path` was trained with."""
    metadata = read_header(path, FORMAT, VERSION)
    if "config" not in metadata:
        raise FileFormatError(f"{path}: a checkpoint without its config; make it again")
    return from_toml(metadata["config"], str(path))


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    owned = {
        name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(sorted_metadata(save(owned, metadata=metadata)))
