"""Picture files that Pillow does not write: PNG and TIFF of any depth and layout."""

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # colour type by number of channels


def png(values, extra: bytes = b"") -> bytes:
    """Return a PNG of (H, W) or (H, W, C), uint8 or uint16; extra: chunks before the pixels."""
    deep = values.dtype.newbyteorder(">")
    values = values if values.ndim == 3 else values[..., None]
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(deep).tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 8 * deep.itemsize, PNG_COLOURS[channels], 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@dataclass(frozen=True)
class Tiff:
    """Layout of a TIFF file's pictures.

    order: "<" or ">". rows: per strip, 0 for all. tile: side of square tiles, 0 for strips. planar:
    each channel in a plane of its own. deflate: compressed. big: BigTIFF. tags: further entries of
    type SHORT, also in place of those that follow from the pixels. first: the directory comes
    before the pixels.
    """

    order: str = "<"
    rows: int = 0
    tile: int = 0
    planar: bool = False
    deflate: bool = False
    big: bool = False
    tags: dict = field(default_factory=dict)


SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}


def tiff(values, layout: Tiff = Tiff()) -> bytes:
    """Return a TIFF of one picture (H, W) or (H, W, C)."""
    values = values if values.ndim == 3 else values[..., None]
    height, width, channels = values.shape
    planes = [values[..., c : c + 1] for c in range(channels)] if layout.planar else [values]
    parts = [part for plane in planes for part in _parts(plane, layout)]
    order, size = layout.order, values.dtype.itemsize
    blocks = [part.astype(values.dtype.newbyteorder(order)).tobytes() for part in parts]
    if layout.deflate:
        blocks = [zlib.compress(block) for block in blocks]
    head = 16 if layout.big else 8
    starts = [head + sum(map(len, blocks[:k])) for k in range(len(blocks))]
    tags = {
        256: [width],
        257: [height],
        258: [8 * size] * channels,
        259: [8 if layout.deflate else 1],
        262: [2 if channels >= 3 else 1],
        277: [channels],
        284: [2 if layout.planar else 1],
        339: [SAMPLE_FORMATS[values.dtype.kind]] * channels,
    }
    if layout.tile:
        tags |= {322: [layout.tile], 323: [layout.tile], 324: starts, 325: list(map(len, blocks))}
    else:
        tags |= {273: starts, 278: [layout.rows or height], 279: list(map(len, blocks))}
    tags |= layout.tags
    where = head + sum(map(len, blocks))
    return _header(layout, where) + b"".join(blocks) + _directory(tags, layout, where)


def _parts(plane, layout: Tiff):
    height, width, _ = plane.shape
    if not layout.tile:
        rows = layout.rows or height
        return [plane[y : y + rows] for y in range(0, height, rows)]
    side = layout.tile
    padded = np.pad(plane, ((0, -height % side), (0, -width % side), (0, 0)))
    return [
        padded[y : y + side, x : x + side]
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]


def _header(layout: Tiff, where: int) -> bytes:
    mark = b"II" if layout.order == "<" else b"MM"
    if layout.big:
        return mark + struct.pack(f"{layout.order}HHHQ", 43, 8, 0, where)
    return mark + struct.pack(f"{layout.order}HI", 42, where)


def _directory(tags: dict, layout: Tiff, where: int) -> bytes:
    """Return the directory at `where`, followed by the values that do not fit in it."""
    count, entry, word = ("Q", "HHQ", "Q") if layout.big else ("H", "HHI", "I")
    room = struct.calcsize("=" + word)
    each = struct.calcsize("=" + entry) + room
    behind = where + struct.calcsize("=" + count) + each * len(tags) + room
    table, values = struct.pack(layout.order + count, len(tags)), b""
    for tag, numbers in sorted(tags.items()):
        data = struct.pack(f"{layout.order}{len(numbers)}I", *numbers)
        table += struct.pack(layout.order + entry, tag, 4, len(numbers))
        if len(data) <= room:
            table += data.ljust(room, b"\0")
        else:
            table += struct.pack(layout.order + word, behind + len(values))
            values += data
    return table + bytes(room) + values
