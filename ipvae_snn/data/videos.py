"""Frames of videos as grey values, by PyAV (the optional extra "video")."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from ipvae_snn.data.pictures import Frame
from ipvae_snn.data.request import MAX_BYTES
from ipvae_snn.errors import DataError

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


def read_video(path: Path, most: int | None = None) -> tuple[tuple[Frame, ...], int]:
    """Return frames (H, W) of a video in order, and how many frames one stands for.

    most: keep at most so many frames, evenly spaced; None for all. Raises DataError naming the
    file if it is damaged, holds no video, is too large, or if PyAV is not installed.
    """
    av = _library(path)
    kept: list[Frame] = []
    spacing, size = 1, 0
    try:
        with av.open(str(path), format=_CONTAINERS[path.suffix.lower()]) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index % spacing:
                    continue
                values = np.ascontiguousarray(frame.to_ndarray(format="gray"))
                kept.append(Frame(values, 255.0))
                size += values.nbytes
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
    return tuple(kept), spacing


def _library(path: Path) -> Any:
    try:
        import av
    except ImportError as error:
        raise DataError(
            f"{path}: a video, for which the package av is missing; pip install 'ipvae-snn[video]'"
        ) from error
    return av
