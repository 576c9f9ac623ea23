"""Part of a user's own images: split and limit, chosen before pixels are read and converted."""

from dataclasses import dataclass

import numpy as np

from ipvae_snn.arrays import Bool, Int64
from ipvae_snn.data.base import Split
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, n_pixels, shape_text
from ipvae_snn.storage import memory


@dataclass(frozen=True)
class Part:
    """Split of the images, with holdout only, and at most `limit` of them."""

    split: Split = "train"
    holdout: bool = False
    limit: int | None = None

    @property
    def most(self) -> int | None:
        """Number of first images that hold this part, None for all."""
        if self.limit is None or not self.holdout:
            return self.limit
        return 10 * (self.limit + 1)

    def rows(self, subject: str, count: int) -> slice | Int64:
        """Return the rows of this part among `count` images; a slice copies nothing.

        Raises DataError naming `subject` where too few images are to be divided.
        """
        if self.limit is not None and self.limit < 1:
            raise DataError(
                f"{subject}: a limit of {self.limit} images leaves none; give 1 or more"
            )
        if not self.holdout:
            return slice(self.limit)
        chosen = np.flatnonzero(held_out(subject, count) == (self.split == "test"))
        return chosen[: self.limit]


def held_out(subject: str, count: int) -> Bool:
    """Return which of `count` images are held out: every tenth; of fewer than ten, the last."""
    if count < 2:
        raise DataError(
            f"{subject}: {count} image cannot be divided in training and test; give more"
        )
    held: Bool = np.arange(count) % 10 == 9
    held[-1] |= count < 10
    return held


def require_pixels(subject: str, count: int, shape: ImageShape, each: int) -> None:
    """Raise MemoryLimitError if `count` images of `each` bytes per value do not fit."""
    memory.require(
        count * n_pixels(shape) * each,
        f"{subject}: {count} images of {shape_text(shape)}",
        "give fewer images (--limit; of train, --set data.limit=N)",
    )
