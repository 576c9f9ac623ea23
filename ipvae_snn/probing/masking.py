"""Cross-orientation suppression: plaids of a neuron's grating and an orthogonal mask."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float64
from ipvae_snn.metrics.estimates import Estimate, estimate
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.latency import values
from ipvae_snn.probing.normalisation import Normalisation, normalisation
from ipvae_snn.probing.stimuli import gratings
from ipvae_snn.probing.subject import Subject, tiled
from ipvae_snn.progress import Progress, ignore

# Of grating and mask alike; both together stay within the range of pixels in [0, 1].
CONTRASTS: Final = np.array([0.0, 0.0625, 0.125, 0.25, 0.5])
PHASES: Final = np.arange(0.0, 360.0, 90.0)  # of the mask
TRIALS: Final = 2
LEAST: Final = 0.5  # response per step above the blank; a weaker grating shows no suppression


@dataclass(frozen=True)
class Masking:
    """Responses of n neurons to their grating at C contrasts with a mask at C contrasts.

    unit: of responses (n, C, C): sustained ones, means over mask phases and trials; the second axis
    is the grating, the third the mask. blank (n,). suppression (n, C, C): 1 - (R - blank) / (R
    without mask - blank), NaN where the grating alone gives less than LEAST above the blank. fits
    (n,): of the normalisation equation.
    """

    features: Features
    unit: str
    contrasts: Float64
    responses: Annotated[Float64, "n C C"]
    blank: Annotated[Float64, "n"]
    suppression: Annotated[Float64, "n C C"]
    fits: tuple[Normalisation, ...]

    @property
    def figures(self) -> dict[str, Estimate]:
        """Means over neurons, by what they are."""
        strong = self.contrasts[-1]
        weak = self.contrasts[-3]
        return {
            f"suppression of a grating of {strong:g} by a mask of {strong:g}": estimate(
                self.suppression[:, -1, -1]
            ),
            f"suppression of a grating of {weak:g} by a mask of {strong:g}": estimate(
                self.suppression[:, -3, -1]
            ),
            f"response to a mask of {strong:g} alone, of that to the grating": estimate(
                self._mask_alone()
            ),
            "R2 of the normalisation equation": estimate(values(self.fits, "r2")),
            "weight of the mask": estimate(values(self.fits, "weight")),
        }

    def _mask_alone(self) -> Annotated[Float64, "n"]:
        driven = self.responses[:, -1, 0] - self.blank
        mask = self.responses[:, 0, -1] - self.blank
        return np.where(driven >= LEAST, mask / np.where(driven >= LEAST, driven, 1.0), np.nan)


def measure(subject: Subject, progress: Progress = ignore) -> Masking:
    """Show each chosen neuron its grating with an orthogonal one of its frequency over it."""
    n, c = len(subject), len(CONTRASTS)
    axes = np.meshgrid(CONTRASTS, CONTRASTS, PHASES, indexing="ij")
    contrast, mask, phase = (grid.ravel() for grid in axes)
    zeros = np.zeros(len(contrast))
    light = gratings(subject.shape, subject.waves.turned(zeros, zeros), tiled(contrast, n))
    across = subject.waves.turned(np.full(len(contrast), 90.0), phase)
    light += gratings(subject.shape, across, tiled(mask, n))
    shown = subject.own(light, TRIALS, "gratings under masks", progress)
    responses = shown.sustained.mean(axis=(1, 2)).reshape(n, c, c, -1).mean(axis=3)
    blank = shown.blank.reshape(n, -1).mean(axis=1)
    own, over = (grid.ravel() for grid in np.meshgrid(CONTRASTS, CONTRASTS, indexing="ij"))
    fits = tuple(normalisation(own, over, each.ravel()) for each in responses)
    less = suppression(responses, blank)
    return Masking(subject.features, subject.unit, CONTRASTS, responses, blank, less, fits)


def suppression(
    responses: Annotated[Float64, "n C C"], blank: Annotated[Float64, "n"]
) -> Annotated[Float64, "n C C"]:
    """Return 1 - (R - blank) / (R without mask - blank), as of `Masking`."""
    alone = responses[:, :, :1] - blank[:, None, None]
    shown = alone >= LEAST
    left = (responses - blank[:, None, None]) / np.where(shown, alone, 1.0)
    return np.where(shown, 1.0 - left, np.nan)
