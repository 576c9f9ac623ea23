"""Convolutions in the form that compiled code reads: windows on a grid (kernels/stencils.py)."""

from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, Int64
from ipvae_snn.ir.weights import Convolution
from ipvae_snn.kernels.count_sums import aligned
from ipvae_snn.kernels.stencils import LANES, Stencil

_SLACK: Final = LANES  # places after the grid that the last window's run may touch with zeros


def convolved(weights: Convolution) -> Stencil:
    """Return a convolution: pixel (y, x) reaches the features whose kernels cover it.

    With (down, up) = divmod(y + padding, stride), row down - m sees it through kernel row up +
    stride m, so that each of stride**2 residues has windows of its own.
    """
    g = weights.geometry
    s, high, wide = g.stride, -(-g.kernel_height // g.stride), -(-g.kernel_width // g.stride)
    whole = np.zeros((g.features, g.channels, high * s, wide * s), np.int16)
    whole[:, :, : g.kernel_height, : g.kernel_width] = weights.kernel
    # (features, channels, m, up, n, left), the last rows and columns first
    parts = whole.reshape(g.features, g.channels, high, s, wide, s)[:, :, ::-1, :, ::-1, :]
    windows = parts.transpose(3, 5, 1, 2, 4, 0).reshape(s * s * g.channels, high, -1)
    c, y, x = _pixels(g.channels, g.height, g.width, g.pixels_last)
    (down, up), (right, left) = divmod(y + g.padding, s), divmod(x + g.padding, s)
    rows, columns = max(g.rows, down.max() + 1), max(g.columns, right.max() + 1)
    stride = (columns + wide - 1) * g.features
    f, row, column = np.indices((g.features, g.rows, g.columns)).reshape(3, -1)
    return _stencil(
        windows,
        kind=(up * s + left) * g.channels + c,
        origin=down * stride + right * g.features,
        place=(row + high - 1) * stride + (column + wide - 1) * g.features + f,
        stride=stride,
        rows=rows + high - 1,
    )


def transposed(weights: Convolution) -> Stencil:
    """Return a transposed convolution: a feature reaches the pixels that its kernel covers."""
    g, s = weights.geometry, weights.geometry.stride
    windows = weights.kernel.transpose(0, 2, 3, 1).reshape(g.features, g.kernel_height, -1)
    f, row, column = np.indices((g.features, g.rows, g.columns)).reshape(3, -1)
    c, y, x = _pixels(g.channels, g.height, g.width, g.pixels_last)
    stride = (g.width + 2 * g.padding) * g.channels
    return _stencil(
        windows.astype(np.int16),
        kind=f,
        origin=s * row * stride + s * column * g.channels,
        place=(y + g.padding) * stride + (x + g.padding) * g.channels + c,
        stride=stride,
        rows=g.height + 2 * g.padding,
    )


def _pixels(channels: int, height: int, width: int, last: bool) -> tuple[Int64, Int64, Int64]:
    """Return channel, row and column of each value of the pixel side, in their order."""
    if last:
        y, x, c = np.indices((height, width, channels)).reshape(3, -1)
    else:
        c, y, x = np.indices((channels, height, width)).reshape(3, -1)
    return c, y, x


def _stencil(
    windows: Array, kind: Int64, origin: Int64, place: Int64, stride: int, rows: int
) -> Stencil:
    run = -(-windows.shape[2] // LANES) * LANES
    padded = aligned((*windows.shape[:2], run), np.int16)
    padded[:, :, : windows.shape[2]] = windows
    highest = np.abs(padded.astype(np.int64)).max(axis=(1, 2))
    size = rows * stride + _SLACK
    return Stencil(padded, highest, kind, origin, place, int(stride), int(size))
