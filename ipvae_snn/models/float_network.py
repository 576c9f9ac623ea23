"""Parameters of a trained network as plain NumPy arrays, read from a checkpoint file.

Conversion, the float ONNX export and float inference start from these. They need neither the
training code nor torch.
"""

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

import numpy as np
from safetensors import SafetensorError, safe_open

from ipvae_snn.arrays import Float32
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.config.renamed import old_dynamics
from ipvae_snn.config.settings import MAX_UPDATES_PER_STEP, KlForm
from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.storage.tensor_files import read_header

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT: Final = "ipvae-snn/checkpoint"
VERSION: Final = 2  # version 1 had the dynamics in its config only
KIND: Final = "poisson"
PREPARATION: Final = "preparation"  # of a user's own images, among the network's details


@dataclass(frozen=True, repr=False)
class FloatNetwork:
    """A linear-decoder iP-VAE of M pixels and K neurons, in NumPy arrays.

    phi (M, K): dictionary. log_sigma (M,): log of the pixel noise. u0 (K,): initial log rate
    in nats. log_bias (K,): log of the constant subtracted from the drive. log_lr: log of the
    step size. clip, floor: the soft clip's upper and lower bound for u and du, in nats.
    input_kind: "unit" for pixels in [0, 1], "standardised" for zero-mean, unit-variance ones.
    image_shape: (height, width), height * width = M. source: SHA-256 of the checkpoint file.
    updates_per_step: updates of the potential in one step. leak: how strongly an update pulls the
    potential u back to u_prior, where its step started; u changes by exp(log_lr) (drive -
    exp(log_bias) - leak (u - u_prior)), softly clipped. kl, training_steps: the form of the KL
    term and the number of steps that it was trained with, which an evaluation reports.
    preparation: what was done to the user's own images that it was trained on, None for plain ones.
    """

    phi: Float32
    log_sigma: Float32
    u0: Float32
    log_bias: Float32
    log_lr: float
    clip: float
    floor: float
    input_kind: InputKind
    image_shape: tuple[int, int]
    source: str
    trained_on: str
    updates_per_step: int = 1
    leak: float = 0.0
    kl: KlForm = "code"
    training_steps: int = 16
    preparation: Preparation | None = None

    def __repr__(self) -> str:
        """Return shape and origin without the arrays."""
        height, width = self.image_shape
        return (
            f"FloatNetwork({height}x{width} {self.input_kind} pixels, {self.n_neurons} neurons, "
            f"trained on {self.trained_on})"
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


def load_float_network(path: Path) -> FloatNetwork:
    """Read the network of a checkpoint (`model.safetensors`); executes no code from the file."""
    metadata = read_header(path, FORMAT, VERSION)
    names = ("phi", "log_sigma", "u0", "log_bias", "log_lr")
    try:
        with safe_open(path, framework="numpy") as handle:
            tensor = {name: handle.get_tensor(name).astype(np.float32) for name in names}
        details = json.loads(metadata["network"])
        height, width = details["image_shape"]
        network = FloatNetwork(
            phi=tensor["phi"],
            log_sigma=tensor["log_sigma"].reshape(-1),
            u0=tensor["u0"].reshape(-1),
            log_bias=tensor["log_bias"].reshape(-1),
            log_lr=float(tensor["log_lr"].reshape(())),
            clip=float(details["clip"]),
            floor=float(details["floor"]),
            input_kind=details["input_kind"],
            image_shape=(int(height), int(width)),
            source=hashlib.sha256(path.read_bytes()).hexdigest(),
            trained_on=str(details["trained_on"]),
        )
        if PREPARATION in details:
            prepared = Preparation.from_text(str(details[PREPARATION]), str(path))
            network = replace(network, preparation=prepared)
        kind = details.get("kind", KIND)
        config = tomllib.loads(metadata.get("config", ""))
        network = replace(
            network,
            kl=_kl_form(metadata.get("kl", "code")),
            training_steps=int(config.get("train", {}).get("steps", network.training_steps)),
            **_dynamics(config, details, network.log_lr)._asdict(),
        )
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise FileFormatError(
            f"{path}: a checkpoint with a missing or malformed part ({error}); make it again"
        ) from error
    if kind != KIND:
        raise FileFormatError(
            f"{path}: a network of kind {kind!r}, but only {KIND!r} ones are read here; train one "
            f"with model.kind={KIND}"
        )
    _check_shapes(path, network)
    return network


class _Dynamics(NamedTuple):
    updates_per_step: int
    leak: float


def _kl_form(name: str) -> KlForm:
    if name not in get_args(KlForm):
        raise ValueError(f"KL form {name!r} is not known")
    return "exact" if name == "exact" else "code"


def _dynamics(config: Mapping[str, Any], details: Mapping[str, Any], log_lr: float) -> _Dynamics:
    """Return the dynamics that the file states; an old file states them in its config.

    An old file has a constant pull c per update, which equals the leak c / exp(log_lr).
    """
    if "updates_per_step" in details:
        return _Dynamics(int(details["updates_per_step"]), float(details["leak"]))
    old = old_dynamics(config)
    return _Dynamics(old.updates, old.pull / math.exp(log_lr))


def _check_shapes(path: Path, network: FloatNetwork) -> None:
    m, k = network.phi.shape if network.phi.ndim == 2 else (0, 0)
    shapes = {
        "log_sigma": (network.log_sigma.shape, (m,)),
        "u0": (network.u0.shape, (k,)),
        "log_bias": (network.log_bias.shape, (k,)),
        "image_shape": ((network.image_shape[0] * network.image_shape[1],), (m,)),
    }
    for name, (shape, wanted) in shapes.items():
        if shape != wanted or 0 in wanted:
            raise FileFormatError(
                f"{path}: {name} has shape {shape}, but phi {(m, k)} needs {wanted}"
            )
    for name in ("phi", "log_sigma", "u0", "log_bias"):
        if not np.isfinite(getattr(network, name)).all():
            raise FileFormatError(
                f"{path}: {name} holds values that are not finite; train it again"
            )
    if not (1 <= network.updates_per_step <= MAX_UPDATES_PER_STEP and 0 <= network.leak < math.inf):
        raise FileFormatError(
            f"{path}: {network.updates_per_step} updates per step with a leak of {network.leak}, "
            f"but 1 to {MAX_UPDATES_PER_STEP} and a leak from 0 up are possible; make it again"
        )
    if network.input_kind not in ("unit", "standardised"):
        raise FileFormatError(f"{path}: input kind {network.input_kind!r} is not known here")
