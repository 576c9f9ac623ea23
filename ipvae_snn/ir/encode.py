"""Conversion of float pixels to the 8-bit images that an integer network takes, and back."""

from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, shape_text
from ipvae_snn.image_shape import n_pixels as pixels_of
from ipvae_snn.ir.parts import InputCode, InputKind
from ipvae_snn.ir.shapes import FloatImages, Images

MAX_SATURATED: Final = 0.01  # a larger share of saturated pixels shows another scaling of the data


def input_code(kind: InputKind, image_shape: ImageShape, largest: float = 1.0) -> InputCode:
    """Return the code for pixels in [0, 1] ("unit") or in [-largest, largest] ("standardised")."""
    if kind == "unit":
        return InputCode(image_shape, kind, 1.0 / 255.0, 0)
    return InputCode(image_shape, kind, largest / 127.0, 128)


def check_size(image_shape: ImageShape, n_pixels: int, name: str) -> None:
    """Raise DataError if images of n_pixels pixels do not have the network's size."""
    wanted = pixels_of(image_shape)
    if n_pixels != wanted:
        raise DataError(
            f"{name}: images of {n_pixels} pixels, but the network takes "
            f"{shape_text(image_shape)} = {wanted}; choose the data that it was trained on, or "
            "resize"
        )


def check_images(
    image_shape: ImageShape,
    network_kind: InputKind,
    pixels: FloatImages,
    kind: InputKind,
    name: str,
) -> None:
    """Raise DataError if images of `kind` do not have the network's size or kind."""
    check_size(image_shape, pixels.shape[1], name)
    if kind != network_kind:
        raise DataError(
            f"{name}: {kind} pixels, but the network takes {network_kind} ones; choose data like "
            "that it was trained on"
        )


def encode(code: InputCode, pixels: FloatImages, kind: InputKind, name: str) -> tuple[Images, int]:
    """Return pixels as uint8 and how many of them saturated at 0 or 255.

    Raises DataError if the images' size or kind is not the network's, or if more than 1 % of the
    pixels saturate. `name` is the name of the images in the message.
    """
    check_images(code.image_shape, code.kind, pixels, kind, name)
    saturated = count_saturated(code, pixels)
    if saturated > MAX_SATURATED * pixels.size:
        share = 100.0 * saturated / pixels.size
        raise DataError(
            f"{name}: {share:.1f} % of the pixels lie outside the network's input range "
            f"[{-code.zero_point * code.scale:.3g}, {(255 - code.zero_point) * code.scale:.3g}]; "
            "scale them as the training data were"
        )
    return levels(code, pixels), saturated


def count_saturated(code: InputCode, pixels: FloatImages) -> int:
    """Return how many pixels lie beyond the code's 256 levels."""
    exact = _exact_levels(code, pixels)
    return int(((exact < 0) | (exact > 255)).sum())


def levels(code: InputCode, pixels: FloatImages) -> Images:
    """Return pixels as the nearest of the code's 256 levels."""
    return np.clip(_exact_levels(code, pixels), 0, 255).astype(np.uint8)


def _exact_levels(code: InputCode, pixels: FloatImages) -> Annotated[Float64, "N M"]:
    return np.rint(pixels.astype(np.float64) / code.scale) + code.zero_point


def explain_levels(code: InputCode) -> str:
    """Return a sentence on what a pixel's level stands for."""
    if code.kind == "unit":
        return f"Level p stands for the brightness p x {code.scale:.6g}, from 0 to 1."
    value = f"(p - {code.zero_point}) x {code.scale:.6g}"
    return f"Level p stands for the standardised brightness {value}."
