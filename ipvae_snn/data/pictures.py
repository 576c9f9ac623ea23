"""Safe decoding of picture files to grey values or colours with Pillow, with one-line errors."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Final

import numpy as np
from PIL import Image, ImageFile, ImageOps

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.data import deep_colour, tiff
from ipvae_snn.data.array_images import COLOURS
from ipvae_snn.data.decoding import opened, stream_of
from ipvae_snn.data.request import MAX_BYTES
from ipvae_snn.errors import DataError, DataWarning

SUFFIXES: Final = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".gif", ".webp"}
    | {".pgm", ".ppm", ".pbm", ".pnm"}
)
# In these the first picture is the photograph; others are previews or depth maps.
_ONE_PICTURE: Final = frozenset({"JPEG", "MPO"})
_FULL_16: Final = 65535.0
_GREY_MODES: Final = frozenset({"1", "L", "LA"})


@dataclass(frozen=True)
class Frame:
    """One picture: grey values (H, W) or colours (H, W, 3) as stored, and the value of white.

    white: None where the format does not say (32-bit integers and floats). on_white: whether it
    has transparent pixels, which are seen on a white ground. reduced: whether lower bits are
    left out. repeated: whether a grey picture is given as colours.
    """

    values: Array
    white: float | None
    on_white: bool = False
    reduced: bool = False
    repeated: bool = False


def read_frames(path: Path, colour: bool = False) -> tuple[Frame, ...]:
    """Return the pictures in a file: several for stacks (TIFF) and animations (GIF, WebP, PNG).

    The orientation that a camera wrote is applied. Colour becomes luminance, or, with `colour`,
    stays, and what is grey is the same in all three channels. Raises DataError
    naming the file if it is damaged, foreign, in an unknown pixel mode, or too large when decoded.
    """
    # A stream, not the path: Pillow 13 reads a turned TIFF's rows at a wrong width if it maps the
    # file.
    with stream_of(path, str(path)) as stream, opened(stream, str(path)) as image:
        count = 1 if image.format in _ONE_PICTURE else getattr(image, "n_frames", 1)
        needed = count * image.width * image.height * (COLOURS if colour else 1)
        if needed > MAX_BYTES:
            raise DataError(
                f"{path}: {count} pictures of {image.height}x{image.width} pixels need {needed} "
                f"bytes; at most {MAX_BYTES}, give fewer or smaller ones"
            )
        shown = _pictures_of(image, count)
        return tuple(
            _at(image, index, stream, _named(path, index, count), colour) for index in shown
        )


def warn_of_reduced(names: Sequence[str]) -> None:
    """Give one DataWarning on the files `names`, whose pictures are `reduced`, if there are any."""
    if names:
        more = len(set(names)) - 1
        warnings.warn(
            f"{names[0]}{f' and {more} more' if more else ''}: 16-bit colour of which the upper 8 "
            "bits are read; save it as 16-bit grey or plain RGB to keep all",
            DataWarning,
            stacklevel=3,
        )


def _pictures_of(image: Image.Image, count: int) -> Sequence[int]:
    """Return the places of pictures that are no smaller copies or masks of others in the file."""
    if image.format != "TIFF":
        return range(count)
    shown: list[int] = []
    for index in range(count):
        image.seek(index)
        if not tiff.is_copy(tiff.tags_of(image)):
            shown.append(index)
    return shown or range(count)


def read_unit(source: Path | IO[bytes], subject: str, colour: bool = False) -> Float32:
    """Return the luminance (H, W) or the colours (H, W, 3) of an image file, in [0, 1].

    Raises DataError naming `subject` for a file that is damaged, foreign, in an unknown pixel mode
    or too large when decoded (Pillow's limit on decompression bombs).
    """
    return read_picture(source, subject, partial(_to_unit, colour=colour))


def read_picture(
    source: Path | IO[bytes],
    subject: str,
    decode: Callable[[Image.Image, str], Float32],
) -> Float32:
    """Return decode(image, subject) of an opened image; DataError names `subject`."""
    if isinstance(source, Path):
        with stream_of(source, subject) as stream:
            return read_picture(stream, subject, decode)
    with opened(source, subject) as image:
        return decode(image, subject)


def _named(path: Path, index: int, count: int) -> str:
    return str(path) if count == 1 else f"{path}, picture {index + 1} of {count}"


def _at(
    image: ImageFile.ImageFile, index: int, stream: IO[bytes], subject: str, colour: bool
) -> Frame:
    image.seek(index)
    if image.format == "TIFF":
        tiff.check_samples(tiff.tags_of(image))
        tiff.check_whole(tiff.tags_of(image), stream.seek(0, os.SEEK_END))
    form = deep_colour.form_of(image)
    if form is None:
        return frame_of(image, subject, colour)
    if not form.readable:
        return replace(frame_of(image, subject, colour), reduced=True)
    deep = deep_colour.deep_colours(image, form, stream)
    values, on_white = deep_colour.on_white(deep, colour)
    return Frame(values, float(deep.white), on_white)


def frame_of(image: Image.Image, subject: str, colour: bool = False) -> Frame:
    """Return a picture that Pillow opened, as `read_frames` does; DataError names `subject`."""
    decode = _DECODERS.get(image.mode)
    if decode is None:
        raise DataError(
            f"{subject}: the pixel mode {image.mode} is not supported; save it as 8-bit grey or "
            "colour"
        )
    frame = decode(image, subject, colour)
    if not colour or frame.values.ndim == 3:
        return frame
    repeated = np.repeat(frame.values[..., None], COLOURS, axis=2)
    return replace(frame, values=repeated, repeated=True)


def _eight_bit(image: Image.Image, subject: str, colour: bool) -> Frame:
    # Pillow's "L" is the luminance of ITU-R 601: .299 R + .587 G + .114 B.
    mode = "RGB" if colour and image.mode not in _GREY_MODES else "L"
    upright = _upright(image)
    if upright.has_transparency_data:
        ink = upright.convert("RGBA")
        if ink.getchannel("A").getextrema() != (255, 255):
            return Frame(_on_white(ink, subject, mode), 255.0, on_white=True)
        upright = ink
    return Frame(np.asarray(upright.convert(mode)), 255.0)


def _upright(image: Image.Image) -> Image.Image:
    """Return the picture turned as the camera was held; of TIFF files Pillow does so itself."""
    image.load()
    if image.format == "TIFF" and tiff.ORIENTATION not in tiff.tags_of(image):
        return image
    return ImageOps.exif_transpose(image)


def _on_white(ink: Image.Image, subject: str, mode: str) -> Array:
    """Return the values in `mode`, L or RGB, of a transparent picture (RGBA) on a white ground."""
    ground = Image.new("RGBA", ink.size, "white")
    grey = np.asarray(Image.alpha_composite(ground, ink).convert(mode))
    shape = ink.getchannel("A").getextrema()
    if grey.min() == grey.max() and (shape[0] != shape[1] or shape == (0, 0)):
        raise DataError(
            f"{subject}: a transparent picture of which nothing is seen on a white ground; save it "
            "on a ground of another colour"
        )
    return grey


def _deep(image: Image.Image, subject: str, colour: bool) -> Frame:
    """Decode 16-bit grey; of TIFF files, as many bits as the file states."""
    tags = tiff.tags_of(image)
    white = float((1 << tags.get(tiff.BITS_PER_SAMPLE, (16,))[0]) - 1)
    values = np.asarray(_upright(image)).astype(np.uint16)
    if tags.get(tiff.PHOTOMETRIC) == tiff.WHITE_IS_ZERO:
        values = (int(white) - values.astype(np.int64)).astype(np.uint16)
    transparent = image.info.get("transparency")
    if transparent is not None and (values == transparent).any():
        values = np.where(values == transparent, np.uint16(white), values)
        return Frame(values, white, on_white=True)
    return Frame(values, white)


def _wide(image: Image.Image, subject: str, colour: bool) -> Frame:
    """Decode Pillow's mode of 32-bit integers, which also holds 16-bit PNG and PGM."""
    values = np.asarray(_upright(image))
    return Frame(values, None if image.format == "TIFF" else _FULL_16)


def _float(image: Image.Image, subject: str, colour: bool) -> Frame:
    if tiff.tags_of(image).get(tiff.PHOTOMETRIC) == tiff.WHITE_IS_ZERO:
        raise DataError(
            f"{subject}: floats of which the smallest is white (WhiteIsZero); save it so that the "
            "smallest is black"
        )
    return Frame(np.asarray(_upright(image)), None)


_DECODERS: Final[Mapping[str, Callable[[Image.Image, str, bool], Frame]]] = {
    **dict.fromkeys(
        ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"), _eight_bit
    ),
    **dict.fromkeys(("I;16", "I;16B", "I;16L"), _deep),
    "I": _wide,
    "F": _float,
}


def _to_unit(image: Image.Image, subject: str, colour: bool) -> Float32:
    frame = frame_of(image, subject, colour)
    if frame.white is None:
        raise DataError(f"{subject}: the pixel mode {image.mode} has no scale; save it as 8-bit")
    if frame.values.dtype == np.uint8:
        return frame.values.astype(np.float32) / np.float32(255)
    return (frame.values.astype(np.float64) / frame.white).astype(np.float32)
