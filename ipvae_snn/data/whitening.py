"""Whiten images and cut patches from them, as in sparse coding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import fft, ndimage

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.errors import DataError

CUTOFF: Final = 0.4  # f0, cycles per pixel (Olshausen & Field 1996: 200 cycles per 512 pixels)
WINDOW: Final = 8.0  # standard deviation of the Gaussian window of the local contrast, pixels
CONTRAST_FLOOR: Final = 0.3  # of the median local standard deviation
# An even sky, 12 % of a photograph, has .04 of the contrast of all: nothing but noise, of which
# no R2 can be asked.
LEAST_CONTRAST: Final = 0.3
MAX_REDRAWS: Final = 60  # even where nine tenths are flat, one patch in 500 is left by then
BORDER: Final = 20  # pixels at each side that the filters' wrap-around and window reach

Image = Float32


def whiten(intensity: Array, subject: str) -> Image:
    """Return the whitened image, smaller by 2 * BORDER in height and width.

    intensity (H, W) is linear or display light, >= 0. In this order: log(1 + x); subtract the mean;
    multiply the two-dimensional Fourier transform by f exp(-(f / f0)^4), which flattens the 1/f
    amplitude spectrum of natural scenes and cuts the corner frequencies (Olshausen & Field 1996);
    scale to unit standard deviation; divide by the local standard deviation (Gaussian window,
    floored); drop the border.
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
    # Rounding leaves about 1e-8 of a flat image; any real picture is far above this.
    if not deviation > 1e-6:
        raise DataError(
            f"{subject}: the image has no contrast, so it cannot be whitened; leave it out"
        )
    flat /= np.float32(deviation)
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
) -> Float32:
    """Return `count` patches (count, patch_size**2) at random places, the flattest tenth dropped.

    Each image is equally likely, and each place in it, but for patches of a standard deviation
    below `least_contrast`, which are not drawn (raises DataError where hardly any is above it).
    """
    # From 9 q + r wanted, 10 q + r are drawn, of which a tenth rounded down is q.
    drawn = count + count // 9
    patches = _draw(images, patch_size, drawn, rng)
    for _ in range(MAX_REDRAWS):
        flat = np.flatnonzero(patches.std(axis=1) < least_contrast)
        if not flat.size:
            return drop_flattest(patches)
        patches[flat] = _draw(images, patch_size, flat.size, rng)
    raise DataError(
        f"patches of {patch_size}x{patch_size}: {flat.size} of {drawn} still have a contrast below "
        f"{least_contrast:.3g} after {MAX_REDRAWS} draws; the images are too flat"
    )


def _draw(
    images: Sequence[Image], patch_size: int, drawn: int, rng: np.random.Generator
) -> Float32:
    which = rng.integers(len(images), size=drawn)
    places = rng.random((drawn, 2))
    patches = np.empty((drawn, patch_size * patch_size), dtype=np.float32)
    for index, image in enumerate(images):
        chosen = np.flatnonzero(which == index)
        windows = np.lib.stride_tricks.sliding_window_view(image, (patch_size, patch_size))
        rows = (places[chosen, 0] * windows.shape[0]).astype(np.int64)
        columns = (places[chosen, 1] * windows.shape[1]).astype(np.int64)
        patches[chosen] = windows[rows, columns].reshape(-1, patch_size * patch_size)
    return patches


@dataclass(frozen=True)
class Standard:
    """Constants of a training set: patches are standardised by mean and deviation.

    least_contrast: patches of a smaller standard deviation (before standardising) are left out.
    """

    mean: float
    deviation: float
    least_contrast: float

    def apply(self, patches: Float32) -> Float32:
        """Return (patches - mean) / deviation."""
        return (patches - np.float32(self.mean)) / np.float32(self.deviation)


def measure(images: Sequence[Image], patch_size: int) -> Standard:
    """Return the constants of the training images: of their tiles, without the flat ones.

    The tiles cover each image once without overlap, so the constants depend neither on a seed nor
    on how many patches are drawn, and every split and seed is scaled alike. Left out are the
    tiles with less than LEAST_CONTRAST of the contrast of all, then the flattest tenth.
    """
    tiles = np.concatenate([_tiles(image, patch_size) for image in images])
    least = LEAST_CONTRAST * float(tiles.std(dtype=np.float64))
    tiles = drop_flattest(tiles[tiles.std(axis=1) >= least])
    return Standard(float(tiles.mean(dtype=np.float64)), float(tiles.std(dtype=np.float64)), least)


def _tiles(image: Image, size: int) -> Float32:
    rows, columns = image.shape[0] // size, image.shape[1] // size
    whole = image[: rows * size, : columns * size].reshape(rows, size, columns, size)
    return whole.transpose(0, 2, 1, 3).reshape(rows * columns, size * size)
