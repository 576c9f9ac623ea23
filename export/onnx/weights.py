"""Kinds of weights as ONNX subgraphs: exact products of unsigned bytes.

For unsigned operands every known kernel of MatMulInteger and ConvInteger is exact; unsigned times
signed may saturate at 16 bits on processors without VNNI. So weights are stored as unsigned bytes
with a zero point.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.errors import BackendError
from ipvae_snn.export.onnx.graph import INT32, UINT8, Graph, Value
from ipvae_snn.ir.weights import Convolution, Dense, Geometry, Sparse, Transposed, Weights

# From bytes uint8 (N, sources) to sums int32 (N, targets) of weight times (byte - zero point).
Product = Callable[[Graph, Value], Value]


class Code(NamedTuple):
    """Weights as unsigned bytes: a function of the weights, and the byte that stands for 0."""

    stored: Callable[[Array], Array]
    zero: int


# Weights of -127..127; the upper and the lower byte of weights of 16 bits.
WHOLE: Final = Code(lambda w: (w.astype(np.int16) + 128).astype(np.uint8), 128)
UPPER: Final = Code(lambda w: ((w.astype(np.int16) >> 8) + 128).astype(np.uint8), 128)
LOWER: Final = Code(lambda w: (w.astype(np.int16) & 255).astype(np.uint8), 0)


def byte_product(g: Graph, weights: Weights, code: Code, zero_point: int) -> Product:
    """Return the product of weights and bytes; it may be used in subgraphs of `g` too.

    zero_point: the byte that stands for payload 0. Raises BackendError for an unknown kind.
    """
    if weights.kind not in KINDS:
        raise BackendError(
            f"onnx: weights of kind {weights.kind!r} are not among {', '.join(KINDS)}; use the "
            "back end reference"
        )
    return KINDS[weights.kind](g, weights, code, zero_point)


def _matrix(g: Graph, weights: Weights, code: Code, zero_point: int) -> Product:
    """Return a MatMulInteger: ONNX has no product of sparse matrices."""
    stored = g.constant(np.ascontiguousarray(code.stored(weights.dense()).T), "weights")
    zeros = [g.scalar(zero_point, UINT8), g.scalar(code.zero, UINT8)]
    return lambda h, byte: h.raw("MatMulInteger", [byte, stored, *zeros], [INT32])[0]


def _convolution(g: Graph, weights: Convolution, code: Code, zero_point: int) -> Product:
    """Return a ConvInteger over the pixel side."""
    geometry, p = weights.geometry, weights.geometry.padding
    kernel = g.constant(code.stored(weights.kernel), "kernel")
    zeros = [g.scalar(zero_point, UINT8), g.scalar(code.zero, UINT8)]
    strides = [geometry.stride] * 2

    def product(h: Graph, byte: Value) -> Value:
        planes = _grow(h, _planes(h, byte, geometry), (p, p, p, p), zeros[0])
        seen = h.raw("ConvInteger", [planes, kernel, *zeros], [INT32], strides=strides)[0]
        return h.reshape(seen, -1, geometry.n_features)

    return product


def _transposed(g: Graph, weights: Transposed, code: Code, zero_point: int) -> Product:
    """Return a ConvInteger with the kernel turned round, over features with zeros between them."""
    o, s = weights.geometry, weights.geometry.stride
    turned = weights.kernel.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    kernel = g.constant(np.ascontiguousarray(code.stored(turned)), "kernel")
    zeros = [g.scalar(zero_point, UINT8), g.scalar(code.zero, UINT8)]
    # Pixel y receives features from row (y + padding - kernel + 1) / stride on; after the last row
    # of features stand stride - 1 zeros.
    top, left = o.kernel_height - 1 - o.padding, o.kernel_width - 1 - o.padding
    sides = (top, left, o.kernel_height - o.padding - s, o.kernel_width - o.padding - s)

    def product(h: Graph, byte: Value) -> Value:
        planes = h.reshape(byte, -1, o.features, o.rows, o.columns)
        if s > 1:
            apart = h.reshape(byte, -1, o.features, o.rows, 1, o.columns, 1)
            pads = h.ints(0, 0, 0, 0, 0, 0, 0, 0, 0, s - 1, 0, s - 1)
            spread = h.raw("Pad", [apart, pads, zeros[0]], [UINT8])[0]
            planes = h.reshape(spread, -1, o.features, o.rows * s, o.columns * s)
        planes = _grow(h, planes, sides, zeros[0])
        received = h.raw("ConvInteger", [planes, kernel, *zeros], [INT32])[0]
        if o.pixels_last:
            received = h.op("Transpose", received, perm=[0, 2, 3, 1])
        return h.reshape(received, -1, o.n_pixels)

    return product


def _planes(h: Graph, byte: Value, geometry: Geometry) -> Value:
    """Return bytes (N, pixels) as (N, channels, height, width)."""
    channels, height, width = geometry.channels, geometry.height, geometry.width
    if not geometry.pixels_last:
        return h.reshape(byte, -1, channels, height, width)
    whole = h.reshape(byte, -1, height, width, channels)
    return h.op("Transpose", whole, perm=[0, 3, 1, 2])


def _grow(h: Graph, planes: Value, sides: tuple[int, int, int, int], zero: Value) -> Value:
    """Return planes with more rows and columns of zeros, or fewer where a side is negative.

    sides: top, left, bottom, right.
    """
    if min(sides) < 0:
        starts = [max(0, -side) for side in sides[:2]]
        # The largest number stands for the end of an axis.
        ends = [side if side < 0 else (1 << 31) - 1 for side in sides[2:]]
        bounds = [h.ints(*starts), h.ints(*ends), h.ints(2, 3)]
        planes = h.raw("Slice", [planes, *bounds], [UINT8])[0]
    more = [max(0, side) for side in sides]
    if not any(more):
        return planes
    return h.raw("Pad", [planes, h.ints(0, 0, *more[:2], 0, 0, *more[2:]), zero], [UINT8])[0]


# Each kind takes the weights of its own kind.
KINDS: Final[Mapping[str, Callable[[Graph, Any, Code, int], Product]]] = {
    Dense.kind: _matrix,
    Sparse.kind: _matrix,
    Convolution.kind: _convolution,
    Transposed.kind: _transposed,
}
