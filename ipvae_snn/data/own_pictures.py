"""A user's pictures and videos in files: as whole images of one size, or cut into patches."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, Int64
from ipvae_snn.data.base import ImageSet
from ipvae_snn.data.folder import Listing
from ipvae_snn.data.levels import Scaled, Values, scaled
from ipvae_snn.data.own_request import OwnRequest
from ipvae_snn.data.part import require_pixels
from ipvae_snn.data.photograph_source import Source
from ipvae_snn.data.pictures import Frame, read_frames, warn_of_reduced
from ipvae_snn.data.videos import SUFFIXES as VIDEO_SUFFIXES
from ipvae_snn.data.videos import read_video
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import image_shape, shape_text
from ipvae_snn.storage.names import printable

# Frames of a video of which patches are cut; neighbours hardly differ.
VIDEO_FRAMES: Final = 100


@dataclass
class _Group:
    """Pictures of one number type and white value, and their places among all pictures."""

    values: list[Array] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def from_files(path: Path, files: Listing, request: OwnRequest) -> ImageSet:
    """Return the pictures in `files`, found at `path`, as `own.load_own` does."""
    size = request.preparation.patches
    if size and not request.is_cut(
        frames_of(files.files[0], request.colour, VIDEO_FRAMES)[0].values.shape
    ):
        cut = _patches(path, files, request)
        return replace(cut, remarks=(*cut.remarks, *files.remarks))
    frames, names, labels = _read_all(path, files, request)
    pixels, kind, levels = together(path, frames, names, request.preparation.white)
    shape = image_shape(frames[0].values.shape)
    read = f"{len(frames)} of {shape_text(shape)} from {len(files.files)} files"
    remark = f"{request.subject}: {read}, {levels}"
    seen = sum(frame.on_white for frame in frames)
    transparent = (f"transparent pictures, seen on white: {seen}",) if seen else ()
    repeated = sum(frame.repeated for frame in frames)
    grey = (f"grey pictures, the same in all colours: {repeated}",) if repeated else ()
    return ImageSet(
        name=printable(path.name or str(path)),
        split=request.split,
        pixels=pixels,
        image_shape=shape,
        kind=kind,
        labels=labels,
        preparation=request.done,
        remarks=(remark, *transparent, *grey, *files.remarks),
    )


def frames_of(file: Path, colour: bool, most: int | None = None) -> tuple[Frame, ...]:
    """Return the pictures of a file; most: of a video, at most so many, evenly spaced."""
    if file.suffix.lower() in VIDEO_SUFFIXES:
        return read_video(file, most, colour)[0]
    return read_frames(file, colour)


def _read_all(
    path: Path, files: Listing, request: OwnRequest
) -> tuple[list[Frame], list[str], Int64 | None]:
    """Return the pictures of the part, which have one size, the file of each, and their labels.

    No file is read beyond those that hold the part.
    """
    frames: list[Frame] = []
    names: list[str] = []
    labels: list[int] = []
    most = request.part.most
    for index, file in enumerate(files.files):
        request.report(f"reading pictures, {file.name}", index, len(files.files))
        held = frames_of(file, request.colour)
        frames += held
        names += [str(file)] * len(held)
        labels += [] if files.labels is None else [files.labels[index]] * len(held)
        check_sizes(held, str(file), frames[0].values.shape, names[0])
        shape = image_shape(frames[0].values.shape)
        request.fits(path.name or str(path), shape)
        # Files of one picture each, as a rule; a stack shows its size when it is read.
        expected = len(frames) + len(files.files) - index - 1
        each = work(frames[0].values.dtype.itemsize)
        require_pixels(str(path), min(expected, most or expected), shape, each)
        if most is not None and len(frames) >= most:
            break
    warn_of_reduced([name for frame, name in zip(frames, names, strict=True) if frame.reduced])
    chosen = np.arange(len(frames))[request.part.rows(str(path), len(frames))].tolist()
    known = None if files.labels is None else np.array([labels[i] for i in chosen], dtype=np.int64)
    return [frames[i] for i in chosen], [names[i] for i in chosen], known


def work(size: int) -> int:
    """Return bytes per pixel for numbers of `size` bytes: read, stacked, and as float32.

    Numbers of more than a byte are divided as float64.
    """
    return 2 * size + (4 if size == 1 else 12)


def check_sizes(held: Sequence[Frame], file: str, first: tuple[int, ...], name: str) -> None:
    """Raise DataError if a picture of `file` has not the shape `first`, that of the file `name`."""
    for frame in held:
        shape = frame.values.shape
        if shape != first:
            raise DataError(
                f"{file}: {shape[0]}x{shape[1]} pixels, but {Path(name).name} has "
                f"{first[0]}x{first[1]}; give images of one size, or cut patches from photographs "
                "(train --patches 16)"
            )


def together(path: Path, frames: Sequence[Frame], names: Sequence[str], white: float) -> Scaled:
    """Return the pixels of all pictures; each number type has its own scale."""
    groups: dict[tuple[str, float | None], _Group] = {}
    for place, (frame, name) in enumerate(zip(frames, names, strict=True)):
        group = groups.setdefault((frame.values.dtype.str, frame.white), _Group())
        group.values.append(frame.values.reshape(-1))
        group.names.append(name)
        group.places.append(place)
    parts = {
        key: scaled(Values(np.stack(group.values), key[1], tuple(group.names)), white)
        for key, group in groups.items()
    }
    kinds = {part.kind for part in parts.values()}
    if len(kinds) > 1:
        raise DataError(f"{path}: pictures in [0, 1] and standardised ones together; give one kind")
    levels = " and ".join(sorted({f"levels {part.levels}" for part in parts.values()}))
    if len(parts) == 1:
        (part,) = parts.values()
        return Scaled(part.pixels, part.kind, levels)
    pixels = np.empty((len(frames), frames[0].values.size), dtype=np.float32)
    for key, part in parts.items():
        pixels[groups[key].places] = part.pixels
    return Scaled(pixels, kinds.pop(), levels)


def _patches(path: Path, files: Listing, request: OwnRequest) -> ImageSet:
    """Return patches; of a single stack or video, its pictures are the photographs."""
    if len(files.files) == 1:
        file = files.files[0]
        frames = frames_of(file, request.colour, VIDEO_FRAMES)
        one = len(frames) == 1
        sources = [
            Source(str(file) if one else f"{file}, picture {i + 1}", partial(_given, frame))
            for i, frame in enumerate(frames)
        ]
    else:
        labels = files.labels or [None] * len(files.files)
        sources = [
            Source(str(file), partial(frames_of, file, request.colour, VIDEO_FRAMES), label)
            for file, label in zip(files.files, labels, strict=True)
        ]
    return patches_of(sources, path.name or str(path), request)


def patches_of(sources: Sequence[Source], name: str, request: OwnRequest) -> ImageSet:
    """Return the patches of photographs that `request` asks for, as the set `name`."""
    # Imported here: whitening needs SciPy, for which other images should not wait.
    from ipvae_snn.data.photographs import cut_patches

    cut = cut_patches(sources, request, name)
    return cut.first(request.limit)


def _given(frame: Frame) -> tuple[Frame, ...]:
    return (frame,)
