"""State of an unfinished training run, on disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import from_toml, to_toml
from ipvae_snn.errors import ConfigError, FileFormatError, brief, shortened
from ipvae_snn.models.checkpoint import _save
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.tensor_files import read_header, read_tensors

STATE_FORMAT: Final = "ipvae-snn/training-state"


STATE_VERSION: Final = 1
MOMENTS: Final = ("step", "exp_avg", "exp_inf")  # of Adamax
_REMEDY: Final = "train anew into another folder"


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
        # A copy, since torch takes no arrays that are read-only.
        tensors = {
            name: torch.from_numpy(array.copy()) for name, array in read_tensors(path).items()
        }
        config = from_toml(metadata["config"], str(path))
        return TrainingState(
            iteration=_iteration(metadata["iteration"], config.train.end),
            parameters=_with_prefix(tensors, "parameter."),
            moments=_with_prefix(tensors, "moment."),
            config=config,
            data=metadata["data"],
        )
    except (*MALFORMED, ConfigError) as error:
        raise FileFormatError(
            f"{path}: a training state with a missing or malformed part ({reason(error)}); "
            f"{_REMEDY}"
        ) from error


def require_fit(state: TrainingState, parameters: Mapping[str, Tensor], path: Path) -> None:
    """Raise FileFormatError unless `state` has the parameters' names, shapes and types.

    Its optimiser moments must be one number or of the parameter's shape, and all be finite; those
    of parameters that are learnt must be there.
    """
    if state.parameters.keys() != parameters.keys():
        raise FileFormatError(
            f"{path}: it holds {', '.join(state.parameters) or 'no parameters'}, but the model has "
            f"{', '.join(parameters)}; {_REMEDY}"
        )
    for name, value in state.parameters.items():
        _require_like(f"{path}: parameter {name}", value, [parameters[name].shape])
    for name, value in state.moments.items():
        owner = parameters.get(name.rpartition(".")[0])
        if owner is None:
            raise FileFormatError(
                f"{path}: moment {shortened(name, 60)} belongs to no parameter; {_REMEDY}"
            )
        _require_like(f"{path}: moment {name}", value, [owner.shape, torch.Size([])])
    learnt = [name for name, value in parameters.items() if value.requires_grad]
    needed = {f"{name}.{moment}" for name in learnt for moment in MOMENTS}
    if state.moments and needed - state.moments.keys():
        missing = min(needed - state.moments.keys())
        raise FileFormatError(f"{path}: moment {missing} is missing; {_REMEDY}")


def _require_like(subject: str, value: Tensor, shapes: list[torch.Size]) -> None:
    if value.shape not in shapes or value.dtype != torch.float32:
        raise FileFormatError(
            f"{subject} is {value.dtype} of shape {tuple(value.shape)}, but {tuple(shapes[0])} of "
            f"float32 is needed; {_REMEDY}"
        )
    if not torch.isfinite(value).all():
        raise FileFormatError(f"{subject} holds values that are not finite; {_REMEDY}")


def _iteration(text: str, end: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(end))) or int(text) > end:
        raise ValueError(f"iteration {brief(text)} is not in 0..{end}")
    return int(text)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
