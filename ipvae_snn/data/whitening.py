"""Whitening of images and drawing of patches, as in sparse coding."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import fft, ndimage

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.errors import DataError

CUTOFF: Final = 0.4  # f0, cycles per pixel (Olshausen & Field 1996: 200 cycles per 512 pixels)
WINDOW: Final = 8.0  # standard deviation of the Gaussian window of the local contrast, pixels
CONTRAST_FLOOR: Final = 0.3  # of the median local standard deviation
# A clear sky, 12 % of a photograph, has .04 of the overall contrast: only noise, for which R2 says
# nothing.
LEAST_CONTRAST: Final = 0.3
MAX_REDRAWS: Final = 60  # with nine tenths of the image flat, one patch in 500 is then left
BORDER: Final = 20  # pixels at each side within reach of the filters' wrap-around and window

Image = Float32


# Draws patches (N, M) of images: the images, pixels at a side, N, and the generator of places.
Draw = Callable[[Sequence[Image], int, int, np.random.Generator], Float32]


def whiten(intensity: Array, subject: str, *, divided: bool = True) -> Image:
    """Return the whitened image, smaller by 2 * BORDER in height and width.

    intensity (H, W) is linear or display light, >= 0. In this order: log(1 + x); subtract the mean;
    multiply the two-dimensional Fourier transform by f exp(-(f / f0)^4), which flattens the 1/f
    amplitude spectrum of natural scenes and cuts the corner frequencies (Olshausen & Field 1996);
    scale to unit standard deviation; if `divided`, divide by the local standard deviation (Gaussian
    window, floored); drop the border.
    """
    height, width = intensity.shape
    if min(height, width) <= 2 * BORDER:
        raise DataError(
            f"{subject}: an image of {height}x{width} pixels is too small to whiten; it needs more "
            f"than {2 * BORDER} each way"
        )
    light = np.log1p(intensity.astype(np.float32))
    light -= light.mean(dtype=np.float64)
    frequency = np.hypot(fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None, :])
    gain = (frequency * np.exp(-((frequency / CUTOFF) ** 4))).astype(np.float32)
    flat = fft.irfft2(fft.rfft2(light) * gain, s=(height, width))
    deviation = float(flat.std(dtype=np.float64))
    # Rounding leaves about 1e-8 of a flat image; real pictures are far above this.
    if not deviation > 1e-6:
        raise DataError(
            f"{subject}: the image has no contrast, so it cannot be whitened; leave it out"
        )
    flat /= np.float32(deviation)
    if divided:
        mean = ndimage.gaussian_filter(flat, WINDOW)
        variance = ndimage.gaussian_filter(flat * flat, WINDOW) - mean * mean
        local = np.sqrt(np.maximum(variance, 0))
        flat /= np.maximum(local, np.float32(CONTRAST_FLOOR) * np.median(local))
    return np.ascontiguousarray(flat[BORDER:-BORDER, BORDER:-BORDER], dtype=np.float32)


def drop_flattest(patches: Float32) -> Float32:
    """Return patches (N, M) without the tenth (rounded down) of lowest contrast, order kept.

    The contrast of a patch is the standard deviation of its pixels.
    """
    dropped = len(patches) // 10
    order = np.argsort(patches.std(axis=1), kind="stable")
    return patches[np.sort(order[dropped:])]


def draw_patches(
    images: Sequence[Image],
    patch_size: int,
    count: int,
    rng: np.random.Generator,
    least_contrast: float = 0.0,
    *,
    draw: Draw | None = None,
    keep_flattest: bool = False,
) -> Float32:
    """Return `count` patches (count, patch_size**2) at random places, the flattest tenth dropped.

    Images, and places within an image, are equally likely. Patches with a standard deviation below
    `least_contrast` are not drawn. draw: draws the patches, `draw_anywhere` for None.
    keep_flattest: the flattest tenth stays. Raises DataError if hardly any patch has the contrast.
    """
    draw = draw or draw_anywhere
    # For 9 q + r patches, 10 q + r are drawn; a tenth of these, rounded down, is q.
    drawn = count if keep_flattest else count + count // 9
    patches = draw(images, patch_size, drawn, rng)
    for _ in range(MAX_REDRAWS):
        flat = np.flatnonzero(patches.std(axis=1) < least_contrast)
        if not flat.size:
            return patches if keep_flattest else drop_flattest(patches)
        patches[flat] = draw(images, patch_size, flat.size, rng)
    raise DataError(
        f"patches of {patch_size}x{patch_size}: {flat.size} of {drawn} still have a contrast below "
        f"{least_contrast:.3g} after {MAX_REDRAWS} draws; the images are too flat"
    )


def draw_anywhere(
    images: Sequence[Image], patch_size: int, drawn: int, rng: np.random.Generator
) -> Float32:
    """Return `drawn` patches (drawn, M); images and places are equally likely.

    M is patch_size**2 for images (H, W), and as much per channel for images (H, W, channels).
    """
    which = rng.integers(len(images), size=drawn)
    places = rng.random((drawn, 2))
    size = patch_size * patch_size * math.prod(images[0].shape[2:])
    patches = np.empty((drawn, size), dtype=np.float32)
    for index, image in enumerate(images):
        chosen = np.flatnonzero(which == index)
        sides = (patch_size, patch_size)
        windows = np.lib.stride_tricks.sliding_window_view(image, sides, axis=(0, 1))
        if image.ndim > 2:
            windows = np.moveaxis(windows, 2, -1)
        rows = (places[chosen, 0] * windows.shape[0]).astype(np.int64)
        columns = (places[chosen, 1] * windows.shape[1]).astype(np.int64)
        patches[chosen] = windows[rows, columns].reshape(-1, size)
    return patches


@dataclass(frozen=True)
class Standard:
    """Constants of a training set: mean and deviation by which patches are standardised.

    least_contrast: patches of a smaller standard deviation (before standardising) are left out.
    """

    mean: float
    deviation: float
    least_contrast: float

    def apply(self, patches: Float32) -> Float32:
        """Return (patches - mean) / deviation."""
        return (patches - np.float32(self.mean)) / np.float32(self.deviation)


def measure(images: Sequence[Image], patch_size: int) -> Standard:
    """Return the constants of the training images, measured on their tiles without the flat ones.

    The tiles cover each image once without overlap. The constants therefore depend neither on a
    seed nor on the number of patches, and all splits and seeds are scaled alike. Tiles with less
    than LEAST_CONTRAST of the overall contrast are left out, then the flattest tenth.
    """
    tiles = all_tiles(images, patch_size)
    least = LEAST_CONTRAST * float(tiles.std(dtype=np.float64))
    tiles = drop_flattest(tiles[tiles.std(axis=1) >= least])
    return Standard(float(tiles.mean(dtype=np.float64)), float(tiles.std(dtype=np.float64)), least)


def all_tiles(images: Sequence[Image], size: int) -> Float32:
    """Return tiles (N, size**2) that cover each image once without overlap, from its top left."""
    return np.concatenate([_tiles(image, size) for image in images])


def _tiles(image: Image, size: int) -> Float32:
    rows, columns = image.shape[0] // size, image.shape[1] // size
    whole = image[: rows * size, : columns * size].reshape(rows, size, columns, size)
    return whole.transpose(0, 2, 1, 3).reshape(rows * columns, size * size)
