"""Network of a layer: an object, a file, or a pretrained name; converted in integer mode."""

from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np
from torch import Tensor

from ipvae_snn import data
from ipvae_snn.arrays import AnyArray, Float32
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError, DataError
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.encode import check_images
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.networks import Network, load
from ipvae_snn.models.training_data import training_data

Mode = Literal["integer", "float"]
# Images (N, ...) as floats in the network's range, or the name or path of a data set.
CalibrationImages = AnyArray | Tensor | str | Path

# Defaults of `ipvae-snn convert`, so that both give the same network.
IMAGES: Final = 2000
STEPS: Final = 48

# Who cannot set first potentials, and what can: a layer does not know when an image appears.
NO_START: Final = (
    "the layers of snnTorch and Norse",
    "run it by ipvae_snn.load(...).prepare(), or train it without a start",
)


Built = TypeVar("Built", bound="FromPretrained")


class FromPretrained:
    """Layer that takes a network and a mode, and can be made from a float network."""

    @classmethod
    def from_pretrained(
        cls: type[Built],
        name: FloatNetwork | str | Path,
        mode: Mode = "integer",
        *,
        bits: int = 8,
        circuit: Circuit = "one-layer",
        calibrate: CalibrationImages | None = None,
        **options: Any,
    ) -> Built:
        """Return the layer of a float network: a pretrained name, a checkpoint, or the object.

        Integer mode converts it to weights of `bits` (2..8) bits, as `ipvae-snn convert` does.
        `calibrate` are images for that, as floats (N, ...) in the network's range, or the name or
        path of a data set; by default the images on which it was trained, which for digits and
        natural come with the package. Float mode converts nothing. `options` are those of the
        class. Raises DataError if images are missing or do not fit.
        """
        network = from_checkpoint(name, mode, bits=bits, circuit=circuit, images=calibrate)
        return cls(network, mode, **options)  # type: ignore[call-arg]  # the layer's own constructor


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
    `load`.
    """
    network = load(source)
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
            return data.load(
                str(images),
                limit=IMAGES,
                patch_size=network.image_shape[0],
                preparation=network.preparation,
                colour=len(network.image_shape) == 3,
            )
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
        source = training_data(trained_on, network.data_paths)
        return data.load(
            source, limit=IMAGES, patch_size=shape[0], download=False, colour=len(shape) == 3
        )
    except DataError as error:
        raise DataError(
            f"{name} was trained on {trained_on or 'unknown images'}, which is not at hand to "
            f"calibrate its integers; give calibrate= images (N, {network.n_pixels}), the name "
            "of a data set, or a folder of data sets in IPVAE_SNN_DATA"
        ) from error


def _float_rows(pixels: AnyArray) -> Float32:
    """Return images (N, ...) of floats as (N, M) float32."""
    if pixels.ndim < 2 or not np.issubdtype(pixels.dtype, np.floating):
        raise DataError(
            f"calibrate= is {pixels.dtype}{pixels.shape}; give N images as floats in the range "
            "that the network was trained on, (N, M) or (N, height, width)"
        )
    return np.ascontiguousarray(pixels.reshape(len(pixels), -1), dtype=np.float32)
