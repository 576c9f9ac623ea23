"""Sparsification over time: active neurons, sparseness and reconstruction by step."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.data import ImageSet
from ipvae_snn.metrics.estimates import Estimate, estimate
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.metrics.sparseness import population
from ipvae_snn.probing.doublings import doublings
from ipvae_snn.probing.image_runs import image_runs
from ipvae_snn.probing.recorder import Latents, Recorder
from ipvae_snn.progress import Progress, ignore

STEPS: Final = 512
WHAT: Final = "images over time"


@dataclass(frozen=True)
class Sparsification:
    """Figures by step, from the start of inference on; estimates over images.

    steps: those recorded, the powers of 2 and the last. active: share of neurons whose latent is
    not 0. sparseness: of their sizes over neurons, after Treves and Rolls in the form of Vinje and
    Gallant (2000). r2: of one step's latents, decoded. spikes: of all neurons, none of graded ones.
    data, citation: the images.
    """

    data: str
    citation: str
    images: int
    steps: tuple[int, ...]
    active: tuple[Estimate, ...]
    sparseness: tuple[Estimate, ...]
    r2: tuple[Estimate, ...]
    spikes: tuple[Estimate, ...] = ()


def measure(
    recorder: Recorder,
    images: ImageSet,
    steps: int,
    seed: int,
    progress: Progress = ignore,
) -> Sparsification:
    """Show images from the start of inference, without a blank, and record every neuron.

    Raises ConfigError for more steps than a run may have.
    """
    at = doublings(steps)
    parts = [
        by_step(recorder, latents[:, np.array(at) - 1], pixels)
        for pixels, latents in image_runs(recorder, images, steps, seed, WHAT, progress)
    ]
    figures = (
        tuple(map(estimate, np.concatenate(values, axis=1))) for values in zip(*parts, strict=True)
    )
    return Sparsification(images.name, images.citation, len(images), at, *figures)


def by_step(
    recorder: Recorder, latents: Annotated[Latents, "n S K"], pixels: Annotated[Float32, "n M"]
) -> tuple[Float64, ...]:
    """Return share of active neurons, sparseness, R2 and of spiking neurons spikes, each (S, n)."""
    steps = range(latents.shape[1])
    sizes = np.abs(latents).astype(np.float64)
    figures = (
        np.asarray((latents != 0).mean(axis=2).T),
        np.stack([population(sizes[:, step]) for step in steps]),
        np.stack([r2_per_image(pixels, recorder.decode(latents[:, step])) for step in steps]),
    )
    return figures if recorder.per_latent is not None else (*figures, sizes.sum(axis=2).T)
