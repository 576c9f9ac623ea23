"""How well Gabor functions describe the elements of a dictionary."""

from itertools import product
from typing import Annotated, Final

import numpy as np
from scipy.optimize import least_squares

from ipvae_snn.arrays import Float64, Floats

WIDTHS: Final = (1.5, 3.0)  # of the envelope, in pixels, from which a fit starts
PHASES: Final = (0.0, np.pi / 2)
SPECTRUM: Final = 64  # points at a side of the spectrum whose peak gives the first frequency
EVALUATIONS: Final = 60


def gabor_r2(elements: Annotated[Floats, "N side side"]) -> Annotated[Float64, "N"]:
    """Return the share of each element's energy that the best Gabor function explains, 0 to 1.

    The function is a plane wave under a Gaussian envelope of two widths and any direction, with
    its centre within the element (Jones and Palmer 1987, in an orientation of its own). Least
    squares start from the peak of the spectrum and the centre of energy. An element of zeros
    gives 0.
    """
    return np.array([_best(np.asarray(element, np.float64)) for element in elements])


def _best(element: Annotated[Float64, "side side"]) -> float:
    energy = float((element**2).sum())
    if energy == 0.0:
        return 0.0
    side = len(element)
    unit = element / np.sqrt(energy)
    rows, columns = np.mgrid[:side, :side].astype(np.float64)
    power = unit**2
    centre = (float((power * columns).sum()), float((power * rows).sum()))
    spectrum = np.abs(np.fft.rfft2(unit, (SPECTRUM, SPECTRUM)))
    spectrum[0, 0] = 0.0
    peak = np.unravel_index(int(spectrum.argmax()), spectrum.shape)
    vertical, horizontal = float(np.fft.fftfreq(SPECTRUM)[peak[0]]), peak[1] / SPECTRUM
    direction = float(np.arctan2(vertical, horizontal))

    def residual(values: Float64) -> Float64:
        return np.asarray((_gabor(values, rows, columns) - unit).ravel())

    best = 0.0
    for width, phase in product(WIDTHS, PHASES):
        first = [*centre, width, width, direction, horizontal, vertical, phase, 0.3]
        fit = least_squares(residual, first, max_nfev=EVALUATIONS)
        within = -1 < fit.x[0] < side and -1 < fit.x[1] < side
        if within and np.isfinite(fit.cost):
            best = max(best, 1.0 - 2.0 * float(fit.cost))
    return best


def _gabor(values: Float64, rows: Float64, columns: Float64) -> Float64:
    x0, y0, across, along, direction, horizontal, vertical, phase, size = values
    x, y = columns - x0, rows - y0
    first = x * np.cos(direction) + y * np.sin(direction)
    second = y * np.cos(direction) - x * np.sin(direction)
    envelope = np.exp(-(first**2) / (2 * across**2) - second**2 / (2 * along**2))
    wave = np.cos(2 * np.pi * (horizontal * x + vertical * y) + phase)
    return np.asarray(size * envelope * wave)
