"""Latency and strength of responses against contrast."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.metrics.estimates import Estimate, estimate, share
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.normalisation import Normalisation, normalisation
from ipvae_snn.probing.stimuli import gratings
from ipvae_snn.probing.subject import Subject, tiled
from ipvae_snn.progress import Progress, ignore

CONTRASTS: Final = 2.0 ** np.arange(-4.0, 0.25, 0.5)  # 1/16 to 1
TRIALS: Final = 8
SMOOTHED: Final = 3  # steps whose mean is taken before a peak is sought
LEAST: Final = 0.5  # response per step above the blank; a smaller peak is none


@dataclass(frozen=True)
class ContrastResponse:
    """Responses of n neurons to their own grating at C contrasts, means over trials.

    unit: of responses. course (n, C, T): responses in each step from the onset on. blank (n,): per
    step before. latency (n, C): steps from the onset until the mean response over trials is half
    way between the blank and its peak, interpolated between steps; NaN where the peak is less than
    LEAST above the blank. sustained (n, C): mean response per step in the second half of the steps.
    fits (n,): of the normalisation equation without a mask (Naka and Rushton 1966) to `sustained`.
    """

    features: Features
    unit: str
    contrasts: Float64
    course: Annotated[Float64, "n C T"]
    blank: Annotated[Float64, "n"]
    latency: Annotated[Float64, "n C"]
    sustained: Annotated[Float64, "n C"]
    fits: tuple[Normalisation, ...]

    @property
    def latencies(self) -> tuple[Estimate, ...]:
        """Latency at each contrast, over the neurons that respond."""
        return tuple(estimate(column) for column in self.latency.T)

    @property
    def figures(self) -> dict[str, Estimate]:
        """Means over neurons, by what they are."""
        return {
            "latency at the largest contrast, steps": estimate(self.latency[:, -1]),
            "latency at a quarter of it, steps": estimate(self.latency[:, -5]),
            "steps that a doubling of contrast saves": estimate(
                saved(self.contrasts, self.latency)
            ),
            "R2 of the contrast response's fit": estimate(values(self.fits, "r2")),
            "exponent": estimate(values(self.fits, "exponent")),
            "share that saturates (half response below contrast 1)": share(
                int((values(self.fits, "half") < 1.0).sum()), len(self.fits)
            ),
        }


def measure(subject: Subject, progress: Progress = ignore) -> ContrastResponse:
    """Show each chosen neuron its grating at every contrast, several times."""
    n, count = len(subject), len(CONTRASTS)
    zeros = np.zeros(count)
    light = gratings(subject.shape, subject.waves.turned(zeros, zeros), tiled(CONTRASTS, n))
    shown = subject.own(light, TRIALS, "gratings of all contrasts", progress)
    course = shown.values[..., 0].mean(axis=1, dtype=np.float64).reshape(n, count, -1)
    blank = shown.blank.reshape(n, -1).mean(axis=1)
    sustained = shown.sustained.mean(axis=(1, 2)).reshape(n, count)
    latency = np.array(
        [[half_time(one, rest) for one in rows] for rows, rest in zip(course, blank, strict=True)]
    )
    fits = tuple(normalisation(CONTRASTS, zeros, row) for row in sustained)
    return ContrastResponse(
        subject.features, subject.unit, CONTRASTS, course, blank, latency, sustained, fits
    )


def half_time(course: Annotated[Float64, "T"], blank: float) -> float:
    """Return the steps until a response is half way from the blank to its peak; NaN without one.

    The response is first averaged over SMOOTHED steps. The first step counts as 1.
    """
    padded = np.pad(course, SMOOTHED // 2, mode="edge")
    smooth = np.convolve(padded, np.full(SMOOTHED, 1.0 / SMOOTHED), mode="valid")
    peak = float(smooth.max())
    if peak - blank < LEAST:
        return float("nan")
    half = blank + 0.5 * (peak - blank)
    after = int(np.argmax(smooth >= half))
    if after == 0:
        return 1.0
    before = float(smooth[after - 1])
    return after + (half - before) / (float(smooth[after]) - before)


def saved(contrasts: Float64, latency: Annotated[Float64, "n C"]) -> Annotated[Float64, "n"]:
    """Return by how many steps latency falls per doubling of contrast, by a line per neuron.

    NaN for neurons that respond at fewer than two contrasts.
    """
    octaves = np.log2(contrasts)
    slopes = np.full(len(latency), np.nan)
    for index, row in enumerate(latency):
        known = ~np.isnan(row)
        if known.sum() > 1:
            slopes[index] = -np.polyfit(octaves[known], row[known], 1)[0]
    return slopes


def values(fits: tuple[Normalisation, ...], name: str) -> Annotated[Float64, "n"]:
    """Return one field of fits."""
    return np.array([getattr(fit, name) for fit in fits], np.float64)
