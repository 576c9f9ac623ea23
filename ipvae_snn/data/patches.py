"""Data sets of patches: scikit-learn's two photographs, van Hateren's natural images.

They are whitened as the request says, by `whitening_methods`; without whitening, pixels lie in
[0, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from sklearn.datasets import load_sample_images

from ipvae_snn.arrays import Array
from ipvae_snn.config.preparation import Constants, Preparation, Whitening
from ipvae_snn.data.arrays import read_npz
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.locate import require
from ipvae_snn.data.request import MAX_BYTES, Request
from ipvae_snn.data.whitening import Image, Standard
from ipvae_snn.data.whitening_methods import METHODS
from ipvae_snn.errors import DataError

# ITU-R 601 luminance of red, green and blue.
_LUMINANCE: Final = (0.299, 0.587, 0.114)
_STREAM: Final[Mapping[Split, int]] = {"train": 0, "test": 1}  # no split shares a random stream
_NATURAL_COUNT: Final[Mapping[Split, int]] = {"train": 20_000, "test": 4_000}
_VANHATEREN_COUNT: Final[Mapping[Split, int]] = {"train": 50_000, "test": 10_000}
_VANHATEREN_FILE: Final = "vanhateren_iml20_uint16.npz"
_VANHATEREN_FOLDERS: Final = ("vanhateren",)
_FULL_SCALE: Final = 255.0  # of a photograph's luminance
# Last part of the sets' citations; the catalogue has the first of these.
_AFTER: Final[Mapping[Whitening, str]] = {
    "olshausen": "; whitening after Olshausen & Field (1996)",
    "undivided": "; whitening after Olshausen & Field (1996), not divided by local contrast",
    "vafaii": "; whitening after Vafaii, Galor & Yates (2025)",
    "none": "",
}


def load_natural(request: Request) -> ImageSet:
    """Return patches of scikit-learn's photographs of a temple and of a flower.

    The right-hand quarter of both photographs is the test region. The photographs are divided
    before whitening; each part is whitened by itself and loses its own border. No test pixel
    reaches a training patch, not even through the filters.
    """
    photographs = load_sample_images().images
    left: list[Array] = []
    right: list[Array] = []
    for photograph in photographs:
        luminance = np.asarray(photograph, dtype=np.float64) @ np.array(_LUMINANCE)
        edge = luminance.shape[1] * 3 // 4
        left.append(luminance[:, :edge])
        right.append(luminance[:, edge:])
    if request.whiten == "none":
        left, right = ([part / _FULL_SCALE for part in parts] for parts in (left, right))
    return _patch_set(request, left, right, _NATURAL_COUNT)


def load_vanhateren(request: Request) -> ImageSet:
    """Return patches of van Hateren's images (linear intensity, uint16).

    The last fifth of the images (4 of 20) is the test split, whole images, so that no test patch
    comes from a training image. The outermost 2 rows and 4 columns are not valid pixels and are
    dropped before whitening. Without whitening, the brightest pixel of each image is 1.
    """
    inner = _vanhateren_images(request)
    held_out = max(1, len(inner) // 5)
    return _patch_set(request, inner[:-held_out], inner[-held_out:], _VANHATEREN_COUNT)


def vanhateren_photographs(request: Request) -> tuple[ImageSet, ...]:
    """Return a set of patches of each of van Hateren's images, those of training first.

    They are whitened and standardised as those of `load_vanhateren`. n_patches: of each image.
    """
    alone = replace(request, split="test")
    count = _count(alone, _VANHATEREN_COUNT)
    ready = _ready(alone, _vanhateren_images(alone))
    _require_fit(alone, ready)
    held_out = max(1, len(ready) // 5)
    standard = METHODS[alone.whiten].standard(ready[:-held_out], alone.patch_size)
    return tuple(_drawn(alone, standard, [image], count) for image in ready)


def _vanhateren_images(request: Request) -> list[Array]:
    """Return the valid pixels of every image."""
    path = require(request, _VANHATEREN_FOLDERS, (_VANHATEREN_FILE,))
    images = read_npz(path, "images")
    if images.ndim != 3 or images.dtype != np.uint16 or len(images) < 2:
        raise DataError(
            f"{path}: images are {images.dtype} of shape {images.shape}, but uint16 (N, H, W) with "
            "N of 2 or more is expected; is it another file?"
        )
    inner: list[Array] = list(images[:, 2:-2, 4:-4])
    if request.whiten == "none":
        inner = [image / max(1, int(image.max())) for image in inner]
    return inner


def _patch_set(
    request: Request,
    train: Sequence[Array],
    test: Sequence[Array],
    default_count: Mapping[Split, int],
) -> ImageSet:
    """Return patches, whitened, drawn and standardised by the training images' constants."""
    count = _count(request, default_count)
    ready_train = _ready(request, train)
    ready = ready_train if request.split == "train" else _ready(request, test)
    _require_fit(request, (*ready_train, *ready))
    standard = METHODS[request.whiten].standard(ready_train, request.patch_size)
    return _drawn(request, standard, ready, count)


def _drawn(request: Request, standard: Standard, ready: Sequence[Image], count: int) -> ImageSet:
    """Return `count` patches of whitened images, standardised by constants.

    Of other ways than the first, "olshausen", the set records how its patches were made.
    """
    size, method = request.patch_size, METHODS[request.whiten]
    rng = np.random.default_rng([request.seed, _STREAM[request.split]])
    drawn = method.drawn_with_contrast(ready, size, count, rng, standard.least_contrast)
    result = ImageSet(
        name=request.name,
        split=request.split,
        pixels=standard.apply(drawn),
        image_shape=(size, size),
        kind=method.kind,
        citation=request.citation.removesuffix(_AFTER["olshausen"]) + _AFTER[request.whiten],
    )
    if request.whiten == "olshausen":
        return result
    constants = Constants(standard.mean, standard.deviation, standard.least_contrast)
    how = "not whitened" if request.whiten == "none" else f"whitened ({request.whiten})"
    return replace(
        result,
        preparation=Preparation(size, request.whiten, constants=constants),
        remarks=(f"{request.split}: patches of {size}x{size} of {request.name}, {how}",),
    )


def _count(request: Request, default: Mapping[Split, int]) -> int:
    """Return the number of patches; DataError where it, or their size, cannot be."""
    size = request.patch_size
    count = default[request.split] if request.n_patches is None else request.n_patches
    if size < 2:
        raise DataError(f"{request.name}: patch_size is {size}; give 2 or more pixels")
    if count < 1:
        raise DataError(f"{request.name}: n_patches is {count}; give 1 or more")
    most = MAX_BYTES // (4 * size * size)
    if count > most:
        raise DataError(f"{request.name}: n_patches is {count}; at most {most} of {size}x{size}")
    return count


def _require_fit(request: Request, ready: Sequence[Image]) -> None:
    """Raise DataError for patches that are larger than the smallest image."""
    size, margin = request.patch_size, METHODS[request.whiten].margin
    smallest = min(min(image.shape) for image in ready) - 2 * margin
    if size > smallest:
        raise DataError(
            f"{request.name}: patches of {size}x{size} pixels do not fit; at most {smallest}"
        )


def _ready(request: Request, images: Sequence[Array]) -> list[Image]:
    image = METHODS[request.whiten].image
    return [image(light, f"{request.name}: image {i}") for i, light in enumerate(images)]
