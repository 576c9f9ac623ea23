"""Part of a user's own images, and what to do to them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ipvae_snn.config import preparation as preparations
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data.array_images import COLOURS
from ipvae_snn.data.base import Split
from ipvae_snn.data.part import Part
from ipvae_snn.data.request import Report, silent
from ipvae_snn.image_shape import ImageShape

# Raises DataError if whole images of a name and a shape cannot be used.
Fits = Callable[[str, ImageShape], None]


def any_size(name: str, shape: ImageShape) -> None:
    """Take images of any size."""


@dataclass(frozen=True)
class OwnRequest:
    """Part of a user's own images, and what to do to them.

    split: with holdout, and of patches always, the part that is returned. preparation: how the
    images are treated. report: receives the progress of reading. limit: of the part, only so many
    first images are read and converted. fits: is asked when the size of whole images is known, and
    before more of them are read. colour: keep the colours instead of their luminance.
    """

    split: Split = "train"
    holdout: bool = False
    preparation: Preparation = preparations.PLAIN
    report: Report = silent
    limit: int | None = None
    fits: Fits = any_size
    colour: bool = False

    def is_cut(self, shape: tuple[int, ...]) -> bool:
        """Return whether images of this shape are patches already, and are taken whole.

        While a network is trained on whitened patches, all images are photographs.
        """
        known = self.preparation.constants is not None or self.preparation.whiten == "none"
        return known and shape == self.patch_shape

    @property
    def patch_shape(self) -> ImageShape:
        """The shape of a patch."""
        size = self.preparation.patches
        return (size, size, COLOURS) if self.colour else (size, size)

    @property
    def part(self) -> Part:
        """The rows that are returned, of images that are not cut."""
        return Part(self.split, self.holdout, self.limit)

    @property
    def subject(self) -> str:
        """What a remark on the images begins with: the split, if some are held out."""
        return f"{self.split} images" if self.holdout else "images"

    @property
    def done(self) -> Preparation | None:
        """The preparation, None for a plain one."""
        return None if self.preparation.is_plain else self.preparation


PLAIN: Final = OwnRequest()
