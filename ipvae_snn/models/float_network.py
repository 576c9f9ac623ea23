"""Parameters of a trained network as plain NumPy arrays, read from a checkpoint file.

Conversion, the float ONNX export and float inference start from these. They need neither the
training code nor torch.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, get_args

import numpy as np

from ipvae_snn.arrays import AnyArray, Float32
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.config.renamed import old_dynamics
from ipvae_snn.config.settings import (
    MAX_UPDATES_PER_STEP,
    KlForm,
    ModelConfig,
    TrainConfig,
    limits_of,
)
from ipvae_snn.errors import ConversionError, FileFormatError, brief
from ipvae_snn.image_shape import ImageShape, image_shape, n_pixels, shape_text
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.models.training_data import candidates
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.tensor_files import read_header, read_tensors
from ipvae_snn.storage.text_values import number, parse_json_object, parse_toml, text, whole

FORMAT: Final = "ipvae-snn/checkpoint"
VERSION: Final = 2  # version 1 had the dynamics in its config only
KIND: Final = "poisson"
TENSORS: Final = ("phi", "log_sigma", "u0", "log_bias", "log_lr")
# Values beyond these are damage, not learning: with them float32 overflows. A trained log_lr is
# about -2, a strength (see _check_values) about 1.
LARGEST: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "phi": (-1e9, 1e9),
        "log_sigma": (-20.0, 20.0),
        "u0": (-100.0, 20.0),
        "log_bias": (-1000.0, 20.0),
        "log_lr": (-30.0, 10.0),
    }
)
MAX_STRENGTH: Final = 1e15
PREPARATION: Final = "preparation"  # of a user's own images, among the network's details


@dataclass(frozen=True, repr=False)
class FloatNetwork:
    """A linear-decoder iP-VAE of M pixels and K neurons, in NumPy arrays.

    phi (M, K): dictionary. log_sigma (M,): log of the pixel noise. u0 (K,): initial log rate
    in nats. log_bias (K,): log of the constant subtracted from the drive. log_lr: log of the
    step size. clip, floor: the soft clip's upper and lower bound for u and du, in nats.
    input_kind: "unit" for pixels in [0, 1], "standardised" for zero-mean, unit-variance ones.
    image_shape: (height, width) or (height, width, channels), M in all. source: SHA-256 of the
    checkpoint file.
    updates_per_step: updates of the potential in one step. leak: how strongly an update pulls the
    potential u back to u_prior, where its step started; u changes by exp(log_lr) (drive -
    exp(log_bias) - leak (u - u_prior)), softly clipped. kl, training_steps: the form of the KL
    term and the number of steps that it was trained with, which an evaluation reports.
    data_paths: where the user's own training images may be, the likeliest first. preparation: what
    was done to them, None for plain ones. imported: of a network from a file of another program,
    that file's name, SHA-256 and format.
    """

    phi: Float32
    log_sigma: Float32
    u0: Float32
    log_bias: Float32
    log_lr: float
    clip: float
    floor: float
    input_kind: InputKind
    image_shape: ImageShape
    source: str
    trained_on: str
    updates_per_step: int = 1
    leak: float = 0.0
    kl: KlForm = "code"
    training_steps: int = 16
    data_paths: tuple[str, ...] = ()
    imported: Mapping[str, str] = field(default_factory=dict)
    preparation: Preparation | None = None

    def __repr__(self) -> str:
        """Return shape and origin without the arrays."""
        size = shape_text(self.image_shape)
        return (
            f"FloatNetwork({size} {self.input_kind} pixels, {self.n_neurons} neurons, "
            f"trained on {self.trained_on or 'unknown images'})"
        )

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return int(self.phi.shape[0])

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return int(self.phi.shape[1])

    def with_single_updates(self) -> "FloatNetwork":
        """Return the same network with one update per step, for n times as many steps.

        Raises ConversionError where a leak couples the updates of a step.
        """
        if self.updates_per_step > 1 and self.leak > 0:
            raise ConversionError(
                f"the network takes {self.updates_per_step} updates per step with a leak of "
                f"{self.leak:.4g} back to where the step began, but an integer network has steps "
                "of one update; train with model.leak=0 or model.updates_per_step=1"
            )
        return replace(self, updates_per_step=1, leak=0.0)


def load_float_network(path: str | Path) -> FloatNetwork:
    """Read the network of a checkpoint (`model.safetensors`); executes no code from the file."""
    path = Path(path)
    metadata = read_header(path, FORMAT, VERSION)
    try:
        given = read_tensors(path)
        tensor = {name: _floats(given[name], name) for name in TENSORS}
        details = parse_json_object(metadata["network"])
        network = FloatNetwork(
            phi=tensor["phi"],
            log_sigma=tensor["log_sigma"].reshape(-1),
            u0=tensor["u0"].reshape(-1),
            log_bias=tensor["log_bias"].reshape(-1),
            log_lr=float(tensor["log_lr"].reshape(())),
            clip=number(details["clip"], "clip"),
            floor=number(details["floor"], "floor"),
            input_kind=details["input_kind"],
            image_shape=image_shape(whole(size, "image_shape") for size in details["image_shape"]),
            source=hashlib.sha256(path.read_bytes()).hexdigest(),
            trained_on=text(details["trained_on"], "trained_on"),
            data_paths=candidates(details.get("data", {}), path),
            imported={str(k): str(v) for k, v in details.get("imported", {}).items()},
        )
        if PREPARATION in details:
            prepared = Preparation.from_text(str(details[PREPARATION]), str(path))
            network = replace(network, preparation=prepared)
        kind = details.get("kind", KIND)
        config = parse_toml(metadata.get("config", ""))
        network = replace(
            network,
            kl=_kl_form(metadata.get("kl", "code")),
            training_steps=whole(
                config.get("train", {}).get("steps", network.training_steps), "train.steps"
            ),
            **_dynamics(config, details, network.log_lr)._asdict(),
        )
    except MALFORMED as error:
        raise FileFormatError(
            f"{path}: a checkpoint with a missing or malformed part ({reason(error)}); make it "
            "again"
        ) from error
    if kind != KIND:
        raise FileFormatError(
            f"{path}: a network of kind {brief(kind)}, but only {KIND!r} ones are read here; train "
            f"one with model.kind={KIND}"
        )
    _check_shapes(path, network)
    _check_values(path, network)
    return network


class _Dynamics(NamedTuple):
    updates_per_step: int
    leak: float


def _kl_form(name: str) -> KlForm:
    if name not in get_args(KlForm):
        raise ValueError(f"KL form {brief(name)} is not known")
    return "exact" if name == "exact" else "code"


def _dynamics(config: Mapping[str, Any], details: Mapping[str, Any], log_lr: float) -> _Dynamics:
    """Return the dynamics that the file states; an old file states them in its config.

    An old file has a constant pull c per update, which equals the leak c / exp(log_lr).
    """
    if "updates_per_step" in details:
        return _Dynamics(
            whole(details["updates_per_step"], "updates_per_step"),
            number(details["leak"], "leak"),
        )
    old = old_dynamics(config)
    return _Dynamics(old.updates, old.pull / math.exp(log_lr))


def _check_shapes(path: Path, network: FloatNetwork) -> None:
    m, k = network.phi.shape if network.phi.ndim == 2 else (0, 0)
    shapes = {
        "log_sigma": (network.log_sigma.shape, (m,)),
        "u0": (network.u0.shape, (k,)),
        "log_bias": (network.log_bias.shape, (k,)),
        "image_shape": ((n_pixels(network.image_shape),), (m,)),
    }
    for name, (shape, wanted) in shapes.items():
        if shape != wanted or 0 in wanted:
            raise FileFormatError(
                f"{path}: {name} has shape {shape}, but phi {(m, k)} needs {wanted}"
            )


def _check_values(path: Path, network: FloatNetwork) -> None:
    """Check every constant against its limits; NaN fails all of them."""
    for name, (low, high) in LARGEST.items():
        values = np.asarray(getattr(network, name))
        if not np.isfinite(values).all():
            raise FileFormatError(
                f"{path}: {name} holds values that are not finite; train it again"
            )
        if not (low <= values.min() and values.max() <= high):
            raise FileFormatError(
                f"{path}: {name} reaches {values.min():.4g}..{values.max():.4g}, but only "
                f"{low:g}..{high:g} are possible; train it again"
            )
    if not (1 <= network.updates_per_step <= MAX_UPDATES_PER_STEP and 0 <= network.leak < math.inf):
        raise FileFormatError(
            f"{path}: {network.updates_per_step} updates per step with a leak of {network.leak}, "
            f"but 1 to {MAX_UPDATES_PER_STEP} and a leak from 0 up are possible; make it again"
        )
    checked = (
        ("clip", network.clip, limits_of(ModelConfig, "clip")),
        ("floor", network.floor, limits_of(ModelConfig, "floor")),
        ("leak", network.leak, limits_of(ModelConfig, "leak")),
        ("train.steps", network.training_steps, limits_of(TrainConfig, "steps")),
    )
    for name, value, limits in checked:
        if not limits.hold(value):
            raise FileFormatError(
                f"{path}: {name} is {value}; it must lie in {limits}; make it again"
            )
    if network.input_kind not in get_args(InputKind):
        raise FileFormatError(f"{path}: input kind {brief(network.input_kind)} is not known here")
    # What a spike of a neuron takes from the neuron itself per update, in nats.
    precision = np.exp(-2.0 * network.log_sigma)
    with np.errstate(over="ignore"):  # an infinite strength is refused as well
        strength = np.einsum("mk,mk,m->k", network.phi, network.phi, precision)
    largest = float(strength.max()) * math.exp(network.log_lr)
    if largest > MAX_STRENGTH:
        raise FileFormatError(
            f"{path}: step size x phi^2 / sigma^2 reaches {largest:.3g}, but at most "
            f"{MAX_STRENGTH:g} is possible; train it again"
        )


def _floats(array: AnyArray, name: str) -> Float32:
    if array.dtype.kind != "f":
        raise ValueError(f"{name} holds {array.dtype}, not floats")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is refused
        return array.astype(np.float32)
