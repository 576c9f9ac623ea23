"""The 8x8 handwritten digits that scikit-learn ships; no file is needed."""

import numpy as np
from sklearn.datasets import load_digits as sklearn_digits

from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.request import Request, unit_set


def load_digits(request: Request) -> ImageSet:
    """Return the digits (pixels 0..16 divided by 16), labels 0..9.

    Within each class, in the order of the file, every fifth image belongs to the test split. The
    split is stratified and does not depend on the seed.
    """
    bunch = sklearn_digits()
    labels = np.asarray(bunch.target, dtype=np.int64)
    rank = np.empty(len(labels), dtype=np.int64)
    for label in range(10):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    chosen = (rank % 5 == 4) == (request.split == "test")
    images = np.asarray(bunch.images, dtype=np.uint8)
    return unit_set(request, images[chosen], labels[chosen], full_scale=16)
