"""Divisive normalisation: fits of a neuron's response to contrast, alone and under a mask."""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from scipy.optimize import least_squares

from ipvae_snn.arrays import Float64

# Bounds of rest and largest response (of the largest one measured), exponent, semi-saturation
# contrast and mask weight. Beyond a semi-saturation of 10, the response is a power of contrast.
LOW: Final = (0.0, 0.0, 0.5, 0.01, 0.0)
HIGH: Final = (1.0, 1e4, 8.0, 10.0, 100.0)
STARTS: Final = (0.2, 1.0, 4.0)  # semi-saturation contrasts from which a fit begins


@dataclass(frozen=True)
class Normalisation:
    """Fit of R = rest + largest c^n / (half^n + c^n + weight m^n) to one neuron's responses.

    c, m: contrasts of the preferred grating and of the mask. rest, largest: counts per step. half:
    contrast at which the response without a mask is half of `largest`; where it lies above the
    contrasts shown, the response does not saturate. weight: of the mask, 0 if no mask was shown.
    r2: share of the variance of the responses over conditions that the fit explains; NaN if the
    neuron did not respond.
    """

    rest: float
    largest: float
    exponent: float
    half: float
    weight: float
    r2: float


def normalisation(
    contrast: Annotated[Float64, "C"],
    mask: Annotated[Float64, "C"],
    response: Annotated[Float64, "C"],
) -> Normalisation:
    """Fit the normalisation equation (Heeger 1992; Carandini and Heeger 2012) by least squares.

    response: mean counts per step in each of C conditions.
    """
    top, spread = float(response.max()), float(((response - response.mean()) ** 2).sum())
    if top == 0.0 or spread == 0.0:
        return Normalisation(*(float("nan"),) * 6)
    masked = bool(mask.any())
    free = slice(0, 5 if masked else 4)

    def predicted(values: Float64) -> Float64:
        rest, largest, exponent, half = values[:4]
        weight = values[4] if masked else 0.0
        driven = contrast**exponent
        return np.asarray(
            rest + largest * driven / (half**exponent + driven + weight * mask**exponent)
        )

    def residual(values: Float64) -> Float64:
        return np.asarray(predicted(values) - response / top)

    fits = [
        least_squares(
            residual,
            (0.01, 1.0 + half, 2.0, half, 0.1)[free],
            bounds=(LOW[free], HIGH[free]),
            x_scale=(0.1, 1.0, 1.0, 0.3, 0.3)[free],
        )
        for half in STARTS
    ]
    best = min(fits, key=lambda fit: float(fit.cost))
    rest, largest, exponent, half, weight = (*map(float, best.x), 0.0)[:5]
    r2 = 1.0 - 2.0 * float(best.cost) * top**2 / spread
    return Normalisation(rest * top, largest * top, exponent, half, weight, r2)
