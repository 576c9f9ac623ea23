"""Weights that every position shares: convolutions, and transposed ones that lead back."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np

from ipvae_snn.arrays import AnyArray, Int8, Int16, Int64
from ipvae_snn.ir.rules import require
from ipvae_snn.ir.shapes import OfSources, OfTargets
from ipvae_snn.ir.weights.dense import bits_of, require_symmetric
from ipvae_snn.ir.weights.geometry import Geometry, Kernel
from ipvae_snn.storage import memory

BLOCK: Final = 256  # columns of a matrix that are made at a time


@dataclass(frozen=True, repr=False)
class Convolution:
    """A kernel (features, channels, height, width) int8 that moves over the sources.

    The sources are the pixel side of `geometry`, the targets its features. int16 in a decoder.
    """

    kind: ClassVar[str] = "convolution"

    kernel: Int8 | Int16
    geometry: Geometry

    def __post_init__(self) -> None:
        """Check type, range and size."""
        require_symmetric("weights", self.kernel, 4)
        g = self.geometry
        wanted = (g.features, g.channels, g.kernel_height, g.kernel_width)
        require(
            self.kernel.shape == wanted,
            f"a kernel of shape {self.kernel.shape} does not have the geometry's {wanted}",
        )

    def __repr__(self) -> str:
        """Return sizes and bits."""
        shape = "x".join(map(str, self.kernel.shape))
        return (
            f"{type(self).__name__}({self.n_sources} -> {self.n_targets}, kernel {shape}, stride "
            f"{self.geometry.stride}, {self.bits} bits)"
        )

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.geometry.n_features

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return self.geometry.n_pixels

    @property
    def bits(self) -> int:
        """Bits that the largest weight needs, its sign included."""
        return bits_of(self.kernel)

    @property
    def stored_bits(self) -> int:
        """Bits of a weight as it is stored: 8, or 16 in a decoder."""
        return 8 * self.kernel.itemsize

    @property
    def n_bytes(self) -> int:
        """Bytes of the kernel."""
        return self.kernel.nbytes

    def sums(self, payload: Annotated[Int64, "N sources"]) -> Annotated[Int64, "N targets"]:
        """Return the exact sums that a payload causes."""
        return self._to_targets(self.kernel, payload)

    def worst_sums(self, low: int, high: int) -> tuple[OfTargets, OfTargets]:
        """Return the least and the largest sum per target, over payloads in [low, high]."""
        ones = np.ones((1, self.n_sources), np.int64)
        wide = self.kernel.astype(np.int64)
        positive = self._to_targets(np.maximum(wide, 0), ones)[0]
        negative = self._to_targets(np.minimum(wide, 0), ones)[0]
        return positive * low + negative * high, positive * high + negative * low

    def fan_in(self) -> OfTargets:
        """Return the number of weights of each target that are not 0."""
        seen = self._to_targets(self.kernel != 0, np.ones((1, self.n_sources), np.int64))
        return np.asarray(seen[0])

    def fan_out(self) -> OfSources:
        """Return the number of weights of each source that are not 0."""
        seen = self._to_sources(self.kernel != 0, np.ones((1, self.n_targets), np.int64))
        return np.asarray(seen[0])

    def dense(self) -> Annotated[Int8 | Int16, "targets sources"]:
        """Return all weights as a matrix; MemoryLimitError where it would not fit."""
        size = self.n_targets * self.n_sources * self.kernel.itemsize
        memory.require(size, f"{self} as a matrix", "use a back end that shares weights")
        matrix = np.empty((self.n_targets, self.n_sources), self.kernel.dtype)
        for block, columns in self._columns():
            matrix[:, block] = columns.T
        return matrix

    def diagonal(self) -> OfSources:
        """Return the weight of each source to the target of its own index."""
        g = self.geometry
        middle = g.kernel_height // 2, g.kernel_width // 2
        plain = not g.pixels_last and g.features == g.channels and g.stride == 1
        if plain and (g.padding, g.padding) == middle and g.rows == g.height:
            own = np.diagonal(self.kernel[:, :, middle[0], middle[1]]).astype(np.int64)
            return np.repeat(own, g.rows * g.columns)
        found = [
            rows[np.arange(len(rows)), np.arange(b.start, b.stop)] for b, rows in self._columns()
        ]
        return np.concatenate(found)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the kernel by the name of its tensor."""
        return {"kernel": self.kernel}

    def shared(self) -> dict[str, int]:
        """Return the geometry's numbers that the kernel does not show."""
        g = self.geometry
        return {
            "height": g.height,
            "width": g.width,
            "stride": g.stride,
            "padding": g.padding,
            "pixels_last": int(g.pixels_last),
        }

    def _columns(self) -> Iterator[tuple[slice, Int64]]:
        """Yield the weights of some sources at a time, (sources, targets)."""
        for start in range(0, self.n_sources, BLOCK):
            block = slice(start, min(start + BLOCK, self.n_sources))
            one = np.zeros((block.stop - start, self.n_sources), np.int64)
            one[np.arange(len(one)), np.arange(start, block.stop)] = 1
            yield block, self.sums(one)

    def _to_targets(self, kernel: Kernel, payload: Int64) -> Int64:
        return self.geometry.gather(kernel, payload)

    def _to_sources(self, kernel: Kernel, payload: Int64) -> Int64:
        return self.geometry.scatter(kernel, payload)


@dataclass(frozen=True, repr=False)
class Transposed(Convolution):
    """The same places the other way: the sources are the features, the targets the pixel side."""

    kind: ClassVar[str] = "transposed"

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.geometry.n_pixels

    @property
    def n_sources(self) -> int:
        """Number of sources."""
        return self.geometry.n_features

    def _to_targets(self, kernel: Kernel, payload: Int64) -> Int64:
        return self.geometry.scatter(kernel, payload)

    def _to_sources(self, kernel: Kernel, payload: Int64) -> Int64:
        return self.geometry.gather(kernel, payload)


def geometry_of(kernel: AnyArray, shared: dict[str, int]) -> Geometry:
    """Return the geometry of a kernel and the numbers beside it; ProgramError if it has none."""
    require(kernel.ndim == 4, f"a kernel has 4 axes, not {kernel.ndim}")
    features, channels, height, width = kernel.shape
    last = shared["pixels_last"]
    require(last in (0, 1), f"pixels_last is {last}, neither 0 nor 1")
    return Geometry(
        channels,
        shared["height"],
        shared["width"],
        height,
        width,
        features,
        shared["stride"],
        shared["padding"],
        bool(last),
    )
