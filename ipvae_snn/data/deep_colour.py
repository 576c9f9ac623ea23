"""Colour of 16 bits, of which Pillow's own pictures keep the upper 8.

Pillow's decoders can be told where in each sample the upper byte lies. A second decoding, told the
other place, gives the lower bytes.
"""

import sys
from typing import IO, Any, Final, NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps

from ipvae_snn.arrays import Array, UInt16
from ipvae_snn.data.array_images import LUMINANCE
from ipvae_snn.data.tiff import is_separate, tags_of

FULL: Final = 65535
_ROWS: Final = 256  # converted at once, which bounds the memory
# Ends of Pillow's names of raw modes: samples of 16 bits, big-endian, little-endian or native.
_DEEP: Final = (";16B", ";16L", ";16N")
_OTHER_BYTE: Final = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_READABLE: Final = ("RGB;16", "RGBA;16", "RGBX;16")


class Deep(NamedTuple):
    """Colours of a picture as stored, and their white.

    colours (H, W, 3), upright. alpha (H, W) of 0 to FULL, None without transparency.
    """

    colours: UInt16
    alpha: UInt16 | None
    white: int


class Form(NamedTuple):
    """Storage of a picture's samples, as read before its pixels are: Pillow's name, and white.

    readable: whether this module reads all of its bits.
    """

    name: str
    white: int
    readable: bool


def form_of(image: ImageFile.ImageFile) -> Form | None:
    """Return the form of the picture that `image` loads next, None if it has no deep colour."""
    if not image.tile or len(image.getbands()) == 1:
        return None
    codec, *_, args = image.tile[0]
    parts = args if isinstance(args, tuple) else (args,)
    name = str(parts[0])
    if codec.startswith("ppm") and int(parts[-1]) > 255:
        return Form(name, int(parts[-1]), codec == "ppm")
    if not name.endswith(_DEEP):
        return None
    single = image.format == "TIFF" or getattr(image, "n_frames", 1) == 1
    return Form(name, FULL, single and name[:-1] in _READABLE and not is_separate(tags_of(image)))


def deep_colours(image: ImageFile.ImageFile, form: Form, stream: IO[bytes]) -> Deep:
    """Return all bits of the picture that `image` loads next; stream: its file."""
    if image.format == "PPM":
        return _ppm(image, form, stream)
    transparent = image.info.get("transparency")
    index = image.tell()
    upper = _samples(image)
    stream.seek(0)
    with Image.open(stream, formats=(str(image.format),)) as again:
        again.seek(index)
        other = form.name[:-1] + _OTHER_BYTE[form.name[-1]]
        again.tile = [tile._replace(args=_with(tile.args, other)) for tile in again.tile]
        lower = _samples(again)
    values: UInt16 = (upper.astype(np.uint16) << np.uint16(8)) | lower
    alpha: UInt16 | None
    colours, alpha = values[..., :3], values[..., 3] if values.shape[2] == 4 else None
    if isinstance(transparent, tuple):
        seen = (colours != np.array(transparent)).any(axis=2)
        alpha = np.where(seen, np.uint16(FULL), np.uint16(0))
    return Deep(colours, alpha, form.white)


def on_white(deep: Deep, colour: bool) -> tuple[UInt16, bool]:
    """Return grey values (H, W), or colours (H, W, 3), and whether there are transparent parts.

    These are seen on white.
    """
    seen = np.empty(deep.colours.shape if colour else deep.colours.shape[:2], np.uint16)
    for start in range(0, len(seen), _ROWS):
        rows = slice(start, start + _ROWS)
        colours = deep.colours[rows].astype(np.float64)
        light = colours if colour else colours @ np.array(LUMINANCE)
        if deep.alpha is not None:
            opaque = deep.alpha[rows] / FULL
            opaque = opaque[..., None] if colour else opaque
            light = light * opaque + deep.white * (1 - opaque)
        seen[rows] = np.rint(light)
    return seen, deep.alpha is not None and bool((deep.alpha < FULL).any())


def _samples(image: ImageFile.ImageFile) -> Array:
    """Return the decoded bytes (H, W, C); TIFF pictures turn as they load."""
    image.load()
    turned = image if image.format == "TIFF" else ImageOps.exif_transpose(image)
    return np.asarray(turned)


def _with(args: Any, name: str) -> Any:
    return (name, *args[1:]) if isinstance(args, tuple) else name


def _ppm(image: ImageFile.ImageFile, form: Form, stream: IO[bytes]) -> Deep:
    """Return the samples of a binary pixmap, big-endian after its heading; no Pillow mode does."""
    shape = (image.height, image.width, 3)
    stream.seek(image.tile[0].offset)
    values = np.frombuffer(stream.read(2 * shape[0] * shape[1] * 3), ">u2")
    if values.size < shape[0] * shape[1] * 3:
        raise ValueError(f"ends after {values.size} of {shape[0] * shape[1] * 3} samples")
    colours = values.reshape(shape).astype(np.uint16)
    if colours.max() > form.white:
        raise ValueError(f"a sample of {colours.max()}, above its full scale of {form.white}")
    return Deep(colours, None, form.white)
