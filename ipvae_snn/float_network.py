"""The parameters of a trained network as plain NumPy arrays, read from a checkpoint file.

Conversion, the float ONNX export and float inference start here; none of them needs the
training code, and this file does not need torch.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from ipvae_snn.errors import FileFormatError

FORMAT: Final = "ipvae-snn/checkpoint"
VERSION: Final = 1
InputKind = Literal["unit", "standardised"]
Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FloatNetwork:
    """A linear-decoder iP-VAE of M pixels and K neurons (docs: design of the model).

    phi (M, K): dictionary. log_sigma (M,): log of the pixel noise. u0 (K,): initial log rate
    in nats. log_bias (K,): log of the constant that is taken from the drive. log_lr: log of the
    step size. clip, floor: the soft clip's upper and lower bound for u and du, in nats.
    input_kind: "unit" for pixels in [0, 1], "standardised" for zero-mean, unit-variance ones.
    image_shape: (height, width), height * width = M. source: SHA-256 of the checkpoint file.
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

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return int(self.phi.shape[0])

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return int(self.phi.shape[1])


def read_format(path: Path) -> str | None:
    """Return what the safetensors file at `path` says it is, or None if it says nothing.

    Raises FileFormatError if it is missing or truncated.
    """
    return _metadata(path).get("format")


def read_header(path: Path, expected_format: str, newest_version: int) -> dict[str, str]:
    """Return the string metadata of the safetensors file at `path`, after checking whose it is.

    Raises FileFormatError if the file is missing, truncated, not ours, of another kind, or
    newer than `newest_version`.
    """
    metadata = _metadata(path)
    found = metadata.get("format")
    if found != expected_format:
        raise FileFormatError(
            f"{path}: its format is {found!r}, not {expected_format!r}; was another file meant?"
        )
    version = metadata.get("version", "")
    if not version.isdigit() or int(version) < 1:
        raise FileFormatError(f"{path}: its version {version!r} is not a number from 1 up")
    if int(version) > newest_version:
        raise FileFormatError(
            f"{path}: version {version} is newer than {newest_version}, the newest that this "
            "installation reads; upgrade ipvae-snn"
        )
    return metadata


def _metadata(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise FileFormatError(f"{path}: no such file; check the path, or make it first")
    try:
        with safe_open(path, framework="numpy") as handle:
            return dict(handle.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"{path}: not a readable safetensors file ({error}); it may be truncated, make it again"
        ) from error


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
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise FileFormatError(
            f"{path}: a checkpoint with a missing or malformed part ({error}); make it again"
        ) from error
    _check_shapes(path, network)
    return network


def _check_shapes(path: Path, network: FloatNetwork) -> None:
    m, k = network.phi.shape if network.phi.ndim == 2 else (0, 0)
    shapes = {
        "log_sigma": (network.log_sigma.shape, (m,)),
        "u0": (network.u0.shape, (k,)),
        "log_bias": (network.log_bias.shape, (k,)),
        "image_shape": ((network.image_shape[0] * network.image_shape[1],), (m,)),
    }
    for name, (found, wanted) in shapes.items():
        if found != wanted or 0 in wanted:
            raise FileFormatError(
                f"{path}: {name} has shape {found}, but phi {(m, k)} needs {wanted}"
            )
    for name in ("phi", "log_sigma", "u0", "log_bias"):
        if not np.isfinite(getattr(network, name)).all():
            raise FileFormatError(
                f"{path}: {name} holds values that are not finite; train it again"
            )
    if network.input_kind not in ("unit", "standardised"):
        raise FileFormatError(f"{path}: input kind {network.input_kind!r} is not known here")
