"""Data sets as the toolkit uses them: rows of pixels with their kind, labels and source."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ipvae_snn.arrays import Bool, Float32, Int64
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, n_pixels, shape_text
from ipvae_snn.ir.parts import InputKind

Split = Literal["train", "test"]


@dataclass(frozen=True, repr=False)
class ImageSet:
    """N images of M = height * width pixels, or height * width * channels in colour.

    pixels (N, M) float32: in [0, 1] where kind is "unit"; zero-mean and about unit variance
    where it is "standardised". labels (N,) int64 or None. citation: reference to give with
    results on this data. path: of the user's own images, None for a named set or an array.
    preparation: what was done to a user's own images, None for plain ones. remarks: lines for the
    user about the files read.
    """

    name: str
    split: Split
    pixels: Float32
    image_shape: ImageShape
    kind: InputKind
    labels: Int64 | None = None
    citation: str = ""
    path: Path | None = None
    preparation: Preparation | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and values; raise DataError with the first offending image."""
        wanted = n_pixels(self.image_shape)
        if self.pixels.ndim != 2 or self.pixels.shape[1] != wanted:
            raise DataError(
                f"{self.name}: pixels have shape {self.pixels.shape}, but images of "
                f"{shape_text(self.image_shape)} need (N, {wanted})"
            )
        if len(self.pixels) == 0:
            raise DataError(f"{self.name}: the {self.split} split holds no image")
        finite = np.isfinite(self.pixels).all(axis=1)
        if not finite.all():
            raise DataError(
                f"{self.name}: image {int(np.argmin(finite))} holds NaN or infinite pixels; "
                "clean the data first"
            )
        if self.kind == "unit":
            outside = ((self.pixels < 0) | (self.pixels > 1)).any(axis=1)
            if outside.any():
                worst = int(np.argmax(outside))
                low, high = self.pixels[worst].min(), self.pixels[worst].max()
                raise DataError(
                    f"{self.name}: image {worst} has pixels from {low:.3g} to {high:.3g}, outside "
                    "[0, 1]; scale them, or give uint8 images"
                )

    def __repr__(self) -> str:
        """Return name, size and kind without the pixels."""
        size = shape_text(self.image_shape)
        return f"ImageSet({self.name}, {len(self)} {self.kind} images of {size})"

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pixels)

    def first(self, limit: int | None) -> "ImageSet":
        """Return the first `limit` images (all of them for None)."""
        if limit is None or limit >= len(self):
            return self
        if limit < 1:
            raise DataError(f"{self.name}: a limit of {limit} images leaves none; give 1 or more")
        return self.where(slice(limit))

    def where(self, chosen: slice | Bool | Int64) -> "ImageSet":
        """Return the chosen images."""
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, pixels=self.pixels[chosen], labels=labels)
