"""Images rotated by random angles, as in rotated MNIST, or all by one angle."""

from typing import Final

import numpy as np
from scipy.ndimage import rotate

from ipvae_snn.arrays import Float64
from ipvae_snn.data.base import ImageSet
from ipvae_snn.ir.prng import UNIFORM_BITS, uniforms

FULL_TURN: Final = 360.0


def angles(n: int, seed: int) -> Float64:
    """Return n angles (n,), uniform in [0, 360) degrees, keyed by (seed, index of the image)."""
    turns = uniforms(seed, np.arange(n), 0, 1)[:, 0] / (1 << UNIFORM_BITS)
    return np.asarray(FULL_TURN * turns, dtype=np.float64)


def rotated(images: ImageSet, seed: int = 0) -> ImageSet:
    """Return the images, each rotated about its centre by its own random angle.

    Larochelle et al. (2007) generated rotated MNIST in this way.
    """
    return _turned(images, f"rotated {images.name}", angles(len(images), seed))


def rotated_by(images: ImageSet, angle: float) -> ImageSet:
    """Return the images, all rotated about their centres by `angle` degrees, counter-clockwise."""
    return _turned(images, f"{images.name}, {angle:g} degrees", np.full(len(images), float(angle)))


def _turned(images: ImageSet, name: str, turns: Float64) -> ImageSet:
    """Return the images rotated by `turns` (N,), in degrees.

    Interpolation is linear, which keeps values within the image's range; pixels from outside the
    image are 0. Labels stay.
    """
    shape = images.image_shape
    pixels = np.empty_like(images.pixels)
    for row, image, angle in zip(pixels, images.pixels, turns, strict=True):
        turned = rotate(image.reshape(shape), angle, reshape=False, order=1).ravel()
        # Rounding may leave the range by a last place, which the check of [0, 1] refuses.
        row[:] = np.clip(turned, min(image.min(), 0.0), max(image.max(), 0.0))
    return ImageSet(
        name,
        images.split,
        pixels,
        shape,
        images.kind,
        images.labels,
        images.citation,
    )
