"""Images without input: drawn from the prior, and what inference makes of no input."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.metrics.estimates import Estimate, estimate
from ipvae_snn.probing.doublings import doublings
from ipvae_snn.probing.recorder import Recorder
from ipvae_snn.progress import Progress, ignore

RUNS: Final = 64
SHOWN: Final = 8
WHAT: Final = "inference without input"


@dataclass(frozen=True)
class Prior:
    """Latents of RUNS runs whose pixels are all 0, decoded at some steps; estimates over runs.

    The latents of step 1 are a draw from the prior, for spike counts Poisson with the rates at
    which inference starts (of a network with a start, or an encoder, those that it gives to an
    image of zeros). images (S, SHOWN, M): of
    the first runs. active: share of neurons whose latent is not 0. spikes: of all neurons,
    none of graded ones. deviation: standard
    deviation of an image's pixels.
    """

    steps: tuple[int, ...]
    image_shape: ImageShape
    images: Annotated[Float32, "S shown M"]
    active: tuple[Estimate, ...]
    spikes: tuple[Estimate, ...]
    deviation: tuple[Estimate, ...]


def measure(recorder: Recorder, steps: int, seed: int, progress: Progress = ignore) -> Prior:
    """Run inference without input, each run with its own draws."""
    at, shape = doublings(steps), recorder.image_shape
    progress(WHAT, 0, RUNS * steps)
    latents, size = [], SHOWN
    for first in range(0, RUNS, size):
        dark = np.zeros((size, 1, n_pixels(shape)), np.float32)
        latents.append(recorder.latents(dark, steps, seed, first)[:, np.array(at) - 1])
        progress(WHAT, (first + size) * steps, RUNS * steps)
    kept = np.concatenate(latents).swapaxes(0, 1)
    images = np.stack([recorder.decode(each) for each in kept])
    spiking = recorder.per_latent is None
    return Prior(
        at,
        shape,
        images[:, :SHOWN],
        _estimates(np.asarray((kept != 0).mean(axis=2))),
        _estimates(kept.sum(axis=2, dtype=np.float64)) if spiking else (),
        _estimates(images.astype(np.float64).std(axis=2)),
    )


def _estimates(values: Annotated[Float64, "S N"]) -> tuple[Estimate, ...]:
    return tuple(estimate(row) for row in values)
