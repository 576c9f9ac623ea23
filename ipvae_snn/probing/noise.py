"""Spike-triggered averages of white noise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Float32, Float64
from ipvae_snn.metrics.estimates import Estimate, estimate
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.movies import Movies, record
from ipvae_snn.probing.recorder import Latents
from ipvae_snn.probing.stimuli import noise
from ipvae_snn.probing.subject import Subject
from ipvae_snn.progress import Progress, ignore

SEQUENCES: Final = 128
TOGETHER: Final = 16  # sequences that are made and run at a time
FRAMES: Final = 64  # images of noise in a sequence
STEPS: Final = 32  # of each image
BEFORE: Final = 3  # images that are averaged: the one shown at the spike, and those before it
WHAT: Final = "white noise"


@dataclass(frozen=True)
class SpikeTriggered:
    """Mean noise at the spikes of each of n neurons; every image is shown for STEPS steps.

    averages (n, BEFORE, height, width): of the image shown at a spike, the one before it, and so
    on, in the light of `stimuli`. spikes (n,): that were averaged. course (n, BEFORE * STEPS):
    answer of the neuron's feature, of length 1, to the mean image that had appeared so many steps
    before a spike; a count of step 0 is drawn before the image has changed a potential. correlation
    (n,): Pearson's, of the first average with the feature; NaN for a neuron without spikes.
    samples: number of images whose spikes were counted. Images are weighted by spikes, or by the
    responses (unit) of neurons without any.
    """

    features: Features
    unit: str
    averages: Annotated[Float64, "n B height width"]
    spikes: Annotated[Float64, "n"]
    course: Annotated[Float64, "n B*steps"]
    correlation: Annotated[Float64, "n"]
    samples: int

    @property
    def figures(self) -> dict[str, Estimate]:
        """Means over neurons, by what they are."""
        peak = np.where(self.spikes > 0, self.course.argmax(axis=1), np.nan)
        return {
            "correlation of average and feature": estimate(self.correlation),
            "steps from an image to its strongest average": estimate(peak),
            self.unit: estimate(self.spikes / (self.samples * STEPS)),
        }


class Sums(NamedTuple):
    """Noise summed over spikes, by the steps since it appeared, and the spikes by step.

    triggered (n, BEFORE, STEPS, P). spikes (n, STEPS).
    """

    triggered: Float64
    spikes: Float64


def measure(subject: Subject, progress: Progress = ignore) -> SpikeTriggered:
    """Show white noise and average the images at the spikes of the chosen neurons."""
    n, (height, width) = len(subject), subject.shape[:2]
    total = Sums(np.zeros((n, BEFORE, STEPS, height * width)), np.zeros((n, STEPS)))
    for part in _parts(subject, progress):
        total = Sums(*(whole + one for whole, one in zip(total, part, strict=True)))
    spikes = total.spikes.sum(axis=1)
    averages = _mean(total.triggered.sum(axis=2), spikes[:, None, None])
    fields = subject.features.fields
    flat = fields.reshape(n, -1).astype(np.float64)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    by_step = _mean(total.triggered, total.spikes[:, None, :, None])
    course = np.einsum("nbsp,np->nbs", by_step, unit).reshape(n, -1)
    averages = averages.reshape(n, BEFORE, height, width)
    return SpikeTriggered(
        subject.features,
        subject.unit,
        averages,
        spikes,
        course,
        correlation(averages[:, 0], fields),
        SEQUENCES * (FRAMES - BEFORE + 1),
    )


def _mean(total: Float64, spikes: Float64) -> Float64:
    """Return a mean over spikes, 0 where there are none."""
    return np.asarray(total / np.maximum(spikes, 1.0))


def _parts(subject: Subject, progress: Progress) -> Iterator[Sums]:
    for first in range(0, SEQUENCES, TOGETHER):
        rng = np.random.default_rng((subject.seed, first))
        light = noise(subject.shape, TOGETHER, FRAMES, rng)
        kept = np.tile(subject.features.neurons, (TOGETHER, 1))

        def part(what: str, done: int, total: int, before: int = first // TOGETHER) -> None:
            progress(what, before * total + done, SEQUENCES // TOGETHER * total)

        movies = Movies(light, STEPS)
        shown = record(subject.recorder, movies, kept, subject.seed, WHAT, part, first)
        yield sums(light, shown.values[:, 0].reshape(TOGETHER, FRAMES, STEPS, -1))


def sums(light: Annotated[Float32, "N F P"], counts: Annotated[Latents, "N F steps n"]) -> Sums:
    """Return the images at the spikes of all frames that have BEFORE - 1 others before them."""
    frames, places = light.shape[1:]
    steps, n = counts.shape[2:]
    later = counts[:, BEFORE - 1 :].reshape(-1, steps * n).astype(np.float32)
    shown = [
        light[:, BEFORE - 1 - back : frames - back].reshape(-1, places) for back in range(BEFORE)
    ]
    triggered = np.stack([(later.T @ images).reshape(steps, n, places) for images in shown])
    spikes = later.sum(axis=0, dtype=np.float64).reshape(steps, n)
    return Sums(triggered.transpose(2, 0, 1, 3).astype(np.float64), spikes.T)


def correlation(
    averages: Annotated[Float64, "n height width"], fields: Annotated[Float32, "n height width"]
) -> Annotated[Float64, "n"]:
    """Return Pearson's correlation of each pair of pictures; NaN where one of them is flat."""
    a, b = (values.reshape(len(values), -1).astype(np.float64) for values in (averages, fields))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(norm > 0, (a * b).sum(axis=1) / np.where(norm > 0, norm, 1.0), np.nan)
