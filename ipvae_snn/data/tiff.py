"""What a TIFF file says of its pixels, compared with what lies in the file.

Decoders leave black what a damaged file does not hold. TIFF 6.0 (Adobe 1992) names the tags.
"""

import struct
from collections.abc import Mapping
from typing import IO, Any, Final

from PIL import Image, TiffImagePlugin

WIDTH, HEIGHT, BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION = 256, 257, 258, 262, 274
WHITE_IS_ZERO: Final = 0
_COMPRESSION, _SAMPLES, _SAMPLE_FORMAT = 259, 277, 339
_ROWS_PER_STRIP, _TILE_WIDTH, _TILE_HEIGHT = 278, 322, 323
_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES = 273, 279, 324, 325
_PLANAR: Final = 284
_SEPARATE: Final = 2
_KIND, _OLD_KIND = 254, 255
_REDUCED_OR_MASK: Final = 1 | 4
_OLD_REDUCED: Final = 2
_SIGNATURES: Final = (b"II*\0", b"MM\0*")
_FORMATS: Final = {1: "whole numbers", 2: "signed numbers", 3: "floats"}


def tags_of(image: Image.Image) -> Mapping[int, Any]:
    """Return the tags of the picture that is read next; empty for other formats than TIFF."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    return tags


def is_separate(tags: Mapping[int, Any]) -> bool:
    """Return whether each colour lies in a plane of its own."""
    return bool(tags.get(_PLANAR, 1) == _SEPARATE)


def is_copy(tags: Mapping[int, Any]) -> bool:
    """Return whether the picture is a smaller copy of another one in its file, or a mask."""
    return bool(tags.get(_KIND, 0) & _REDUCED_OR_MASK) or tags.get(_OLD_KIND) == _OLD_REDUCED


def check_whole(tags: Mapping[int, Any], size: int) -> None:
    """Raise ValueError if a strip or tile of the picture is missing from its file of `size` bytes.

    Tags of other types than the standard's raise TypeError or ValueError.
    """
    tiled = _TILE_OFFSETS in tags
    offsets = tags.get(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    if offsets is None:  # JPEG of before TIFF 6.0
        return
    width, height = tags[WIDTH], tags[HEIGHT]
    if tiled:
        wanted = -(-width // tags[_TILE_WIDTH]) * -(-height // tags[_TILE_HEIGHT])
    else:
        wanted = -(-height // min(tags.get(_ROWS_PER_STRIP, height), height))
    wanted *= tags.get(_SAMPLES, 1) if is_separate(tags) else 1
    name = "tile" if tiled else "strip"
    if len(offsets) < wanted:
        raise ValueError(f"has {len(offsets)} of {wanted} {name}s")
    sizes = tags.get(_TILE_SIZES if tiled else _STRIP_SIZES, (1,) * wanted)
    places = zip(offsets[:wanted], sizes, strict=False)
    for number, (start, length) in enumerate(places, 1):
        if not (start and length):
            raise ValueError(f"{name} {number} of {wanted} is empty")
        if start + length > size:
            raise ValueError(f"{name} {number} of {wanted} ends at byte {start + length} of {size}")


def check_samples(tags: Mapping[int, Any]) -> None:
    """Raise ValueError for numbers that Pillow would decode as others.

    These are signed bytes, and planes of 16 bits that are not compressed.
    """
    bits = _numbers(tags, BITS_PER_SAMPLE, 1)
    if bits == (8,) and _numbers(tags, _SAMPLE_FORMAT, 1) == (2,):
        raise ValueError("signed bytes; save them as unsigned ones or as 16 bits")
    if is_separate(tags) and max(bits) > 8 and len(bits) > 1 and tags.get(_COMPRESSION, 1) == 1:
        raise ValueError("16-bit colours in separate planes; save them interleaved")


def described(source: IO[bytes]) -> str | None:
    """Return what the numbers of a TIFF file are, None if `source` is no TIFF or damaged."""
    source.seek(0)
    header = source.read(8)
    if header[:4] not in _SIGNATURES:
        return None
    try:
        directory = TiffImagePlugin.ImageFileDirectory_v2(header)
        source.seek(directory.next)
        directory.load(source)
        bits = _numbers(directory, BITS_PER_SAMPLE, 1)
        kind = _FORMATS.get(_numbers(directory, _SAMPLE_FORMAT, 1)[0], "numbers")
        return f"{directory.get(_SAMPLES, 1)} x {max(bits)}-bit {kind} per pixel"
    except (OSError, ValueError, TypeError, SyntaxError, KeyError, IndexError, struct.error):
        return None


def _numbers(tags: Mapping[int, Any], tag: int, default: int) -> tuple[int, ...]:
    value = tags.get(tag, default)
    return value if isinstance(value, tuple) else (value,)
