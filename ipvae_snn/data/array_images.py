"""Arrays of a user as images: order of axes, colour, labels."""

import math
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, Int64
from ipvae_snn.errors import DataError

# ITU-R 601 luminance of red, green and blue, as Pillow's.
LUMINANCE: Final = (0.299, 0.587, 0.114)
COLOURS: Final = 3
# A "stack" (N, H, W) of this height or more and a width of 3 or 4 is one colour picture.
_PICTURE_HEIGHT: Final = 8
_SHAPES: Final = (
    "(N, height, width), (N, height, width, 1), (N, 1, height, width), colour (N, height, width, "
    "3) or (N, 3, height, width)"
)


def as_stack(subject: str, array: Array, colour: bool = False) -> Array:
    """Return the array as (N, H, W), grey or from colour by its luminance.

    colour: return (N, H, W, 3). Raises DataError naming `subject` for a shape that is no set of
    such images.
    """
    if colour:
        return _colour_stack(subject, array)
    if array.ndim == 2:
        side = math.isqrt(array.shape[1])
        if side * side == array.shape[1]:
            array = array.reshape(len(array), side, side)
    return _grey_stack(subject, array, f"{_SHAPES}, or (N, M) with M a square number")


def as_photographs(subject: str, array: Array, colour: bool = False) -> Array:
    """Return the array as `as_stack` does; one of two axes is not taken for rows of pixels."""
    if colour:
        return _colour_stack(subject, array)
    return _grey_stack(subject, array, _SHAPES)


def _grey_stack(subject: str, array: Array, shapes: str) -> Array:
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    elif array.ndim == 4 and array.shape[1] == 1:  # torch's order of axes
        array = array[:, 0]
    elif array.ndim == 4 and array.shape[3] == COLOURS:
        array = _luminance(subject, array)
    elif array.ndim == 4 and array.shape[1] == COLOURS:
        array = _luminance(subject, np.moveaxis(array, 1, 3))
    elif array.ndim == 3 and array.shape[2] in (3, 4) and array.shape[1] >= _PICTURE_HEIGHT:
        raise DataError(
            f"{subject}: an array of shape {array.shape} looks like one colour picture; give "
            f"(1, {', '.join(map(str, array.shape))}), or convert it to grey (height, width)"
        )
    if array.ndim != 3:
        raise DataError(f"{subject}: an array of shape {array.shape}; give {shapes}")
    if array.size == 0:
        raise DataError(f"{subject}: an array of shape {array.shape} holds no image")
    return array


def _colour_stack(subject: str, array: Array) -> Array:
    """Return colours as (N, H, W, 3); torch's order of axes is turned where it is the only one."""
    last, first = (array.ndim == 4 and array.shape[axis] == COLOURS for axis in (3, 1))
    if last and first:
        raise DataError(
            f"{subject}: an array of shape {array.shape} has its {COLOURS} colours in the second "
            "or in the last axis; cut or pad the images to another height"
        )
    if not (last or first):
        raise DataError(
            f"{subject}: an array of shape {array.shape} holds no colours, which are (N, height, "
            "width, 3) or (N, 3, height, width); give colours, or leave out --colour (data.colour) "
            "and take a network of grey images"
        )
    if array.size == 0:
        raise DataError(f"{subject}: an array of shape {array.shape} holds no image")
    return array if last else np.moveaxis(array, 1, 3)


def _luminance(subject: str, colour: Array) -> Array:
    """Return the grey values of (N, H, W, 3), in whole numbers rounded to their own type."""
    if colour.dtype.kind not in "buif":
        raise DataError(f"{subject}: colours of type {colour.dtype}; give whole numbers or floats")
    whole = colour.dtype.kind in "ui"
    grey = np.empty(colour.shape[:3], colour.dtype if whole else np.float32)
    for result, image in zip(grey, colour, strict=True):
        light = image.astype(np.float64) @ np.array(LUMINANCE)
        result[:] = np.rint(light) if whole else light
    return grey


def check_labels(subject: str, labels: Array, count: int) -> Int64:
    """Return labels (N,) as int64; raise DataError if they are no whole numbers or not N."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != count:
        raise DataError(
            f"{subject}: labels are {labels.dtype} of shape {labels.shape}, but {count} images "
            f"need whole numbers of shape ({count},)"
        )
    return labels.astype(np.int64)
