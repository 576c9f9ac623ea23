"""Moving inputs: sequences of frames from consecutive images, or from still images that drift."""

import numpy as np

from ipvae_snn.arrays import Float32
from ipvae_snn.config.settings import DataConfig
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape

DIRECTIONS = np.array([(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)])


def in_frames(images: ImageSet, settings: DataConfig) -> Float32:
    """Return the input of a network: (N, M) still images, or (N', F, M) sequences of F frames.

    With motion "video", every F consecutive images are one sequence (N' = N / F, rounded down).
    With "drift", every image moves by one pixel per frame, in one of eight directions that change
    from image to image, and black (0) enters at the edge.
    """
    pixels = np.ascontiguousarray(images.pixels)
    frames = settings.frames
    if frames == 1:
        return pixels
    if settings.motion == "drift":
        return drifting(pixels, images.image_shape, frames)
    whole = len(pixels) // frames
    if whole == 0:
        raise DataError(
            f"{images.name}: {len(pixels)} images in the {images.split} split make no sequence of "
            f"{frames} frames; lower data.frames"
        )
    return pixels[: whole * frames].reshape(whole, frames, -1)


def drifting(pixels: Float32, image_shape: ImageShape, frames: int) -> Float32:
    """Return (N, F, M): image i moves in direction i mod 8, frame F // 2 shows it in place."""
    height, width = image_shape[:2]
    images = pixels.reshape(-1, *image_shape)
    out = np.zeros((len(images), frames, *image_shape), np.float32)
    for direction, (down, right) in enumerate(DIRECTIONS):
        for frame in range(frames):
            shift = frame - frames // 2
            target, source = _overlap(height, down * shift), _overlap(height, -down * shift)
            across, taken = _overlap(width, right * shift), _overlap(width, -right * shift)
            moved = images[direction::8, source, taken]
            out[direction::8, frame, target, across] = moved
    return out.reshape(len(images), frames, -1)


def _overlap(size: int, shift: int) -> slice:
    """Return the places, of `size`, that are still inside after a move by `shift`."""
    return slice(min(size, max(0, shift)), max(0, min(size, size + shift)))
