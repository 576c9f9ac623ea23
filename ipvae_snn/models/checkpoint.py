"""Checkpoint files: the trained network (model.safetensors), and writing of the training state.

Both are safetensors files with string metadata; neither is ever read with pickle.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from ipvae_snn.config.preparation import Preparation
from ipvae_snn.config.settings import Config, ModelConfig, is_nonlinear
from ipvae_snn.config.toml import config_of_network, to_toml
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import FileFormatError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.ir.start import START
from ipvae_snn.models.dictionary_files import DICTIONARY
from ipvae_snn.models.float_network import (
    DENSE_VERSION,
    DICTIONARIES_VERSION,
    FORMAT,
    PREPARATION,
    START_VERSION,
    VERSION,
    NetworkKind,
    load_float_network,
)
from ipvae_snn.models.parameters import ModelParameters, TrainableModule
from ipvae_snn.models.training_data import locations
from ipvae_snn.storage.atomic import atomic_path
from ipvae_snn.storage.tensor_files import read_header, sorted_metadata


@dataclass(frozen=True)
class Origin:
    """Training data of a network: data set name, kind of pixels and shape of an image.

    data_path: of the user's own images. preparation: what was done to them, None for plain ones.
    imported: for a network from a file of another program, that file's name, SHA-256 and format.
    """

    trained_on: str
    input_kind: InputKind
    image_shape: ImageShape
    data_path: Path | None = None
    imported: Mapping[str, str] = field(default_factory=dict)
    preparation: Preparation | None = None

    @classmethod
    def of(cls, images: ImageSet) -> "Origin":
        """Return the origin of a network that is trained on images."""
        return cls(
            images.name,
            images.kind,
            images.image_shape,
            images.path,
            preparation=images.preparation,
        )


def save_model(
    path: Path,
    model: TrainableModule,
    config: Config,
    origin: Origin,
    clip: float | None = None,
) -> None:
    """Write the network to `path`, whole or not at all, as `load_float_network` reads it.

    log_sigma is stored after its bound, so that a reader needs no more than the formulas. clip:
    the present soft clip, in nats, where training has not yet increased it to config.model.clip.
    """
    save_parameters(path, model.view(), config, origin, clip)


def save_parameters(
    path: Path,
    parameters: ModelParameters,
    config: Config,
    origin: Origin,
    clip: float | None = None,
) -> None:
    """Write parameters as `save_model` writes those of a module; log_sigma is after its bound."""
    tensors = {name: value.detach().cpu() for name, value in parameters.stored.items()}
    described = dict(parameters.details)
    if is_nonlinear(config.model.dictionary):
        described = {"kind": config.model.dictionary}
    network = {
        "kind": config.model.kind,
        "updates_per_step": config.model.updates_per_step,
        "leak": config.model.leak,
        "clip": config.model.clip if clip is None else clip,
        "floor": config.model.floor,
        "input_kind": origin.input_kind,
        "image_shape": list(origin.image_shape),
        "trained_on": origin.trained_on,
        **({DICTIONARY: described} if described else {}),
        **({"data": locations(origin.data_path, path)} if origin.data_path else {}),
        **({"imported": dict(origin.imported)} if origin.imported else {}),
    }
    if origin.preparation is not None:
        network[PREPARATION] = origin.preparation.as_text()
    metadata = {
        "format": FORMAT,
        "version": str(_version(config.model, parameters, origin)),
        "network": json.dumps(network),
        "config": to_toml(config),
        "kl": config.train.kl,
    }
    _save(path, tensors, metadata)


def load_checkpoint_config(path: Path) -> Config:
    """Return the config that the network at `path` was trained with."""
    metadata = read_header(path, FORMAT, VERSION)
    if "config" not in metadata:
        raise FileFormatError(f"{path}: a checkpoint without its config; make it again")
    return config_of_network(metadata["config"], str(path), load_float_network(path).leak)


def _version(model: ModelConfig, parameters: ModelParameters, origin: Origin) -> int:
    """Return the version of the oldest readers that understand the file."""
    if not NetworkKind(model.kind, model.dictionary).is_float_network:
        return VERSION
    if START in parameters.stored:
        return START_VERSION
    new = bool(parameters.details) or len(origin.image_shape) > 2
    return DICTIONARIES_VERSION if new else DENSE_VERSION


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    owned = {
        name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(sorted_metadata(save(owned, metadata=metadata)))
