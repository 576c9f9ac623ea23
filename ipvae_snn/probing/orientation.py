"""Orientation tuning to gratings."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from scipy.optimize import least_squares

from ipvae_snn.arrays import Float64
from ipvae_snn.metrics.estimates import Estimate, estimate
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.stimuli import gratings
from ipvae_snn.probing.subject import Subject
from ipvae_snn.progress import Progress, ignore

OFFSETS: Final = np.arange(-90.0, 90.0, 10.0)  # degrees from the Gabor function's orientation
PHASES: Final = np.arange(0.0, 360.0, 45.0)
CONTRAST: Final = 0.5
CONCENTRATIONS: Final = (0.5, 4.0)  # from which a fit begins


@dataclass(frozen=True)
class OrientationTuning:
    """Responses of n neurons to gratings of their own frequency, at C offsets of orientation.

    unit: of responses (n, C, P), sustained ones at P phases; blank (n,): before the gratings.
    preferred (n,): the preferred orientation by vector sum, in degrees from the Gabor function's.
    circular_variance (n,): 1 - |sum r e^(2 i angle)| / sum r of responses averaged over phases
    (Ringach, Shapley and Hawken 2002): 0 for one orientation only, 1 for none. half_width (n,): of
    a fitted von Mises function at half its height above its base, in degrees; NaN where it does not
    fall to half. fit_r2 (n,): of that function. modulation (n,): F1 / F0 over the phases at the
    Gabor function's orientation, above the blank: above 1 for simple cells (Skottun et al. 1991).
    """

    features: Features
    unit: str
    offsets: Float64
    responses: Annotated[Float64, "n C P"]
    blank: Annotated[Float64, "n"]
    preferred: Annotated[Float64, "n"]
    circular_variance: Annotated[Float64, "n"]
    half_width: Annotated[Float64, "n"]
    fit_r2: Annotated[Float64, "n"]
    modulation: Annotated[Float64, "n"]

    @property
    def curves(self) -> Annotated[Float64, "n C"]:
        """Responses averaged over phases."""
        return np.asarray(self.responses.mean(axis=2))

    @property
    def figures(self) -> dict[str, Estimate]:
        """Means over neurons, by what they are."""
        return {
            "distance of the preferred orientation from the Gabor function's, degrees": estimate(
                np.abs(self.preferred)
            ),
            "half width at half height, degrees": estimate(self.half_width),
            "R2 of the von Mises fit": estimate(self.fit_r2),
            "circular variance": estimate(self.circular_variance),
            "modulation by phase, F1 / F0": estimate(self.modulation),
        }


def measure(subject: Subject, progress: Progress = ignore) -> OrientationTuning:
    """Show each chosen neuron gratings at every offset of orientation and phase."""
    n, shape = len(subject), (len(subject), len(OFFSETS), len(PHASES))
    turned, phase = (grid.ravel() for grid in np.meshgrid(OFFSETS, PHASES, indexing="ij"))
    waves = subject.waves.turned(turned, phase)
    light = gratings(subject.shape, waves, np.full(len(waves.x), CONTRAST))
    shown = subject.own(light, 1, "gratings of all orientations", progress)
    responses = shown.sustained.reshape(shape)
    blank = shown.blank.reshape(n, -1).mean(axis=1)
    curves = responses.mean(axis=2)
    total = curves.sum(axis=1)
    known = np.where(total > 0.0, total, np.nan)
    vector = curves @ np.exp(2j * np.radians(OFFSETS))
    fits = np.array([von_mises(OFFSETS, curve) for curve in curves])
    middle = int(np.flatnonzero(OFFSETS == 0.0)[0])
    return OrientationTuning(
        subject.features,
        subject.unit,
        OFFSETS,
        responses,
        blank,
        np.where(total > 0.0, np.degrees(np.angle(vector)) / 2.0, np.nan),
        np.asarray(1.0 - np.abs(vector) / known),
        fits[:, 0],
        fits[:, 1],
        modulation(responses[:, middle], blank),
    )


def modulation(responses: Annotated[Float64, "n P"], blank: Annotated[Float64, "n"]) -> Float64:
    """Return F1 / F0 (n,) of responses to P phases of a cycle, above the response to a blank.

    NaN where the mean response is not above the blank's.
    """
    phases = np.arange(responses.shape[1]) * (2j * np.pi / responses.shape[1])
    first = 2.0 * np.abs((responses * np.exp(phases)).mean(axis=1))
    mean = responses.mean(axis=1) - blank
    return np.where(mean > 0.0, first / np.where(mean > 0.0, mean, 1.0), np.nan)


def von_mises(offsets: Annotated[Float64, "C"], curve: Annotated[Float64, "C"]) -> Float64:
    """Return half width at half height in degrees, and R2, of base + height e^(k (cos 2 d - 1)).

    d: the angle from the fitted peak. Both are NaN for a flat curve; the width where k < ln 2 / 2,
    for there the function does not fall to half.
    """
    top = float(curve.max())
    if top == float(curve.min()):
        return np.full(2, np.nan)
    angles = np.radians(offsets)

    def residual(values: Float64) -> Float64:
        base, height, peak, k = values
        bump = height * np.exp(k * (np.cos(2.0 * (angles - peak)) - 1.0))
        return np.asarray(base + bump - curve / top)

    first = float(angles[int(curve.argmax())])
    fits = [
        least_squares(
            residual,
            (0.05, 0.9, first, k),
            bounds=((-1.0, 0.0, first - np.pi / 2, 0.01), (1.0, 4.0, first + np.pi / 2, 200.0)),
        )
        for k in CONCENTRATIONS
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    k = float(best.x[3])
    spread = float(((curve - curve.mean()) ** 2).sum())
    r2 = 1.0 - 2.0 * float(best.cost) * top**2 / spread
    falls = 2.0 * k >= np.log(2.0)
    width = np.degrees(0.5 * np.arccos(1.0 - np.log(2.0) / k)) if falls else np.nan
    return np.array([width, r2])
