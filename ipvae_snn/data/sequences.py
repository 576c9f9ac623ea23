"""Sequences of frames: consecutive images, or still images that drift."""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Float32, Int64
from ipvae_snn.config.settings import Motion
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, n_pixels, shape_text
from ipvae_snn.storage import memory

DIRECTIONS: Final = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
MAX_FRAMES: Final = 1024  # as of `config.settings.DataConfig`


class Moving(NamedTuple):
    """A moving input: frames F of a sequence, and their source.

    motion: consecutive images, of a film for instance ("video"), or one image that drifts
    ("drift").
    """

    frames: int
    motion: Motion

    def checked(self) -> "Moving":
        """Return it; raise DataError for a number of frames that is out of range."""
        if not 2 <= self.frames <= MAX_FRAMES:
            raise DataError(
                f"sequences of {self.frames} frames are not possible; give 2 to {MAX_FRAMES}"
            )
        return self

    def __str__(self) -> str:
        """Return "8 frames of drift"."""
        return f"{self.frames} frames of {self.motion}"


@dataclass(frozen=True, repr=False)
class Sequences:
    """N sequences of F = `frames` frames: every F rows of `images` are the frames of one.

    A row has M pixels; labels of `images` are those of the frames. Raises DataError where the
    images are no whole number of sequences.
    """

    images: ImageSet
    frames: int

    def __post_init__(self) -> None:
        """Check that the images are whole sequences."""
        if self.frames < 1 or len(self.images) % self.frames:
            raise DataError(
                f"{self.images.name}: {len(self.images)} images are no whole number of sequences "
                f"of {self.frames} frames"
            )

    def __repr__(self) -> str:
        """Return name, size and kind without the pixels."""
        shape = shape_text(self.images.image_shape)
        return (
            f"Sequences({self.images.name}, {len(self)} of {self.frames} {self.images.kind} frames "
            f"of {shape})"
        )

    def __len__(self) -> int:
        """Return the number of sequences N."""
        return len(self.images) // self.frames

    @property
    def pixels(self) -> Float32:
        """All pixels, (N, F, M)."""
        return self.images.pixels.reshape(len(self), self.frames, -1)

    @property
    def labels(self) -> Int64 | None:
        """The label of each sequence's first frame (N,), None if there are none."""
        labels = self.images.labels
        return None if labels is None else labels[:: self.frames]

    def first(self, limit: int | None) -> "Sequences":
        """Return the first `limit` sequences (all of them for None)."""
        most = None if limit is None else limit * self.frames
        return replace(self, images=self.images.first(most))


def drifting(images: ImageSet, frames: int) -> Sequences:
    """Return every image as a sequence, moving by one pixel per frame.

    Image i moves in direction i mod 8; frame F // 2 shows it in place; 0 (black, or the mean of
    standardised pixels) enters at the edge. Raises MemoryLimitError if the frames do not fit.
    """
    shape = images.image_shape
    memory.require(
        4 * len(images) * frames * n_pixels(shape),
        f"{images.name}: {len(images)} images as {frames} frames of {shape_text(shape)}",
        "give fewer images (--limit) or frames",
    )
    pixels = drifted(np.ascontiguousarray(images.pixels), shape, frames)
    labels = None if images.labels is None else np.repeat(images.labels, frames)
    moved = replace(images, pixels=pixels.reshape(-1, pixels.shape[2]), labels=labels)
    return Sequences(moved, frames)


def consecutive(images: ImageSet, frames: int) -> Sequences:
    """Return every F consecutive images as a sequence; those left over at the end go.

    Raises DataError for fewer than F images.
    """
    whole = len(images) // frames
    if whole == 0:
        raise DataError(
            f"{images.name}: {len(images)} images in the {images.split} split make no sequence of "
            f"{frames} frames; lower data.frames"
        )
    return Sequences(images.first(whole * frames), frames)


def drifted(pixels: Float32, image_shape: ImageShape, frames: int) -> Float32:
    """Return (N, F, M) of images (N, M): as `drifting` does."""
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
