"""Network of a layer: an object, a file, or a pretrained name; converted in integer mode."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from torch import Tensor

from ipvae_snn import data, pretrained
from ipvae_snn.arrays import AnyArray, Float32
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import ConversionSettings, convert
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, DataError, FileFormatError
from ipvae_snn.ir import files
from ipvae_snn.ir.encode import check_images
from ipvae_snn.ir.network import Circuit, IntegerNetwork
from ipvae_snn.models import float_network
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.storage.tensor_files import read_format

Mode = Literal["integer", "float"]
Network = IntegerNetwork | FloatNetwork
# A network, the path of its file (integer network or checkpoint), or a pretrained name.
NetworkSource = Network | str | Path
# Images (N, ...) as floats in the network's range, or the name or path of a data set.
CalibrationImages = AnyArray | Tensor | str | Path

# Defaults of `ipvae-snn convert`, so that both give the same network.
IMAGES: Final = 2000
STEPS: Final = 48

_LOADERS: Final[dict[str | None, Callable[[Path], Network]]] = {
    files.FORMAT: files.load_network,
    float_network.FORMAT: float_network.load_float_network,
}


def resolve(source: NetworkSource) -> Network:
    """Return `source` itself, or the network of the file or pretrained name `source`.

    Raises FileFormatError if there is no such file or name, or if the file is not a network.
    """
    match source:
        case IntegerNetwork() | FloatNetwork():
            return source
        case str() | Path():
            path = pretrained.network_path(str(source))
            named = read_format(path)
            if named not in _LOADERS:
                raise FileFormatError(
                    f"{path}: its format is {named!r}, neither an ipvae-snn checkpoint nor an "
                    "integer network; was another file meant?"
                )
            return _LOADERS[named](path)
    raise ConfigError(
        f"{type(source).__name__} is no network; give an IntegerNetwork, a FloatNetwork, a path, "
        "or the name of a pretrained network"
    )


def from_checkpoint(
    source: FloatNetwork | str | Path,
    mode: Mode,
    *,
    bits: int,
    circuit: Circuit,
    images: CalibrationImages | None,
) -> Network:
    """Return the float network of `source`; converted to weights of `bits` bits in integer mode.

    The conversion equals `ipvae-snn convert` with its defaults. Calibration images are `images`, or
    those that the network was trained on, if they come with the package or are in the folder
    IPVAE_SNN_DATA. Raises DataError if there are none or they do not fit, ConversionError for bits
    outside 2..8, ConfigError if `source` is already an integer network, and FileFormatError as
    `resolve`.
    """
    network = resolve(source)
    if not isinstance(network, FloatNetwork):
        raise ConfigError(
            f"{source} is an integer network already; give it to the layer itself, without "
            "from_pretrained"
        )
    if mode != "integer":
        return network
    settings = ConversionSettings(bits, bits, circuit=circuit)
    name = str(source) if isinstance(source, str | Path) else "the network"
    seen = _calibration_images(network, name, images)
    check_images(network.image_shape, network.input_kind, seen.pixels, seen.kind, seen.name)
    return convert(network, calibrate(network, seen.pixels, seen.name, STEPS), settings)[0]


def _calibration_images(
    network: FloatNetwork, name: str, images: CalibrationImages | None
) -> ImageSet:
    """Return the calibration images; by default those on which the network was trained."""
    match images:
        case None:
            return _training_images(network, name)
        case str() | Path():
            return data.load(str(images), limit=IMAGES, patch_size=network.image_shape[0])
    pixels: Any = images.detach().cpu().numpy() if isinstance(images, Tensor) else images
    return ImageSet(
        "calibrate",
        "train",
        _float_rows(np.asarray(pixels)),
        network.image_shape,
        network.input_kind,
    )


def _training_images(network: FloatNetwork, name: str) -> ImageSet:
    """Return the images on which the network was trained, without a download."""
    trained_on, shape = network.trained_on, network.image_shape
    try:
        return data.load(trained_on, limit=IMAGES, patch_size=shape[0], download=False)
    except DataError as error:
        raise DataError(
            f"{name} was trained on {trained_on}, which is not at hand to calibrate its "
            f"integers; give calibrate= images (N, {shape[0] * shape[1]}), the name of a data set, "
            "or a folder of data sets in IPVAE_SNN_DATA"
        ) from error


def _float_rows(pixels: AnyArray) -> Float32:
    """Return images (N, ...) of floats as (N, M) float32."""
    if pixels.ndim < 2 or not np.issubdtype(pixels.dtype, np.floating):
        raise DataError(
            f"calibrate= is {pixels.dtype}{pixels.shape}; give N images as floats in the range "
            "that the network was trained on, (N, M) or (N, height, width)"
        )
    return np.ascontiguousarray(pixels.reshape(len(pixels), -1), dtype=np.float32)
