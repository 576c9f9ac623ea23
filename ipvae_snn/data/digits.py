"""The 8x8 handwritten digits that scikit-learn ships; no file is needed."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.request import Request, unit_set
from ipvae_snn.errors import DataError


def digits_file() -> Path:
    """Return scikit-learn's file of the digits; DataError if the package has none.

    Its own `load_digits` reads the same file, but importing it takes two seconds, most of each
    command on the digits.
    """
    package = find_spec("sklearn")
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return file
    raise DataError(
        "digits: scikit-learn is missing or has no datasets/data/digits.csv.gz; install it again: "
        "pip install --force-reinstall scikit-learn"
    )


def load_digits(request: Request) -> ImageSet:
    """Return the digits (pixels 0..16 divided by 16), labels 0..9.

    Within each class, in the order of the file, every fifth image belongs to the test split. The
    split is stratified and does not depend on the seed.
    """
    rows = np.loadtxt(digits_file(), delimiter=",", dtype=np.int64)
    labels = rows[:, -1]
    rank = np.empty(len(labels), dtype=np.int64)
    for label in range(10):
        members = np.flatnonzero(labels == label)
        rank[members] = np.arange(len(members))
    chosen = (rank % 5 == 4) == (request.split == "test")
    images = rows[:, :-1].reshape(-1, 8, 8).astype(np.uint8)
    return unit_set(request, images[chosen], labels[chosen], full_scale=16)
