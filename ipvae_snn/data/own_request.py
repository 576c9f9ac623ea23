"""Part of a user's own images, and what to do to them."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from ipvae_snn.arrays import Bool
from ipvae_snn.config import preparation as preparations
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.request import Report, silent
from ipvae_snn.errors import DataError


@dataclass(frozen=True)
class OwnRequest:
    """Part of a user's own images, and what to do to them.

    split: with holdout, and of patches always, the part that is returned. preparation: how the
    images are treated. report: receives the progress of reading.
    """

    split: Split = "train"
    holdout: bool = False
    preparation: Preparation = preparations.PLAIN
    report: Report = silent

    def is_cut(self, shape: tuple[int, ...]) -> bool:
        """Return whether images of this shape are patches already, and are taken whole.

        While a network is trained on whitened patches, all images are photographs.
        """
        size = self.preparation.patches
        known = self.preparation.constants is not None or self.preparation.whiten == "none"
        return known and shape == (size, size)

    def part(self, whole: ImageSet, subject: str) -> ImageSet:
        """Return the images of the split if some are held out, with the preparation they had."""
        preparation = None if self.preparation.is_plain else self.preparation
        whole = replace(whole, preparation=preparation)
        if not self.holdout:
            return whole
        return whole.where(held_out(subject, len(whole)) == (self.split == "test"))


PLAIN: Final = OwnRequest()


def held_out(subject: str, count: int) -> Bool:
    """Return which of `count` images are held out: every tenth; of fewer than ten, the last."""
    if count < 2:
        raise DataError(
            f"{subject}: {count} image cannot be divided in training and test; give more"
        )
    held: Bool = np.arange(count) % 10 == 9
    held[-1] |= count < 10
    return held
