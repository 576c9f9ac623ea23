"""Ways to make patches of photographs, by the names that `data.whiten` takes.

| name | whitening | flat patches |
| --- | --- | --- |
| olshausen | whole images (`whitening.whiten`), divided by local contrast | left out |
| undivided | whole images, not divided by local contrast | left out |
| vafaii | each patch by itself, as in the paper's code (`tile_whitening`) | kept |
| none | pixels in [0, 1] | left out |
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.config.preparation import Whitening
from ipvae_snn.data import whitening
from ipvae_snn.data.tile_whitening import MARGIN, whiten_tiles
from ipvae_snn.data.whitening import (
    BORDER,
    Image,
    Standard,
    all_tiles,
    draw_anywhere,
    draw_patches,
    measure,
)
from ipvae_snn.ir.parts import InputKind

# Below this, rounding is all that is left of a patch.
NO_CONTRAST: Final = 1e-6


@dataclass(frozen=True)
class Method:
    """One way to make patches of an image.

    image: takes an image (H, W) of light and its name for messages, and returns what patches are
    cut of, smaller by 2 * border. margin: pixels around a patch that belong to its tile. tile:
    takes tiles (N, ..., S, S) and returns patches, smaller by 2 * margin. keeps_flat: whether
    patches of low contrast stay. kind: of the pixels.
    """

    image: Callable[[Array, str], Image]
    border: int = 0
    margin: int = 0
    tile: Callable[[Float32], Float32] | None = None
    keeps_flat: bool = False
    kind: InputKind = "standardised"

    def needed(self, size: int) -> int:
        """Return the pixels at a side that an image needs for patches of `size`."""
        return size + 2 * (self.border + self.margin)

    def draw(
        self, images: Sequence[Image], size: int, drawn: int, rng: np.random.Generator
    ) -> Float32:
        """Return `drawn` patches (drawn, M) of images (H, W) or (H, W, channels), anywhere."""
        windows = draw_anywhere(images, size + 2 * self.margin, drawn, rng)
        return self.patches(windows, size, images[0].shape[2:])

    def patches(self, windows: Float32, size: int, channels: tuple[int, ...] = ()) -> Float32:
        """Return patches (N, M) of tiles (N, (size + 2 margin)^2), or as much per channel."""
        if self.tile is None:
            return windows
        side = size + 2 * self.margin
        tiles = np.moveaxis(windows.reshape(-1, side, side, *channels, 1), (1, 2), (-2, -1))
        white = np.moveaxis(self.tile(tiles), (-2, -1), (1, 2))
        return np.ascontiguousarray(white).reshape(len(windows), -1)

    def standard(self, images: Sequence[Image], size: int) -> Standard:
        """Return the constants of training images, from tiles that cover them (see `measure`)."""
        if not self.keeps_flat:
            found = measure(images, size)
            return (
                found if self.kind == "standardised" else Standard(0.0, 1.0, found.least_contrast)
            )
        white = self.patches(all_tiles(images, size + 2 * self.margin), size)
        white = white[white.std(axis=1) >= NO_CONTRAST]
        return Standard(
            float(white.mean(dtype=np.float64)), float(white.std(dtype=np.float64)), NO_CONTRAST
        )

    def drawn_with_contrast(
        self,
        images: Sequence[Image],
        size: int,
        count: int,
        rng: np.random.Generator,
        least_contrast: float,
    ) -> Float32:
        """Return `count` patches of at least this contrast, as `draw_patches` chooses them."""
        return draw_patches(
            images,
            size,
            count,
            rng,
            least_contrast,
            draw=self.draw,
            keep_flattest=self.keeps_flat,
        )


def _as_it_is(light: Array, subject: str) -> Image:
    """Return the image as 32-bit floats."""
    del subject
    return np.ascontiguousarray(light, dtype=np.float32)


METHODS: Final[Mapping[Whitening, Method]] = MappingProxyType(
    {
        "olshausen": Method(whitening.whiten, border=BORDER),
        "undivided": Method(partial(whitening.whiten, divided=False), border=BORDER),
        "vafaii": Method(_as_it_is, margin=MARGIN, tile=whiten_tiles, keeps_flat=True),
        "none": Method(_as_it_is, kind="unit"),
    }
)
