"""Weights of every kind as a matrix (targets, sources), as Lava's `Dense` takes them.

docs/ir.md specifies the kinds. Sparse and shared weights are expanded, so they cost the memory of
a matrix; `MAX_ENTRIES` bounds it.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
MAX_ENTRIES: Final = 1 << 26  # of one matrix; Lava keeps about 16 bytes for each
MAX_SIDE: Final = 1 << 16  # of a convolution
GEOMETRY: Final = ("height", "width", "stride", "padding", "pixels_last")


def matrix_of(arrays: Mapping[str, Array], part: str, given: Mapping[str, Any]) -> Array:
    """Return the weights of the connection `part`, or of the decoder; they keep the rules."""
    tensors = {name: arrays.get(f"{part}.{name}") for name in TENSORS[given["kind"]]}
    made: Array = EXPAND[given["kind"]](part, tensors, given["constants"])
    return made


def sizes_of(part: str, tensors: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[int, int]:
    """Return targets and sources; ValueError where tensors and constants do not fit each other.

    tensors: of the weights' kind, with right types and numbers of axes.
    """
    numbers: Mapping[str, int] = given["constants"]
    match given["kind"]:
        case "dense":
            targets, sources = tensors["weights"].shape
        case "sparse":
            targets, sources = len(tensors["starts"]) - 1, numbers["n_sources"]
        case kind:
            pixels, features = sides(part, tensors["kernel"].shape, numbers)
            both = (math.prod(features), math.prod(pixels))
            targets, sources = both if kind == "convolution" else both[::-1]
    if targets < 1 or sources < 1:
        raise ValueError(f"{part}.weights connect nothing")
    if targets * sources > MAX_ENTRIES:
        raise ValueError(
            f"{part}: {targets} x {sources} weights as a matrix, but at most {MAX_ENTRIES} fit; "
            "convert a smaller network, or run it without Lava"
        )
    return targets, sources


def sides(
    part: str, kernel: tuple[int, ...], numbers: Mapping[str, int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the pixel side (channels, height, width) and the feature side of a convolution.

    kernel: shape (features, channels, height, width). ValueError where the kernels do not fit.
    """
    features, channels, *size = kernel
    height, width, stride, padding, _ = (numbers[name] for name in GEOMETRY)
    if (
        min(*kernel, height, width, stride, padding + 1) < 1
        or max(*kernel, height, width, stride, padding) > MAX_SIDE
    ):
        raise ValueError(f"{part}: a convolution with a size outside 1..{MAX_SIDE}")
    places = []
    for pixels, side in zip((height, width), size, strict=True):
        left = pixels + 2 * padding - side
        if left < 0 or left % stride:
            raise ValueError(
                f"{part}: kernels of {side} pixels at stride {stride} and padding {padding} do "
                f"not end at the edge of {pixels}"
            )
        places.append(left // stride + 1)
    return (channels, height, width), (features, *places)


def _dense(part: str, tensors: Mapping[str, Any], numbers: Mapping[str, int]) -> Array:
    return np.asarray(tensors["weights"])


def _sparse(part: str, tensors: Mapping[str, Any], numbers: Mapping[str, int]) -> Array:
    counts = np.diff(tensors["starts"])
    matrix = np.zeros((len(counts), numbers["n_sources"]), tensors["values"].dtype)
    matrix[np.repeat(np.arange(len(counts)), counts), tensors["columns"]] = tensors["values"]
    return matrix


def _convolution(part: str, tensors: Mapping[str, Any], numbers: Mapping[str, int]) -> Array:
    kernel = tensors["kernel"]
    (channels, height, width), (features, rows, columns) = sides(part, kernel.shape, numbers)
    last = numbers["pixels_last"]
    matrix = np.zeros((features, rows * columns, channels * height * width), kernel.dtype)
    row, column = (grid.ravel() for grid in np.indices((rows, columns)))
    for i, j in np.ndindex(kernel.shape[2:]):
        y = numbers["stride"] * row + i - numbers["padding"]
        x = numbers["stride"] * column + j - numbers["padding"]
        place = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        pixel = (y * width + x)[place]
        for channel in range(channels):
            source = pixel * channels + channel if last else channel * height * width + pixel
            matrix[:, place, source] = kernel[:, channel, i, j, np.newaxis]
    return matrix.reshape(features * rows * columns, -1)


def _transposed(part: str, tensors: Mapping[str, Any], numbers: Mapping[str, int]) -> Array:
    return np.ascontiguousarray(_convolution(part, tensors, numbers).T)


TENSORS: Final = {
    "dense": ("weights",),
    "sparse": ("starts", "columns", "values"),
    "convolution": ("kernel",),
    "transposed": ("kernel",),
}
NUMBERS: Final = {
    "dense": (),
    "sparse": ("n_sources",),
    "convolution": GEOMETRY,
    "transposed": GEOMETRY,
}
EXPAND: Final = {
    "dense": _dense,
    "sparse": _sparse,
    "convolution": _convolution,
    "transposed": _transposed,
}
