"""The user's own images from a .npy file, a .npz file, or a folder of pictures."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from ipvae_snn.arrays import Array, Float32, Int64
from ipvae_snn.data.arrays import npz_keys, read_npy, read_npz
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.part import WHOLE, Part, require_pixels
from ipvae_snn.data.pictures import SUFFIXES, read_grey
from ipvae_snn.errors import DataError
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.storage.names import printable

IMAGE_KEYS: Final = ("images", "x", "pixels", "arr_0")
LABEL_KEYS: Final = ("labels", "y")
# Limits for standardised pixels: |mean| and the range of the standard deviation.
MAX_MEAN: Final = 1.0
DEVIATIONS: Final = (0.2, 5.0)
_FORMS: Final = (
    "give uint8, floats in [0, 1], or standardised floats "
    f"(|mean| <= {MAX_MEAN:g}, standard deviation {DEVIATIONS[0]:g} to {DEVIATIONS[1]:g})"
)


@dataclass(frozen=True)
class _Raw:
    """Images (N, H, W) or (N, M) as read, with labels or None."""

    images: Array
    labels: Array | None = None


def load_own(path: Path, split: Split, holdout: bool, limit: int | None = None) -> ImageSet:
    """Return the images at `path`; with holdout, the part of them that belongs to `split`.

    Of the part, only the first `limit` images are read and converted.

    Arrays are (N, H, W), (N, H, W, 1), (N, 1, H, W), or (N, M) with M a square number. uint8 is
    divided by 255 and, like floats in [0, 1], of kind "unit"; other floats must be standardised.
    Pictures of a folder are taken in the order of their names, as grey luminance. Every tenth
    image (of fewer than ten, the last) is held out.
    """
    part, name = Part(split, holdout, limit), path.name or str(path)
    if path.is_dir():
        images = _read_folder(path, part)  # of the part only
        result = from_arrays(images, None, name, Part(split), path)
    else:
        raw = _read_file(path, part)
        result = from_arrays(raw.images, raw.labels, name, part, path)
    return replace(result, path=path.absolute())


def from_arrays(
    images: Array,
    labels: Array | None,
    name: str,
    part: Part = WHOLE,
    path: Path | None = None,
) -> ImageSet:
    """Return images (N, H, W) and labels (N,) or None as the set `name`, as `load_own` does.

    `path` is their source, for messages. Raises DataError for arrays that do not fit.
    """
    path = Path(name) if path is None else path
    images = _as_stack(path, images)
    rows = part.rows(str(path), len(images))
    labels = None if labels is None else _as_labels(path, labels, len(images))[rows]
    images = images[rows]
    pixels, kind = _as_pixels(path, images)
    return ImageSet(
        name=printable(name),
        split=part.split,
        pixels=pixels,
        image_shape=(images.shape[1], images.shape[2]),
        kind=kind,
        labels=labels,
    )


def _read_file(path: Path, part: Part) -> _Raw:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: not a .npy or .npz file nor a folder; give one of these")
    return reader(path, part)


def _read_npy(path: Path, part: Part) -> _Raw:
    # Mapped: only the rows of the part are read.
    return _Raw(read_npy(path))


def _read_npz(path: Path, part: Part) -> _Raw:
    keys = npz_keys(path)
    others = [key for key in keys if key not in LABEL_KEYS]
    named = [key for key in IMAGE_KEYS if key in keys] or (others if len(others) == 1 else [])
    if not named:
        raise DataError(
            f"{path}: which array holds the images? It has {', '.join(keys) or 'none'}; name one "
            f"of them {', '.join(IMAGE_KEYS[:-1])} or {IMAGE_KEYS[-1]}"
        )
    labelled = [key for key in LABEL_KEYS if key in keys]
    labels = read_npz(path, labelled[0], part.most) if labelled else None
    return _Raw(read_npz(path, named[0], part.most), labels)


_READERS: Final[Mapping[str, Callable[[Path, Part], _Raw]]] = {".npy": _read_npy, ".npz": _read_npz}


def _read_folder(folder: Path, part: Part) -> Float32:
    files = sorted(
        (
            p
            for p in folder.iterdir()
            if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
        ),
        key=lambda p: p.name,
    )
    if not files:
        raise DataError(f"{folder}: holds no image file ({', '.join(sorted(SUFFIXES))})")
    rows = part.rows(str(folder), len(files))
    files = [files[row] for row in np.arange(len(files))[rows]]
    first = read_grey(files[0], str(files[0]))
    require_pixels(str(folder), len(files), first.shape, each=4)
    stack = np.empty((len(files), *first.shape), dtype=np.float32)
    for image, file in zip(stack, files, strict=True):
        grey = read_grey(file, str(file))
        if grey.shape != first.shape:
            raise DataError(
                f"{file}: {grey.shape[0]}x{grey.shape[1]} pixels, but {files[0].name} has "
                f"{first.shape[0]}x{first.shape[1]}; give images of one size"
            )
        if grey.max() > 1 or grey.min() < 0:
            raise DataError(f"{file}: has more than 16 bits per pixel; save it as 8-bit grey")
        image[:] = grey
    return stack


def _as_stack(path: Path, array: Array) -> Array:
    """Return the array as (N, H, W)."""
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    elif array.ndim == 4 and array.shape[1] == 1:  # torch's order of axes
        array = array[:, 0]
    if array.ndim == 2:
        side = math.isqrt(array.shape[1])
        if side * side == array.shape[1]:
            array = array.reshape(len(array), side, side)
    if array.ndim != 3:
        raise DataError(
            f"{path}: an array of shape {array.shape}; give (N, height, width), "
            "(N, height, width, 1), (N, 1, height, width), or (N, M) with M a square number"
        )
    if array.size == 0:
        raise DataError(f"{path}: an array of shape {array.shape} holds no image")
    return array


def _as_pixels(path: Path, images: Array) -> tuple[Float32, InputKind]:
    """Return pixels (N, M) float32 and their kind."""
    require_pixels(str(path), len(images), images.shape[1:], each=4)
    flat = images.reshape(len(images), -1)
    if images.dtype == np.uint8:
        return np.divide(flat, np.float32(255), dtype=np.float32), "unit"
    if images.dtype.kind != "f":
        raise DataError(f"{path}: pixels of type {images.dtype}; {_FORMS}")
    finite = np.isfinite(flat).all(axis=1)
    if not finite.all():
        raise DataError(
            f"{path}: image {int(np.argmin(finite))} holds NaN or infinite pixels; "
            "clean the data first"
        )
    low, high = float(flat.min()), float(flat.max())
    if low >= 0 and high <= 1:
        return _copied(flat), "unit"
    # Scaled first, so that the sums of very large values stay finite.
    require_pixels(str(path), len(images), images.shape[1:], each=16)
    largest = max(abs(low), abs(high))
    scaled = flat.astype(np.float64) / largest
    mean, deviation = float(scaled.mean()) * largest, float(scaled.std()) * largest
    if abs(mean) > MAX_MEAN or not DEVIATIONS[0] <= deviation <= DEVIATIONS[1]:
        raise DataError(
            f"{path}: pixels from {low:.3g} to {high:.3g}, mean {mean:.3g}, standard deviation "
            f"{deviation:.3g}; {_FORMS}"
        )
    return _copied(flat), "standardised"


def _copied(flat: Array) -> Float32:
    """Return pixels in memory: a mapped file could change, or end, under a run."""
    return np.array(flat, dtype=np.float32, order="C")


def _as_labels(path: Path, labels: Array, count: int) -> Int64:
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) != count:
        raise DataError(
            f"{path}: labels are {labels.dtype} of shape {labels.shape}, but {count} images need "
            f"whole numbers of shape ({count},)"
        )
    return labels.astype(np.int64)
