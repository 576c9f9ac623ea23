"""Any number of 28x28 images, the same for the same number: digits, made larger and shifted."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from ipvae_snn.arrays import UInt8
from ipvae_snn.data import load
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.storage.row_files import RowFile

SIDE: Final = 28
DRAWN: Final = 20  # side of a digit before it is shifted
AT_ONCE: Final = 10_000
SEED: Final = 14


def write_images(path: Path, n: int) -> None:
    """Write n images (n, 28, 28) uint8 to the new file `path`, a part at a time."""
    digits = larger_digits()
    file = RowFile(path, (n, SIDE, SIDE), np.dtype(np.uint8))
    file.create()
    for first in range(0, n, AT_ONCE):
        file.write(first, shifted(digits, first, min(first + AT_ONCE, n)))


def larger_digits() -> UInt8:
    """Return the bundled digits (8x8) as (N, 20, 20), by bicubic interpolation."""
    small = (load("digits", "train").pixels.reshape(-1, 8, 8) * 255).astype(np.uint8)
    size = (DRAWN, DRAWN)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.BICUBIC)) for one in small]
    )


def shifted(digits: UInt8, first: int, last: int) -> UInt8:
    """Return images first .. last - 1: digit and place of each are keyed by its index."""
    drawn = uniforms(SEED, np.arange(first, last), 0, 3).astype(np.int64)
    free = SIDE - DRAWN + 1
    which, top, left = drawn[:, 0] % len(digits), drawn[:, 1] % free, drawn[:, 2] % free
    result = np.zeros((last - first, SIDE, SIDE), np.uint8)
    for image, one, y, x in zip(result, which, top, left, strict=True):
        image[y : y + DRAWN, x : x + DRAWN] = digits[one]
    return result
