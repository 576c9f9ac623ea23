"""Shape of an image: (height, width) in grey, (height, width, channels) in colour.

A row of pixels holds an image in C order: row by row, and the channels of a pixel side by side.
"""

import math
from collections.abc import Iterable
from typing import Final

ImageShape = tuple[int, int] | tuple[int, int, int]

MAX_CHANNELS: Final = 64


def image_shape(sizes: Iterable[int]) -> ImageShape:
    """Return 2 or 3 sizes from 1 up as a shape; one channel of three sizes stays as it is given.

    Raises ValueError for others.
    """
    shape = tuple(sizes)
    if any(size < 1 for size in shape) or len(shape) not in (2, 3):
        raise ValueError(f"{shape} is no (height, width) or (height, width, channels) from 1 up")
    if len(shape) == 2:
        return shape[0], shape[1]
    if shape[2] > MAX_CHANNELS:
        raise ValueError(f"{shape} has {shape[2]} channels; at most {MAX_CHANNELS} are possible")
    return shape[0], shape[1], shape[2]


def n_pixels(shape: ImageShape) -> int:
    """Return the number of values M of an image."""
    return math.prod(shape)


def n_channels(shape: ImageShape) -> int:
    """Return the number of channels, 1 in grey."""
    return shape[2] if len(shape) == 3 else 1


def shape_text(shape: ImageShape) -> str:
    """Return "28x28" or "32x32x3"."""
    return "x".join(map(str, shape))
