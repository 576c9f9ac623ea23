"""Frames of videos as grey values or colours, by PyAV (the optional extra "video")."""

import struct
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Array
from ipvae_snn.data.pictures import Frame
from ipvae_snn.data.request import MAX_BYTES
from ipvae_snn.errors import DataError, DataWarning

# The container of each suffix is named to FFmpeg, which would otherwise guess it from the content;
# some formats that it guesses open further files.
_CONTAINERS: Final = {
    ".mp4": "mov",
    ".m4v": "mov",
    ".mov": "mov",
    ".avi": "avi",
    ".mkv": "matroska",
    ".webm": "matroska",
}
SUFFIXES: Final = frozenset(_CONTAINERS)
EIGHT: Final = 8  # bits
# FFmpeg's names by colour, and by whether there are more than 8 bits.
_FORMATS: Final = (("gray", "gray16le"), ("rgb24", "rgb48le"))


def read_video(
    path: Path, most: int | None = None, colour: bool = False
) -> tuple[tuple[Frame, ...], int]:
    """Return frames (H, W) of a video in order, and how many frames one stands for.

    most: keep at most so many frames, evenly spaced; None for all. colour: return (H, W, 3). Frames
    are turned as players show them. Raises DataError naming the file if it is damaged, holds no
    video, is too large, or if PyAV is not installed.
    """
    av = _library(path)
    kept: list[Frame] = []
    spacing, size, count, promised = 1, 0, 0, 0
    try:
        with av.open(str(path), format=_CONTAINERS[path.suffix.lower()]) as container:
            if not container.streams.video:
                raise DataError(f"{path}: holds no pictures, perhaps sound only; remove it")
            promised = _promised(container.streams.video[0])
            for index, frame in enumerate(container.decode(video=0)):
                count = index + 1
                if frame.is_corrupt:
                    raise DataError(f"{path}: frame {count} is damaged; cut or convert the video")
                if index % spacing:
                    continue
                kept.append(_decoded(frame, colour))
                size += kept[-1].values.nbytes
                if most is not None and len(kept) > most:
                    kept, spacing = kept[::2], 2 * spacing
                    size = sum(one.values.nbytes for one in kept)
                if size > MAX_BYTES // 4:
                    raise DataError(
                        f"{path}: its first {len(kept)} frames need {4 * size} bytes; at most "
                        f"{MAX_BYTES}, give a shorter or smaller video"
                    )
    except (av.FFmpegError, OSError, ValueError, IndexError, MemoryError) as error:
        detail = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path}: not a readable video ({detail}); fix or remove it") from error
    if not kept:
        raise DataError(f"{path}: a video without frames; remove it")
    if count < promised:
        warnings.warn(
            f"{path}: {count} of about {promised} frames are read; the file may have been cut off",
            DataWarning,
            stacklevel=2,
        )
    return tuple(kept), spacing


def _promised(stream: Any) -> int:
    """Return the number of frames that the file states, or that its stated length makes; 0 if none.

    A length stands in Matroska's tag, as hours:minutes:seconds; a frame more or less is no fault.
    """
    if stream.frames:
        return int(stream.frames)
    parts = stream.metadata.get("DURATION", "").split(":")
    if len(parts) != 3 or not stream.average_rate:
        return 0
    hours, minutes, seconds = (float(part) for part in parts)
    return int((3600 * hours + 60 * minutes + seconds) * float(stream.average_rate)) - 1


def _decoded(frame: Any, colour: bool) -> Frame:
    """Return luminance or colours of 8 bits, or of 16 where a frame is stored with more than 8."""
    deep = max(component.bits for component in frame.format.components) > EIGHT
    values = frame.to_ndarray(format=_FORMATS[colour][deep])
    matrix = frame.side_data.get("DISPLAYMATRIX")
    turned = values if matrix is None else _turned(values, bytes(matrix))
    return Frame(np.ascontiguousarray(turned), 65535.0 if deep else 255.0)


def _turned(values: Array, matrix: bytes) -> Array:
    """Return the frame as players show it, by the matrix [a b u; c d v; x y w] of its file.

    The pixel (x, y) is shown at (a x + c y, b x + d y), where numbers have 16 binary places (ISO
    14496-12). Angles between quarter turns, which no camera writes, are rounded to one.
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if abs(a) + abs(d) < abs(b) + abs(c):
        values, across, down = values.swapaxes(0, 1), c, b
    else:
        across, down = a, d
    return values[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def _library(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise DataError(
            f"{path}: a video, for which the package av is missing; pip install 'ipvae-snn[video]'"
        ) from error
    return av
