"""Images that are read chunk by chunk, so that memory does not depend on their number.

What streams: .npy files (mapped), arrays in memory, and folders of pictures of formats that hold
one picture each. All else is loaded as a whole, as `given.image_set` does, and then handed out in
chunks.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ipvae_snn.arrays import Array, Float32, Int64
from ipvae_snn.data.array_images import as_stack, check_labels
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.folder import listing
from ipvae_snn.data.given import GIVEN, ImageSource, Selection, image_set
from ipvae_snn.data.level_survey import Scale, Survey
from ipvae_snn.data.levels import Values, full_scale, unit_pixels
from ipvae_snn.data.own import Raw, read_raw
from ipvae_snn.data.own_pictures import check_sizes, frames_of, together
from ipvae_snn.data.own_request import OwnRequest
from ipvae_snn.data.part import Part
from ipvae_snn.data.pictures import Frame, warn_of_reduced
from ipvae_snn.data.registry import existing_path, is_named
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, image_shape, shape_text
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.storage.names import printable

SURVEY_BYTES: Final = 1 << 24  # read at a time while the scale of an array is found
# Formats whose files hold one picture, or nearly always do (an animated PNG is refused).
ONE_PICTURE: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".pgm", ".ppm", ".pbm", ".pnm"}
)
PROBED: Final = 256  # first pictures of a folder, by which size, kind and scale are judged


@dataclass(frozen=True)
class ImageStream:
    """N images of one shape and kind, of which any part can be read.

    pixels(first, last) returns rows (last - first, M) float32 as `ImageSet.pixels`. digest: SHA-256
    that tells these images from others. whole: whether all of them lie in memory as floats.
    """

    name: str
    split: Split
    n: int
    image_shape: ImageShape
    kind: InputKind
    digest: str
    pixels: Callable[[int, int], Float32]
    labels: Int64 | None = None
    citation: str = ""
    remarks: tuple[str, ...] = ()
    whole: bool = False

    def __len__(self) -> int:
        """Return the number of images N."""
        return self.n

    def part(self, first: int, last: int) -> ImageSet:
        """Return images first .. last - 1; DataError where one of them cannot be used."""
        labels = None if self.labels is None else self.labels[first:last]
        pixels = self.pixels(first, last)
        return ImageSet(self.name, self.split, pixels, self.image_shape, self.kind, labels)


def image_stream(source: ImageSource, selection: Selection) -> ImageStream:
    """Return the images of `source` as `given.image_set` does, to be read part by part.

    Raises DataError as `image_set` does; what only single images show, when these are read.
    """
    request = selection.own
    if request.preparation.patches or selection.holdout:
        return of_set(image_set(source, selection))
    if isinstance(source, np.ndarray):
        return _of_array(lambda: source, Raw(source), GIVEN, GIVEN, request)
    if not isinstance(source, str | os.PathLike) or is_named(os.fspath(source)):
        return of_set(image_set(source, selection))
    path = existing_path(os.fspath(source))
    if path.is_dir():
        return _of_folder(path, request) or of_set(image_set(source, selection))
    if path.suffix.lower() not in (".npy", ".npz"):
        return of_set(image_set(source, selection))
    raw = read_raw(path, request)
    if path.suffix.lower() == ".npz":
        return _of_array(lambda: raw.images, raw, path.name, str(path), request)
    # Mapped anew for each part: what was read of a map counts as memory of this process.
    return _of_array(lambda: read_raw(path, request).images, raw, path.name, str(path), request)


def of_set(images: ImageSet) -> ImageStream:
    """Return images in memory as a stream."""
    digest = hashlib.sha256(str(images.pixels.shape).encode())
    digest.update(np.ascontiguousarray(images.pixels).data)
    return ImageStream(
        images.name,
        images.split,
        len(images),
        images.image_shape,
        images.kind,
        digest.hexdigest(),
        lambda first, last: images.pixels[first:last],
        images.labels,
        images.citation,
        images.remarks,
        whole=True,
    )


def _of_array(
    images: Callable[[], Array], raw: Raw, name: str, subject: str, request: OwnRequest
) -> ImageStream:
    """Return the rows of an array (N, ...); images() opens it anew."""
    count = len(raw.images) if raw.images.ndim else 0
    shape = image_shape(as_stack(subject, raw.images[:1], request.colour).shape[1:])
    request.fits(name, shape)
    labels = None if raw.labels is None else check_labels(subject, raw.labels, count)
    n = _first(request.part, subject, count)

    def stored(first: int, last: int) -> Array:
        stack = as_stack(subject, images()[first:last], request.colour)
        return stack.reshape(last - first, -1)

    scale, digest = _surveyed(stored, n, subject, request)
    return ImageStream(
        printable(name),
        request.split,
        n,
        shape,
        scale.kind,
        digest,
        lambda first, last: scale.pixels(stored(first, last)),
        None if labels is None else labels[:n],
        remarks=(f"{request.subject}: {n} of {shape_text(shape)}, levels {scale.levels}",),
    )


def _surveyed(
    stored: Callable[[int, int], Array], n: int, subject: str, request: OwnRequest
) -> tuple[Scale, str]:
    """Return the scale of n stored images, and their digest; all of them are read once."""
    survey = Survey(request.preparation.white)
    row = stored(0, 1)
    digest = hashlib.sha256(f"{(n, row.shape[1])} {row.dtype.str}".encode())
    size = max(1, SURVEY_BYTES // row.nbytes)
    for first in range(0, n, size):
        last = min(first + size, n)
        rows = np.ascontiguousarray(stored(first, last))
        names = tuple(f"{subject}: image {index}" for index in range(first, last))
        survey.add(Values(rows, None, names))
        digest.update(rows.data)
        request.report("looking through the images", last, n)
    return survey.scale(subject), digest.hexdigest()


def _of_folder(path: Path, request: OwnRequest) -> ImageStream | None:
    """Return the pictures of a folder, None where some format may hold several or floats."""
    found = listing(path)
    files = found.files[: _first(request.part, str(path), len(found.files))]
    if any(file.suffix.lower() not in ONE_PICTURE for file in files):
        return None
    probed = _probed(path, files, request)
    if probed is None:
        return None
    first, levels = probed
    shape, white = image_shape(first.values.shape), request.preparation.white
    labels = None if found.labels is None else np.array(found.labels[: len(files)], np.int64)
    remark = f"{request.subject}: {len(files)} of {shape_text(shape)} from as many files, {levels}"

    def pixels(start: int, stop: int) -> Float32:
        rows = [
            _picture(file, files[0], first.values.shape, white, request.colour)
            for file in files[start:stop]
        ]
        return np.stack(rows)

    return ImageStream(
        printable(path.name or str(path)),
        request.split,
        len(files),
        shape,
        "unit",
        _digest_of(path, files),
        pixels,
        labels,
        remarks=(remark, *found.remarks),
    )


def _probed(path: Path, files: Sequence[Path], request: OwnRequest) -> tuple[Frame, str] | None:
    """Return the first picture, and the first ones' levels in words; None where they do not stream.

    Raises DataError for pictures that differ in size, do not fit, or whose scale is a guess.
    """
    frames: list[Frame] = []
    for index, file in enumerate(files[:PROBED]):
        request.report(f"looking at pictures, {file.name}", index, min(len(files), PROBED))
        held = frames_of(file, request.colour)
        if len(held) > 1:
            return None
        frames += held
        check_sizes(held, str(file), frames[0].values.shape, str(files[0]))
        request.fits(path.name or str(path), image_shape(frames[0].values.shape))
    names = [str(file) for file in files[:PROBED]]
    warn_of_reduced([name for frame, name in zip(frames, names, strict=True) if frame.reduced])
    scaled = together(path, frames, names, request.preparation.white)
    return None if scaled.kind != "unit" else (frames[0], scaled.levels)


def _picture(
    file: Path, first: Path, shape: tuple[int, ...], white: float, colour: bool
) -> Float32:
    """Return the pixels (M,) of a file; DataError for another size, number or scale."""
    held = frames_of(file, colour)
    if len(held) != 1:
        raise DataError(
            f"{file}: holds {len(held)} pictures, but a folder that is read file by file has one "
            "in each; remove it, or write to one file (--out NAME.npz)"
        )
    check_sizes(held, str(file), shape, str(first))
    values, known = held[0].values, white or held[0].white or full_scale(held[0].values.dtype)
    if known is None or float(values.max()) > known:
        raise DataError(
            f"{file}: pixels up to {float(values.max()):g}, where {known or 'no value'} is white; "
            "correct it, or give another --white (data.white)"
        )
    return unit_pixels(values.reshape(-1), known)


def _digest_of(path: Path, files: Sequence[Path]) -> str:
    """Return a digest of names, sizes, and the first and last file's content."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\n".encode())
    for file in (files[0], files[-1]):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _first(part: Part, subject: str, count: int) -> int:
    """Return how many of `count` images the part has; DataError for a limit below 1."""
    rows: Any = part.rows(subject, count)
    return len(range(count)[rows])
