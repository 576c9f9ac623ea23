"""Stimuli: gratings, plaids, bars and white noise.

Stimuli are light: 0 is the background, and a grating of contrast 1 reaches from -1 to 1. `pixels`
turns light into what a network takes. P is the number of places (height times width) of an image,
row by row; positions are in pixels, columns to the right and rows downwards, from 0; angles in
degrees counter-clockwise, as a picture is seen, and orientations are those of stripes.
"""

from typing import Annotated, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Float32, Float64, Floats
from ipvae_snn.image_shape import ImageShape, n_channels
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.metrics.gabor import Gabors

# A grating of contrast 1 has an amplitude of sqrt(2) in standardised pixels: then its variance is
# 1, the mean variance of the patches that such a network was trained on.
STANDARDISED: Final = 2.0**0.5
GREY: Final = 0.5  # the background of pixels in [0, 1]


class Waves(NamedTuple):
    """N gratings: each field is (N,), as those of `metrics.gabor.Gabors`."""

    x: Float64
    y: Float64
    frequency: Float64
    orientation: Float64
    phase: Float64

    @classmethod
    def preferred(cls, gabors: Gabors) -> "Waves":
        """Return the gratings that Gabor functions answer most."""
        return cls(gabors.x, gabors.y, gabors.frequency, gabors.orientation, gabors.phase)

    def turned(self, orientation: Float64, phase: Float64) -> "Waves":
        """Return every wave at every change (C,) of orientation and phase: N * C gratings."""
        count, changes = len(self.x), len(orientation)
        every = Waves(*(np.repeat(values, changes) for values in self))
        return every._replace(
            orientation=every.orientation + np.tile(orientation, count),
            phase=every.phase + np.tile(phase, count),
        )


def places(shape: ImageShape) -> tuple[Annotated[Float64, "P"], Annotated[Float64, "P"]]:
    """Return the column and the row of every place of an image."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].reshape(2, -1).astype(np.float64)
    return columns, rows


def ahead(
    shape: ImageShape, direction: Float64, x: Float64, y: Float64
) -> Annotated[Float64, "N P"]:
    """Return how far each place lies ahead of the points (x, y), (N,), in a direction, (N,)."""
    columns, rows = places(shape)
    angle = np.radians(direction)[:, None]
    across, down = columns - x[:, None], rows - y[:, None]
    return np.asarray(np.cos(angle) * across - np.sin(angle) * down)


def gratings(shape: ImageShape, waves: Waves, contrast: Floats) -> Annotated[Float32, "N P"]:
    """Return gratings of contrasts (N,); a phase of 0 is the middle of a bright stripe at (x, y).

    The wave runs 90 degrees clockwise of the stripes.
    """
    distance = ahead(shape, waves.orientation - 90.0, waves.x, waves.y)
    cycles = waves.frequency[:, None] * distance
    wave = np.cos(2.0 * np.pi * cycles + np.radians(waves.phase)[:, None])
    return np.asarray(contrast[:, None] * wave, np.float32)


def bars(
    shape: ImageShape,
    direction: Float64,
    x: Float64,
    y: Float64,
    width: Float64,
    offsets: Annotated[Float64, "F"],
) -> Annotated[Float32, "N F P"]:
    """Return N bright bars that move over (x, y), each in a direction, (N,), across themselves.

    width: in pixels. offsets: of the bar's middle from (x, y) in each of F frames. A place that the
    bar covers in part has that part of its light.
    """
    distance = ahead(shape, direction, x, y)[:, None, :] - offsets[:, None]
    covered = np.clip(0.5 * width[:, None, None] + 0.5 - np.abs(distance), 0.0, 1.0)
    return np.minimum(covered, width[:, None, None]).astype(np.float32)


def noise(
    shape: ImageShape, sequences: int, frames: int, rng: np.random.Generator
) -> Annotated[Float32, "N F P"]:
    """Return white noise: light of every place and frame is uniform between -1 and 1."""
    size = (sequences, frames, shape[0] * shape[1])
    return rng.uniform(-1.0, 1.0, size).astype(np.float32)


def pixels(
    light: Annotated[Floats, "*N P"], shape: ImageShape, kind: InputKind
) -> Annotated[Float32, "*N M"]:
    """Return light as pixels, the same in all channels: in [0, 1] about grey, or standardised.

    Contrast is then Michelson's of pixels in [0, 1]; of standardised ones, it is the root mean
    square of a grating.
    """
    values = GREY + GREY * light if kind == "unit" else STANDARDISED * light
    return np.repeat(values.astype(np.float32), n_channels(shape), axis=-1)


def grating_rms(kind: InputKind) -> float:
    """Return the root mean square of a grating of contrast 1 in pixels of a kind."""
    return float((GREY if kind == "unit" else STANDARDISED) / np.sqrt(2.0))
