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

from ipvae_snn.arrays import Float32
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.config.renamed import old_dynamics
from ipvae_snn.config.settings import (
    MAX_UPDATES_PER_STEP,
    DataConfig,
    KlForm,
    ModelConfig,
    Motion,
    TrainConfig,
    is_nonlinear,
    limits_of,
)
from ipvae_snn.errors import ConfigError, ConversionError, FileFormatError, brief
from ipvae_snn.image_shape import ImageShape, image_shape, shape_text
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.models.dictionary_files import DICTIONARY, floats, read_dictionary
from ipvae_snn.models.stored_dictionary import StoredDictionary
from ipvae_snn.models.training_data import candidates
from ipvae_snn.storage.source_files import MALFORMED, reason
from ipvae_snn.storage.tensor_files import read_header, read_tensors
from ipvae_snn.storage.text_values import number, parse_json_object, parse_toml, text, whole

FORMAT: Final = "ipvae-snn/checkpoint"
VERSION: Final = 5  # of other models than the linear iP-VAE
START_VERSION: Final = 4  # of a network with a start
DICTIONARIES_VERSION: Final = 3
DENSE_VERSION: Final = 2  # of a dense dictionary of grey images; 1 had the dynamics in its config
KIND: Final = "poisson"
# Values beyond these are damage, not learning: with them float32 overflows. A trained log_lr is
# about -2, a strength (see _check_values) about 1.
LARGEST: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "phi": (-1e9, 1e9),
        "feedforward": (-1e15, 1e15),
        "lateral": (-1e15, 1e15),
        "start": (-1e9, 1e9),
        "kernels": (-1e9, 1e9),
        "log_sigma": (-20.0, 20.0),
        "u0": (-100.0, 20.0),
        "log_bias": (-1000.0, 20.0),
        "log_lr": (-30.0, 10.0),
    }
)
MAX_STRENGTH: Final = 1e15
TRAINED_FRAMES: Final = "trained_frames"  # of an integer network's provenance: "8 drift"
PREPARATION: Final = "preparation"  # of a user's own images, among the network's details


@dataclass(frozen=True, repr=False)
class FloatNetwork:
    """A linear-decoder iP-VAE of M pixels and K neurons, in NumPy arrays.

    dictionary: the linear decoder phi (M, K). log_sigma (M,): log of the pixel noise. u0 (K,):
    initial log rate in nats. log_bias (K,): log of the constant subtracted from the drive. The
    last three are equal within a channel or feature of a convolutional dictionary. log_lr: log of
    the step size. clip, floor: the soft clip's upper and lower bound for u and du, in nats.
    input_kind: "unit" for pixels in [0, 1], "standardised" for zero-mean, unit-variance ones.
    image_shape: (height, width) or (height, width, channels), M in all. source: SHA-256 of the
    checkpoint file.
    updates_per_step: updates of the potential in one step. leak: how strongly an update pulls the
    potential u back to u_prior, where its step started; u changes by exp(log_lr) (drive -
    exp(log_bias) - leak (u - u_prior)), softly clipped. kl, training_steps: the form of the KL
    term and the number of steps that it was trained with, which an evaluation reports.
    data_paths: where the user's own training images may be, the likeliest first. preparation: what
    was done to them, None for plain ones. imported: of a network from a file of another program,
    that file's name, SHA-256 and format. trained_frames, trained_motion: frames of the sequences
    that it was trained on, 1 for still images, and where they came from.
    """

    dictionary: StoredDictionary
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
    trained_frames: int = 1
    trained_motion: Motion = "video"

    def __repr__(self) -> str:
        """Return shape and origin without the arrays."""
        size = shape_text(self.image_shape)
        return (
            f"FloatNetwork({size} {self.input_kind} pixels, {self.n_neurons} neurons, "
            f"trained on {self.trained_on or 'unknown images'})"
        )

    @property
    def phi(self) -> Float32:
        """The dictionary as a matrix (M, K); MemoryLimitError where a convolutional one is large.

        It is made anew at every access of a convolutional one.
        """
        return self.dictionary.dense()

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return self.dictionary.n_pixels

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.dictionary.n_neurons

    @property
    def start(self) -> Float32 | None:
        """What a pixel adds to the first potentials, (K, M) in nats; None where nothing does."""
        own = self.dictionary.own
        return None if own is None else own.start

    @property
    def stored(self) -> dict[str, Float32]:
        """The learnt arrays as a file has them, log_lr apart: one value per feature and channel.

        Raises ConversionError where neurons of a feature, or pixels of a channel, differ.
        """
        d = self.dictionary
        return {
            **d.tensors,
            "log_sigma": d.shared_pixels(self.log_sigma),
            "u0": d.shared_neurons(self.u0),
            "log_bias": d.shared_neurons(self.log_bias),
        }

    @property
    def n_parameters(self) -> int:
        """Number of learnt numbers."""
        return 1 + sum(array.size for array in self.stored.values())

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
    kind = network_kind(path, metadata)
    if kind.model != KIND:
        raise FileFormatError(
            f"{path}: a network of kind {brief(kind.model)}, but only {KIND!r} ones are read here; "
            f"train one with model.kind={KIND}"
        )
    if is_nonlinear(kind.decoder):
        raise FileFormatError(
            f"{path}: its decoder is {kind.decoder}, but only linear ones are read here, since no "
            "integer form follows from others; train one with model.dictionary=dense"
        )
    try:
        given = read_tensors(path)
        details = parse_json_object(metadata["network"])
        shape = image_shape(whole(size, "image_shape") for size in details["image_shape"])
        dictionary = read_dictionary(given, details, shape)
        network = FloatNetwork(
            dictionary=dictionary,
            log_sigma=dictionary.each_pixel(floats(given, "log_sigma")),
            u0=dictionary.each_neuron(floats(given, "u0")),
            log_bias=dictionary.each_neuron(floats(given, "log_bias")),
            log_lr=float(floats(given, "log_lr").reshape(())),
            clip=number(details["clip"], "clip"),
            floor=number(details["floor"], "floor"),
            input_kind=details["input_kind"],
            image_shape=shape,
            source=hashlib.sha256(path.read_bytes()).hexdigest(),
            trained_on=text(details["trained_on"], "trained_on"),
            data_paths=candidates(details.get("data", {}), path),
            imported={str(k): str(v) for k, v in details.get("imported", {}).items()},
        )
        if PREPARATION in details:
            prepared = Preparation.from_text(str(details[PREPARATION]), str(path))
            network = replace(network, preparation=prepared)
        config = parse_toml(metadata.get("config", ""))
        network = replace(
            network,
            kl=_kl_form(metadata.get("kl", "code")),
            training_steps=_training_steps(config, network.training_steps),
            **_dynamics(config, details, network.log_lr)._asdict(),
            **_moving(config)._asdict(),
        )
    except (*MALFORMED, ConfigError) as error:
        raise FileFormatError(
            f"{path}: a checkpoint with a missing or malformed part ({reason(error)}); make it "
            "again"
        ) from error
    _check_values(path, network)
    return network


