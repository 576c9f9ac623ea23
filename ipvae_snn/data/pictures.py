"""Safe decoding of image files to grey levels with Pillow, with one-line errors."""

import struct
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Final

import numpy as np
from PIL import Image

from ipvae_snn.arrays import Float32
from ipvae_snn.errors import DataError

SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm"}
)
_DAMAGE: Final = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error,
    Image.DecompressionBombWarning, Image.DecompressionBombError,
)  # fmt: skip


def _eight_bit(image: Image.Image) -> Float32:
    # Pillow's "L" is the luminance of ITU-R 601: .299 R + .587 G + .114 B.
    grey = np.asarray(image.convert("L"), dtype=np.float32)
    return grey / np.float32(255)


def _palette(image: Image.Image) -> Float32:
    # Through RGBA, since a palette with transparency has no direct conversion to grey.
    return _eight_bit(image.convert("RGBA"))


def _sixteen_bit(image: Image.Image) -> Float32:
    return (np.asarray(image).astype(np.float64) / 65535).astype(np.float32)


_GREY: Final[Mapping[str, Callable[[Image.Image], Float32]]] = {
    **dict.fromkeys(("1", "L", "LA", "RGB", "RGBA", "CMYK", "YCbCr"), _eight_bit),
    "P": _palette,
    "PA": _palette,
    # Some Pillow releases open a 16-bit PNG as "I"; a wider image fails the [0, 1] check.
    **dict.fromkeys(("I;16", "I;16B", "I;16L", "I"), _sixteen_bit),
}


def read_grey(source: Path | IO[bytes], subject: str) -> Float32:
    """Return the grey luminance (H, W) of an image file, in [0, 1].

    Raises DataError naming `subject` for a file that is damaged, foreign, in an unknown pixel mode
    or too large when decoded (Pillow's limit on decompression bombs).
    """
    return read_picture(source, subject, _to_grey)


def read_picture(
    source: Path | IO[bytes],
    subject: str,
    decode: Callable[[Image.Image, str], Float32],
) -> Float32:
    """Return decode(image, subject) of an opened image; DataError names `subject`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source) as image:
                return decode(image, subject)
    except _DAMAGE as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{subject}: not a readable image ({detail}); fix or remove it") from error


def _to_grey(image: Image.Image, subject: str) -> Float32:
    convert = _GREY.get(image.mode)
    if convert is None:
        raise DataError(
            f"{subject}: the pixel mode {image.mode} is not supported; save it as 8-bit grey or "
            "colour"
        )
    return convert(image)
