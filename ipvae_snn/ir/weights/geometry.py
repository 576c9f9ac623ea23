"""Places of a convolution: which pixels a feature at a position sees, and exact sums over them.

The pixel side has `channels` x `height` x `width` values, the other side `features` x `rows` x
`columns`, both in this order; with pixels_last the pixel side is height x width x channels, as an
image is. Feature f at (row, column) sees pixel (c, stride row + i - padding, stride column + j -
padding) through kernel[f, c, i, j]; pixels outside are 0.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ipvae_snn.arrays import AnyArray, Float64, Int64
from ipvae_snn.ir.rules import require

MAX_SIDE = 1 << 16
Kernel = Annotated[AnyArray, "features channels kernel_height kernel_width"]


@dataclass(frozen=True)
class Geometry:
    """Size of the pixel side, and how a kernel moves over it."""

    channels: int
    height: int
    width: int
    kernel_height: int
    kernel_width: int
    features: int
    stride: int
    padding: int
    pixels_last: bool

    def __post_init__(self) -> None:
        """Check that all sizes are possible, and that the kernel's places cover the pixel side."""
        for name, value in vars(self).items():
            least = 0 if name in ("padding", "pixels_last") else 1
            require(
                least <= value <= MAX_SIDE, f"a convolution's {name} {value} is not {least} or more"
            )
        for name, pixels, kernel in (
            ("height", self.height, self.kernel_height),
            ("width", self.width, self.kernel_width),
        ):
            left = pixels + 2 * self.padding - kernel
            require(
                left >= 0 and left % self.stride == 0,
                f"kernels of {kernel} pixels at stride {self.stride} and padding {self.padding} "
                f"do not end at the edge of {name} {pixels}",
            )

    @property
    def rows(self) -> int:
        """Positions from top to bottom."""
        return (self.height + 2 * self.padding - self.kernel_height) // self.stride + 1

    @property
    def columns(self) -> int:
        """Positions from left to right."""
        return (self.width + 2 * self.padding - self.kernel_width) // self.stride + 1

    @property
    def n_pixels(self) -> int:
        """Values of the pixel side."""
        return self.channels * self.height * self.width

    @property
    def n_features(self) -> int:
        """Values of the feature side."""
        return self.features * self.rows * self.columns

    def gather(self, kernel: Kernel, pixels: Int64) -> Int64:
        """Return what features (N, n_features) see of pixels (N, n_pixels).

        The sums are exact: whole numbers far below 2**53 in float64, whose products are fast.
        """
        padded = np.zeros((len(pixels), self.channels, *self._padded()), np.float64)
        self._inside(padded)[...] = self._planes(pixels)
        shape = (len(pixels), self.features, self.rows * self.columns)
        total = np.zeros(shape, np.float64)
        for i, j in np.ndindex(self.kernel_height, self.kernel_width):
            seen = self._seen(padded, i, j).reshape(len(pixels), self.channels, -1)
            total += kernel[:, :, i, j].astype(np.float64) @ seen
        return total.reshape(len(pixels), -1).astype(np.int64)

    def scatter(self, kernel: Kernel, features: Int64) -> Int64:
        """Return what pixels (N, n_pixels) receive from features (N, n_features), exactly."""
        padded = np.zeros((len(features), self.channels, *self._padded()), np.float64)
        sent = features.astype(np.float64).reshape(len(features), self.features, -1)
        for i, j in np.ndindex(self.kernel_height, self.kernel_width):
            part = kernel[:, :, i, j].T.astype(np.float64) @ sent
            seen = self._seen(padded, i, j)
            seen += part.reshape(seen.shape)
        planes = self._inside(padded)
        ordered = planes.transpose(0, 2, 3, 1) if self.pixels_last else planes
        return ordered.reshape(len(features), -1).astype(np.int64)

    def _padded(self) -> tuple[int, int]:
        return self.height + 2 * self.padding, self.width + 2 * self.padding

    def _planes(self, pixels: Int64) -> Int64:
        if self.pixels_last:
            whole = pixels.reshape(-1, self.height, self.width, self.channels)
            return whole.transpose(0, 3, 1, 2)
        return pixels.reshape(-1, self.channels, self.height, self.width)

    def _inside(self, padded: Float64) -> Float64:
        """Return the view of the padded planes without the padding."""
        p = self.padding
        return padded[:, :, p : p + self.height, p : p + self.width]

    def _seen(self, padded: Float64, i: int, j: int) -> Float64:
        """Return the view (N, C, rows, columns) of the pixels under place (i, j) of the kernel."""
        s = self.stride
        down, across = s * (self.rows - 1) + 1, s * (self.columns - 1) + 1
        return padded[:, :, i : i + down : s, j : j + across : s]
