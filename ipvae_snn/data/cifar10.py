"""CIFAR-10 as grey luminance or in colour, from PNG batches of 1,000 images."""

import re
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Float32
from ipvae_snn.data.array_images import COLOURS
from ipvae_snn.data.arrays import read_npz
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.locate import require
from ipvae_snn.data.part import require_pixels
from ipvae_snn.data.pictures import read_unit
from ipvae_snn.data.request import Request
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape

_FOLDERS: Final = ("cifar10",)
_LABELS: Final = "cifar10_labels_51000.npz"
_BATCH: Final = re.compile(r"cifar10_batch_(\d+)\.png")
_PER_BATCH: Final = 1000
_SIDE: Final = 32
_FIRST_TEST_BATCH: Final = 50  # batches 0..49 are the 50,000 training images


def load_cifar10(request: Request) -> ImageSet:
    """Return the images of every batch present, grey or in colour, in [0, 1], labels 0..9.

    A batch is a picture of 1000 rows of 1024 pixels; row i holds image i of 32x32. Labels
    1000*b .. 1000*b + 999 belong to batch b.
    """
    labels_path = require(request, _FOLDERS, (_LABELS,))
    all_labels = read_npz(labels_path, "labels")
    is_test = request.split == "test"
    paths = {
        int(match[1]): path
        for path in labels_path.parent.iterdir()
        if (match := _BATCH.fullmatch(path.name))
        and (int(match[1]) >= _FIRST_TEST_BATCH) == is_test
    }
    if not paths:
        span = "50 or higher" if is_test else "0 to 49"
        raise DataError(
            f"{request.name} ({request.split}): no cifar10_batch_B.png with B {span} in "
            f"{labels_path.parent}; put one there"
        )
    batches = sorted(paths)
    if request.limit is not None:
        batches = batches[: -(-request.limit // _PER_BATCH)]
    if all_labels.ndim != 1 or len(all_labels) < _PER_BATCH * (batches[-1] + 1):
        raise DataError(
            f"{labels_path}: labels of shape {all_labels.shape} do not reach batch {batches[-1]}; "
            "the files do not belong together"
        )
    shape: ImageShape = (_SIDE, _SIDE, COLOURS) if request.colour else (_SIDE, _SIDE)
    # The batches, and all of them together.
    require_pixels(request.name, len(batches) * _PER_BATCH, shape, each=8)
    pixels = np.concatenate([_read_batch(paths[batch], request.colour) for batch in batches])
    labels = np.concatenate(
        [all_labels[_PER_BATCH * b : _PER_BATCH * (b + 1)] for b in batches]
    ).astype(np.int64)
    return ImageSet(
        name=request.name,
        split=request.split,
        pixels=pixels,
        image_shape=shape,
        kind="unit",
        labels=labels,
        citation=request.citation,
    )


def _read_batch(path: Path, colour: bool) -> Float32:
    rows = read_unit(path, str(path), colour)
    if rows.shape[:2] != (_PER_BATCH, _SIDE * _SIDE):
        raise DataError(
            f"{path}: {rows.shape[1]} x {rows.shape[0]} pixels, but a batch has "
            f"{_SIDE * _SIDE} x {_PER_BATCH}; is it another file?"
        )
    return rows.reshape(_PER_BATCH, -1)