class NetworkKind(NamedTuple):
    """The values of `model.kind` and `model.dictionary` that a file states; any text.

    Of a linear decoder, `decoder` may be missing ("dense").
    """

    model: str
    decoder: str

    @property
    def is_float_network(self) -> bool:
        """Whether it is a linear iP-VAE, which alone has an integer form."""
        return self.model == KIND and not is_nonlinear(self.decoder)


def checkpoint_kind(path: str | Path) -> NetworkKind:
    """Return the kind of network of a checkpoint; FileFormatError if it cannot be read."""
    return network_kind(Path(path), read_header(Path(path), FORMAT, VERSION))


def network_kind(path: Path, metadata: Mapping[str, str]) -> NetworkKind:
    """Return the kind of network that a header states; FileFormatError if it is bad."""
    try:
        details = parse_json_object(metadata["network"])
        decoder = details.get(DICTIONARY, {}).get("kind", "dense")
        return NetworkKind(str(details.get("kind", KIND)), str(decoder))
    except MALFORMED as error:
        raise FileFormatError(
            f"{path}: a checkpoint with a missing or malformed part ({reason(error)}); make it "
            "again"
        ) from error


def input_kind(name: Any) -> InputKind:
    """Return the kind of pixels that a file states; ValueError if it is not known."""
    if name not in get_args(InputKind):
        raise ValueError(f"input kind {brief(name)} is not known here")
    return "unit" if name == "unit" else "standardised"


class _Dynamics(NamedTuple):
    updates_per_step: int
    leak: float


class _Moving(NamedTuple):
    trained_frames: int
    trained_motion: Motion


def _moving(config: Mapping[str, Any]) -> _Moving:
    """Return the frames and motion that a network was trained on; still images in an old file."""
    data = config.get("data", {})
    frames, motion = whole(data.get("frames", 1), "data.frames"), data.get("motion", "video")
    if motion not in get_args(Motion) or not limits_of(DataConfig, "frames").hold(frames):
        raise ValueError(f"{brief(frames)} frames of {brief(motion)} are not possible")
    return _Moving(frames, "drift" if motion == "drift" else "video")


def _training_steps(config: Mapping[str, Any], otherwise: int) -> int:
    """Return the steps of a training iteration in all segments."""
    train = config.get("train", {})
    steps = whole(train.get("steps", otherwise), "train.steps")
    return steps * whole(train.get("segments", 1), "train.segments")


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


def _check_values(path: Path, network: FloatNetwork) -> None:
    """Check every constant against its limits; NaN fails all of them."""
    stored = network.stored | {"log_lr": np.asarray(network.log_lr, np.float32)}
    for name, values in stored.items():
        low, high = LARGEST[name]
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
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64))
    with np.errstate(over="ignore"):  # an infinite strength is refused as well
        strength = network.dictionary.strengths(precision)
    largest = float(strength.max()) * math.exp(network.log_lr)
    if largest > MAX_STRENGTH:
        raise FileFormatError(
            f"{path}: step size x phi^2 / sigma^2 reaches {largest:.3g}, but at most "
            f"{MAX_STRENGTH:g} is possible; train it again"
        )
