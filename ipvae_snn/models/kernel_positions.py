"""Positions of a convolutional dictionary's kernels in an image: all that lie wholly inside it.

Every neuron sees a whole kernel, so that competition depends only on the distance between two
neurons, not on where they are.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape, n_channels, n_pixels, shape_text

MAX_NEURONS: Final = 1 << 20
MAX_PIXELS: Final = 1 << 24
# Competition by distance does about so many times as many products per second as competition
# through the pixels: on a CPU, with sparse counts, and with convolutions of dense ones.
DISTANCE_GAIN: Final = 16


@dataclass(frozen=True)
class KernelPositions:
    """Geometry of F features, each a kernel of (height, width) pixels, moved by `stride` pixels.

    Neuron (feature * rows + row) * columns + column has its kernel's first pixel at
    (stride * row, stride * column). Raises ConfigError if the positions do not end at the edges
    of the image, or if there are more neurons or pixels than are possible.
    """

    image_shape: ImageShape
    features: int
    kernel: tuple[int, int]
    stride: int

    def __post_init__(self) -> None:
        """Check the positions; the remedy names the nearest stride and kernel that fit."""
        if min(self.features, *self.kernel, self.stride) < 1:
            raise ConfigError(f"{self.what}; features, kernel and stride must be 1 or more")
        if not self._fit(self.kernel, self.stride):
            raise ConfigError(f"{self.what} do not end at the edges{self._remedy()}")
        if self.n_neurons > MAX_NEURONS or self.n_pixels > MAX_PIXELS:
            raise ConfigError(
                f"{self.what} make {self.n_neurons} neurons for {self.n_pixels} pixels; at most "
                f"{MAX_NEURONS} neurons and {MAX_PIXELS} pixels are possible: raise model.stride"
            )

    @property
    def what(self) -> str:
        """The geometry in words, for messages."""
        kernel, shape = "x".join(map(str, self.kernel)), shape_text(self.image_shape)
        return (
            f"{self.features} kernels of {kernel} pixels moved by {self.stride} in {shape} images"
        )

    @property
    def rows(self) -> int:
        """Number of positions from top to bottom."""
        return (self.image_shape[0] - self.kernel[0]) // self.stride + 1

    @property
    def columns(self) -> int:
        """Number of positions from left to right."""
        return (self.image_shape[1] - self.kernel[1]) // self.stride + 1

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return n_channels(self.image_shape)

    @property
    def n_pixels(self) -> int:
        """Number of values M of an image."""
        return n_pixels(self.image_shape)

    @property
    def population(self) -> tuple[int, int, int]:
        """(features, rows, columns), the shape of the K neurons in C order."""
        return self.features, self.rows, self.columns

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.features * self.rows * self.columns

    @property
    def reach(self) -> tuple[int, int]:
        """Largest distances (rows, columns), in positions, at which two kernels overlap."""
        height, width = ((size - 1) // self.stride for size in self.kernel)
        return min(height, self.rows - 1), min(width, self.columns - 1)

    @property
    def by_distance(self) -> bool:
        """Whether competition by the distance of two neurons is faster than through the pixels.

        By distance it takes (2 a + 1) (2 b + 1) F products per neuron, through the pixels twice the
        kernel's size. Small strides and many features make the latter fewer.
        """
        a, b = self.reach
        through_pixels = 2 * self.kernel[0] * self.kernel[1] * self.channels
        return (2 * a + 1) * (2 * b + 1) * self.features <= DISTANCE_GAIN * through_pixels

    def _fit(self, kernel: tuple[int, int], stride: int) -> bool:
        """Return whether every pixel has a kernel, and every kernel lies inside the image."""
        sides = zip(self.image_shape[:2], kernel, strict=True)
        return stride <= min(kernel) and all(
            size >= side and (size - side) % stride == 0 for size, side in sides
        )

    def _remedy(self) -> str:
        """Return the nearest stride, and the nearest change of the kernel, that fit."""
        sides = range(1, min(self.image_shape[:2]) + 1)
        stride = _nearest(sides, self.stride, lambda other: self._fit(self.kernel, other))
        kernel = _nearest(
            sides, min(self.kernel), lambda other: self._fit((other, other), self.stride)
        )
        found = [
            f"model.{name}={value}"
            for name, value in (("stride", stride), ("kernel", kernel))
            if value is not None
        ]
        return f"; set {' or '.join(found)}" if found else "; use images with equal sides"


def _nearest(candidates: Iterable[int], wanted: int, fits: Callable[[int], bool]) -> int | None:
    """Return the candidate nearest to `wanted` that fits, None if none does."""
    fitting = [other for other in candidates if fits(other)]
    return min(fitting, key=lambda other: abs(other - wanted), default=None)
