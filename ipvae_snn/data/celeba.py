"""CelebA: the aligned faces of the official archive, cut to the face and reduced."""

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from ipvae_snn.arrays import Float32
from ipvae_snn.data.array_images import COLOURS
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.locate import require
from ipvae_snn.data.part import require_pixels
from ipvae_snn.data.pictures import read_picture
from ipvae_snn.data.request import Request
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.storage.source_files import read_text

_FOLDERS: Final = ("celeba", "CelebA", "celeba/Eval", "CelebA/Eval")
_PARTITION: Final = "list_eval_partition.txt"
_PICTURES: Final = ("img_align_celeba", "../Img/img_align_celeba", "Img/img_align_celeba")
_PARTS: Final[dict[Split, str]] = {"train": "0", "test": "2"}  # 1, validation, is not used
_MAX_PARTITION: Final = 1 << 24  # bytes; the published file has 2.8 million
_WIDTH: Final = 178
_HEIGHT: Final = 218
# The square that Larsen et al. (2016) cut, and Vahdat & Kautz (2020, NVAE) after them: rows 40 to
# 187 and columns 15 to 162. It holds the face without most of the background.
_CROP: Final = 148
_TOP: Final = 40
_LEFT: Final = 15


def load_celeba(request: Request) -> ImageSet:
    """Return faces of 64x64 pixels, grey or in colour, in [0, 1]."""
    return _load(request, 64)


def load_celeba_128(request: Request) -> ImageSet:
    """Return faces of 128x128 pixels, grey or in colour, in [0, 1]."""
    return _load(request, 128)


def _load(request: Request, side: int) -> ImageSet:
    """Return the first faces of the split, in the order of the partition file.

    Each is a square of 148 pixels of an aligned picture, reduced with Pillow's BILINEAR, which
    averages over the area of each new pixel. Nothing but these pictures is read.
    """
    table = require(request, _FOLDERS, (_PARTITION,))
    names = _names(table, request)[: request.limit]
    folder = _pictures(table)
    shape: ImageShape = (side, side, COLOURS) if request.colour else (side, side)
    require_pixels(request.name, len(names), shape, each=4)
    pixels = np.empty((len(names), int(np.prod(shape))), dtype=np.float32)
    mode = "RGB" if request.colour else "L"

    def face(image: Image.Image, subject: str) -> Float32:
        if image.size != (_WIDTH, _HEIGHT):
            raise DataError(
                f"{subject}: {image.width}x{image.height} pixels, but the aligned pictures have "
                f"{_WIDTH}x{_HEIGHT}; is it of another set?"
            )
        box = (_LEFT, _TOP, _LEFT + _CROP, _TOP + _CROP)
        square = image.convert(mode).crop(box)
        small = square.resize((side, side), Image.Resampling.BILINEAR)
        return np.asarray(small, dtype=np.float32) / np.float32(255)

    for index, (row, name) in enumerate(zip(pixels, names, strict=True)):
        request.report(f"reading pictures, {name}", index, len(names))
        row[:] = read_picture(folder / name, str(folder / name), face).ravel()
    return ImageSet(
        name=request.name,
        split=request.split,
        pixels=pixels,
        image_shape=shape,
        kind="unit",
        citation=request.citation,
    )


def _names(table: Path, request: Request) -> list[str]:
    """Return the file names of the split; a line of the table is "000001.jpg 0"."""
    wanted = _PARTS[request.split]
    names: list[str] = []
    for number, line in enumerate(read_text(table, _MAX_PARTITION).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        name, part = words if len(words) == 2 else ("", "")
        if part not in ("0", "1", "2") or Path(name).name != name:
            raise DataError(
                f"{table}, line {number}: {line[:60]!r}, but a line is a file name and 0 (train), "
                "1 (validation) or 2 (test); get the file again"
            )
        if part == wanted:
            names.append(name)
    if not names:
        raise DataError(f"{table}: names no picture of the {request.split} split ({wanted})")
    return names


def _pictures(table: Path) -> Path:
    """Return the folder of pictures that lies beside the table, or as in the official archive."""
    for place in _PICTURES:
        if (table.parent / place).is_dir():
            return table.parent / place
    raise DataError(
        f"{table}: there is no folder img_align_celeba beside it; unpack img_align_celeba.zip there"
    )
