"""Data sets of whitened patches: scikit-learn's two photographs, van Hateren's natural images."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from sklearn.datasets import load_sample_images

from ipvae_snn.arrays import Array
from ipvae_snn.data.arrays import read_npz
from ipvae_snn.data.base import ImageSet, Split
from ipvae_snn.data.locate import require
from ipvae_snn.data.request import MAX_BYTES, Request
from ipvae_snn.data.whitening import Image, draw_patches, measure, whiten
from ipvae_snn.errors import DataError

# ITU-R 601 luminance of red, green and blue.
_LUMINANCE: Final = (0.299, 0.587, 0.114)
_STREAM: Final[Mapping[Split, int]] = {"train": 0, "test": 1}  # no split shares a random stream
_NATURAL_COUNT: Final[Mapping[Split, int]] = {"train": 20_000, "test": 4_000}
_VANHATEREN_COUNT: Final[Mapping[Split, int]] = {"train": 50_000, "test": 10_000}
_VANHATEREN_FILE: Final = "vanhateren_iml20_uint16.npz"
_VANHATEREN_FOLDERS: Final = ("vanhateren",)


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
    return _patch_set(request, left, right, _NATURAL_COUNT)


def load_vanhateren(request: Request) -> ImageSet:
    """Return patches of van Hateren's images (linear intensity, uint16).

    The last fifth of the images (4 of 20) is the test split, whole images, so that no test patch
    comes from a training image. The outermost 2 rows and 4 columns are not valid pixels and are
    dropped before whitening.
    """
    path = require(request, _VANHATEREN_FOLDERS, (_VANHATEREN_FILE,))
    images = read_npz(path, "images")
    if images.ndim != 3 or images.dtype != np.uint16 or len(images) < 2:
        raise DataError(
            f"{path}: images are {images.dtype} of shape {images.shape}, but uint16 (N, H, W) with "
            "N of 2 or more is expected; is it another file?"
        )
    inner = list(images[:, 2:-2, 4:-4])
    held_out = max(1, len(inner) // 5)
    return _patch_set(request, inner[:-held_out], inner[-held_out:], _VANHATEREN_COUNT)


def _patch_set(
    request: Request,
    train: Sequence[Array],
    test: Sequence[Array],
    default_count: Mapping[Split, int],
) -> ImageSet:
    """Return patches, whitened, drawn and standardised by the training images' constants."""
    size = request.patch_size
    count = default_count[request.split] if request.n_patches is None else request.n_patches
    _check(request, size, count)
    whitened_train = _whiten_all(request, train)
    whitened = whitened_train if request.split == "train" else _whiten_all(request, test)
    smallest = min(min(image.shape) for image in (*whitened_train, *whitened))
    if size > smallest:
        raise DataError(
            f"{request.name}: patches of {size}x{size} pixels do not fit; at most {smallest}"
        )
    rng = np.random.default_rng([request.seed, _STREAM[request.split]])
    standard = measure(whitened_train, size)
    pixels = standard.apply(draw_patches(whitened, size, count, rng, standard.least_contrast))
    return ImageSet(
        name=request.name,
        split=request.split,
        pixels=pixels,
        image_shape=(size, size),
        kind="standardised",
        citation=request.citation,
    )


def _check(request: Request, size: int, count: int) -> None:
    if size < 2:
        raise DataError(f"{request.name}: patch_size is {size}; give 2 or more pixels")
    if count < 1:
        raise DataError(f"{request.name}: n_patches is {count}; give 1 or more")
    most = MAX_BYTES // (4 * size * size)
    if count > most:
        raise DataError(f"{request.name}: n_patches is {count}; at most {most} of {size}x{size}")


def _whiten_all(request: Request, images: Sequence[Array]) -> list[Image]:
    return [whiten(image, f"{request.name}: image {i}") for i, image in enumerate(images)]
