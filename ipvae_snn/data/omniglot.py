"""Omniglot: handwritten characters; test characters never occur in training."""

import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from ipvae_snn.arrays import Float32
from ipvae_snn.data.arrays import DAMAGE
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.locate import Remote, require
from ipvae_snn.data.pictures import read_picture
from ipvae_snn.data.request import Request
from ipvae_snn.errors import DataError

_ARCHIVE: Final = "images_background_small1.zip"
_REMOTE: Final = Remote(
    _ARCHIVE,
    f"https://raw.githubusercontent.com/brendenlake/omniglot/master/python/{_ARCHIVE}",
    1_319_022,
    "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
)
_FOLDERS: Final = ("omniglot", "omniglot-py")
_SIDE: Final = 28  # pixels; the usual size for this set, so that MNIST networks fit
_MAX_PNG_BYTES: Final = 2**20  # a drawing takes about 300 bytes


def load_omniglot(request: Request) -> ImageSet:
    """Return the drawings as 28x28 images, ink 1 on ground 0.

    The 105x105 one-bit drawings are averaged over the area of each new pixel (Pillow's BOX), which
    keeps the amount of ink and never leaves [0, 1]. A label is the index of the character in the
    alphabetical order of alphabet and character. In this order every fifth character belongs to
    the test split.
    """
    path = require(request, _FOLDERS, (_ARCHIVE,), _REMOTE)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(request, path, archive)
    except DAMAGE as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: not a readable zip file ({detail}); get it again") from error


def _read(request: Request, path: Path, archive: zipfile.ZipFile) -> ImageSet:
    drawings = sorted(n for n in archive.namelist() if n.endswith(".png") and n.count("/") >= 2)
    characters = sorted({name.rpartition("/")[0] for name in drawings})
    number = {character: index for index, character in enumerate(characters)}
    labels = [number[name.rpartition("/")[0]] for name in drawings]
    is_test = request.split == "test"
    wanted = [
        (name, label)
        for name, label in zip(drawings, labels, strict=True)
        if (label % 5 == 4) == is_test
    ][: request.limit]
    if not wanted:
        raise DataError(f"{path}: holds no drawing (alphabet/character/name.png); get it again")
    pixels = np.empty((len(wanted), _SIDE * _SIDE), dtype=np.float32)
    for row, (name, _) in zip(pixels, wanted, strict=True):
        if archive.getinfo(name).file_size > _MAX_PNG_BYTES:
            raise DataError(f"{path}: {name} is larger than a drawing can be; get it again")
        with archive.open(name) as stream:
            row[:] = read_picture(stream, f"{path}: {name}", _ink).ravel()
    return ImageSet(
        name=request.name,
        split=request.split,
        pixels=pixels,
        image_shape=(_SIDE, _SIDE),
        kind="unit",
        labels=np.array([label for _, label in wanted], dtype=np.int64),
        citation=request.citation,
    )


def _ink(image: Image.Image, subject: str) -> Float32:
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, dtype=np.float32)
    return (255 - grey) / np.float32(255)
