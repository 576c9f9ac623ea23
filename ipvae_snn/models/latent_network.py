"""A trained model other than the linear iP-VAE, read from a checkpoint: settings and arrays.

Its file holds the module's own parameters, and the settings from which the module is made anew
(`latent_module`). Needs no torch.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float32
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.config.settings import Config, KlForm, Motion, is_nonlinear
from ipvae_snn.config.toml import from_toml
from ipvae_snn.errors import ConfigError, DataError, FileFormatError, brief
from ipvae_snn.image_shape import ImageShape, image_shape, n_pixels, shape_text
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.models.dictionary_files import floats
from ipvae_snn.models.family import MEMBERS, check_decoder
from ipvae_snn.models.float_network import (
    FORMAT,
    KIND,
    PREPARATION,
    VERSION,
    input_kind,
    network_kind,
)
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.shared_kernels import SharedKernels
from ipvae_snn.models.stored_dictionary import DenseMatrix, StoredDictionary
from ipvae_snn.models.training_data import candidates
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.tensor_files import read_header, read_tensors
from ipvae_snn.storage.text_values import number, parse_json_object, text, whole

MAX_VALUE: Final = 1e9  # beyond this a parameter is damaged


@dataclass(frozen=True, repr=False)
class LatentNetwork:
    """A trained network of any kind of model, of M pixels and K neurons.

    config: the settings that it was trained with. tensors: the module's parameters by name. clip:
    the soft clip of its potentials. Others as in `float_network.FloatNetwork`.
    """

    config: Config
    tensors: Mapping[str, Float32]
    clip: float
    input_kind: InputKind
    image_shape: ImageShape
    source: str
    trained_on: str
    data_paths: tuple[str, ...] = ()
    preparation: Preparation | None = None

    def __repr__(self) -> str:
        """Return kind, shape and origin without the arrays."""
        return (
            f"LatentNetwork({self.name}, {shape_text(self.image_shape)} {self.input_kind} pixels, "
            f"{self.n_neurons} neurons, trained on {self.trained_on or 'unknown images'})"
        )

    @property
    def name(self) -> str:
        """The model as the paper writes it."""
        return MEMBERS[self.config.model.kind].name

    @property
    def counts(self) -> bool:
        """Whether its latents are numbers of spikes."""
        return MEMBERS[self.config.model.kind].counts

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return n_pixels(self.image_shape)

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        linear = self.dictionary
        return self.config.model.n_latents if linear is None else linear.n_neurons

    @property
    def decoder_text(self) -> str:
        """Kind and size of the decoder, for messages."""
        model, linear = self.config.model, self.dictionary
        if linear is not None:
            return f"{linear.kind}: {linear.size_text}"
        width = f"width {model.decoder_width}"
        return f"{model.dictionary}: {model.n_latents} neurons, {width}, {self.n_pixels} pixels"

    @property
    def n_parameters(self) -> int:
        """Number of learnt numbers."""
        return sum(array.size for array in self.tensors.values())

    @property
    def kl(self) -> KlForm:
        """The form of the KL term that an evaluation reports."""
        return "exact"

    @property
    def training_steps(self) -> int:
        """Steps that it was trained with."""
        return self.config.train.all_steps

    @property
    def trained_frames(self) -> int:
        """Frames of the sequences that it was trained on, 1 for still images."""
        return self.config.data.frames

    @property
    def trained_motion(self) -> Motion:
        """Where the frames came from."""
        return self.config.data.motion

    @cached_property
    def dictionary(self) -> StoredDictionary | None:
        """The linear decoder in NumPy; None for a nonlinear one."""
        if is_nonlinear(self.config.model.dictionary):
            return None
        last = {name.rpartition(".")[2]: values for name, values in self.tensors.items()}
        if "phi" in last:
            return DenseMatrix(last["phi"])
        model = self.config.model
        kernel = model.kernel, model.kernel
        positions = KernelPositions(self.image_shape, model.features, kernel, model.stride)
        return SharedKernels(last["kernels"], positions)


def load_latent_network(path: str | Path) -> LatentNetwork:
    """Read the network of any checkpoint that is no `FloatNetwork`; executes no code from the file.

    Raises FileFormatError if it is missing, damaged, newer, or of a kind that is not known. Whether
    the arrays are those of its settings, `latent_module.module_of` checks.
    """
    path = Path(path)
    metadata = read_header(path, FORMAT, VERSION)
    kind = network_kind(path, metadata)
    try:
        details = parse_json_object(metadata["network"])
        config = from_toml(metadata["config"], str(path))
        model = config.model
        if kind.model != model.kind or kind.model not in MEMBERS:
            raise ValueError(f"kind {brief(kind.model)} is not the settings' {model.kind!r}")
        nonlinear = is_nonlinear(kind.decoder) or is_nonlinear(model.dictionary)
        if nonlinear and kind.decoder != model.dictionary:
            raise ValueError(
                f"decoder {brief(kind.decoder)} is not the settings' {model.dictionary!r}"
            )
        if kind.is_float_network:
            raise ValueError(f"a linear network of kind {KIND!r} is read elsewhere")
        check_decoder(model.kind, model.dictionary)
        given = read_tensors(path)
        network = LatentNetwork(
            config=config,
            tensors={name: floats(given, name) for name in given},
            clip=number(details["clip"], "clip"),
            input_kind=input_kind(details["input_kind"]),
            image_shape=image_shape(whole(size, "image_shape") for size in details["image_shape"]),
            source=hashlib.sha256(path.read_bytes()).hexdigest(),
            trained_on=text(details["trained_on"], "trained_on"),
            data_paths=candidates(details.get("data", {}), path),
            preparation=(
                Preparation.from_text(str(details[PREPARATION]), str(path))
                if PREPARATION in details
                else None
            ),
        )
        _check(network)
    except (*MALFORMED, ConfigError, DataError) as error:
        raise FileFormatError(
            f"{path}: a checkpoint with a missing or malformed part ({reason(error)}); make it "
            "again"
        ) from error
    return network


def _check(network: LatentNetwork) -> None:
    """Raise ValueError unless all values are sound."""
    for name, values in network.tensors.items():
        if not (np.isfinite(values).all() and np.abs(values).max(initial=0.0) <= MAX_VALUE):
            raise ValueError(f"{name} holds values that are not finite or beyond {MAX_VALUE:g}")
    if not 0 < network.clip <= 10.0:
        raise ValueError(f"clip is {network.clip}, not in (0, 10]")
