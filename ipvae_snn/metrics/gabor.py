"""Gabor functions that describe the elements of a dictionary: their parameters, and how well."""

from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Final, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from ipvae_snn.arrays import Bool, Complex128, Float64, Floats, Int64
from ipvae_snn.errors import DataError

WIDTHS: Final = (1.5, 3.0)  # of the envelope, in pixels, from which a fit starts
ASPECT: Final = 1.25  # of the first envelope; a round one would have no direction to be fitted
SPECTRUM: Final = 64  # points at a side of the spectrum whose peak gives the first frequency
EVALUATIONS: Final = 200
TOLERANCE: Final = 1e-4  # relative change of the error at which a fit ends
PARAMETERS: Final = 9
WELL: Final = 0.5  # of an element's energy: from here on a Gabor function describes it
BAND_PASS: Final = 0.5**0.5  # largest answer to light of no stripes, of that to the best grating
ZOOM, ZOOMS = 4, 3  # the spectrum's peak is found to 1 / (SPECTRUM ZOOM**ZOOMS) cycles per pixel
NUMBERS: Final = 10  # fields of Gabors


@dataclass(frozen=True)
class Gabors:
    """The Gabor functions that describe N elements best; each field is (N,), float64.

    The function at column x and row y, from 0 in the upper left corner, is a plane wave under a
    Gaussian envelope (Jones and Palmer 1987, in an orientation of its own).

    r2: share of the element's energy that it explains, 0 to 1. x, y: centre, in pixels. height:
    of the envelope, in the element's units. frequency, orientation, phase: of the grating that
    excites the function most, the peak of its spectrum: in cycles per pixel; of the stripes, in
    degrees from 0 (horizontal) counter-clockwise to below 180; at the centre, in degrees from -180
    to 180, where 0 is the middle of a bright stripe. (The wave runs 90 degrees clockwise of the
    stripes.) They are those of the function's own wave if its envelope holds some cycles. along,
    across: deviation of the envelope in pixels on the line through its centre along the stripes,
    and across them. low: sum of the function, of its answer to that grating. All but r2 are NaN
    for an element of zeros.
    """

    r2: Float64
    x: Float64
    y: Float64
    height: Float64
    frequency: Float64
    orientation: Float64
    phase: Float64
    along: Float64
    across: Float64
    low: Float64

    def __len__(self) -> int:
        """Return the number of elements N."""
        return len(self.r2)

    @property
    def fitted(self) -> Bool:
        """Whether the function explains at least WELL of an element's energy, (N,)."""
        return self.r2 >= WELL

    @property
    def tuned(self) -> Bool:
        """Whether the function fits and prefers gratings to plain light by 3 dB, (N,)."""
        return self.fitted & (self.low < BAND_PASS)

    def at(self, index: Int64 | Bool | int) -> "Gabors":
        """Return the functions of some elements, by an index of NumPy."""
        every = (np.atleast_1d(getattr(self, one.name)[index]) for one in fields(self))
        return Gabors(*every)

    def moved(self, x: float, y: float) -> "Gabors":
        """Return the functions `x` pixels to the right and `y` pixels down."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return Gabors(**{**values, "x": self.x + x, "y": self.y + y})


class _Grid(NamedTuple):
    rows: Float64
    columns: Float64


def gabor_r2(elements: Annotated[Floats, "N height width"]) -> Annotated[Float64, "N"]:
    """Return the share of each element's energy that the best Gabor function explains, 0 to 1.

    An element of zeros gives 0.
    """
    return gabor_fits(elements).r2


def gabor_fits(elements: Annotated[Floats, "N height width"]) -> Gabors:
    """Return the Gabor functions that describe elements (N, height, width) best.

    Least squares (Levenberg-Marquardt) start from the peak of the spectrum and the centre of
    energy, with two widths; a centre outside of the element does not count. Raises DataError for
    elements of fewer pixels than the function has parameters.
    """
    return joined([gabor_fit(element) for element in elements])


def gabor_fit(element: Annotated[Floats, "height width"]) -> Gabors:
    """Return the Gabor function of one element (height, width), as `gabor_fits` does."""
    if element.size < PARAMETERS:
        raise DataError(
            f"an element of {element.shape[0]}x{element.shape[1]} pixels cannot be fitted by a "
            f"Gabor function, which has {PARAMETERS} parameters; give larger elements"
        )
    values = np.asarray(element, np.float64)
    return _described(values, *_best(values))


def joined(parts: list[Gabors]) -> Gabors:
    """Return the functions of several parts, one after another."""
    names = [one.name for one in fields(Gabors)]
    return Gabors(
        *(np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)]) for name in names)
    )


def _best(element: Annotated[Float64, "height width"]) -> tuple[float, Float64]:
    """Return R2 and the nine values of `_terms` and `_residual`; NaN for an element of zeros."""
    energy = float((element**2).sum())
    best, found = 0.0, np.full(PARAMETERS, np.nan)
    if energy == 0.0:
        return best, found
    height, width = element.shape
    unit = element / np.sqrt(energy)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    grid = _Grid(rows, columns)
    power = unit**2
    centre = (float((power * columns).sum()), float((power * rows).sum()))
    horizontal, vertical = _peak(unit)
    direction = float(np.arctan2(vertical, horizontal))
    for start in WIDTHS:
        widths = np.log(ASPECT * start), np.log(start)
        first = np.array([*centre, *widths, direction, horizontal, vertical, 0.0, 0.0])
        waves = _waves(first, grid)
        first[7:] = np.linalg.lstsq(waves, unit.ravel(), rcond=None)[0]
        fit = least_squares(
            partial(_residual, grid, unit),
            first,
            partial(_slopes, grid),
            method="lm",
            x_scale=1.0,
            ftol=TOLERANCE,
            max_nfev=EVALUATIONS,
        )
        within = -1 < fit.x[0] < width and -1 < fit.x[1] < height
        if within and np.isfinite(fit.cost) and 1.0 - 2.0 * float(fit.cost) > best:
            best, found = 1.0 - 2.0 * float(fit.cost), np.asarray(fit.x, np.float64)
    found[7:] *= np.sqrt(energy)
    return best, found


def _peak(unit: Float64) -> tuple[float, float]:
    """Return the frequency (horizontal, vertical) of the spectrum's peak, in cycles per pixel."""
    spectrum = np.abs(np.fft.rfft2(unit, (SPECTRUM, SPECTRUM)))
    spectrum[0, 0] = 0.0
    row, column = np.unravel_index(int(spectrum.argmax()), spectrum.shape)
    return int(column) / SPECTRUM, float(np.fft.fftfreq(SPECTRUM)[row])


def _described(element: Float64, r2: float, values: Float64) -> Gabors:
    """Return the fit of an element in the terms of `Gabors`."""
    if np.isnan(values).any():
        return Gabors(*(np.array([value]) for value in (0.0, *(np.nan,) * (NUMBERS - 1))))
    rows, columns = np.mgrid[: element.shape[0], : element.shape[1]].astype(np.float64)
    function = (_waves(values, _Grid(rows, columns)) @ values[7:]).reshape(element.shape)
    x0, y0, *shape = values[:5]
    horizontal, vertical = _preferred(function)
    answer = _answers(function, np.array([horizontal]), np.array([vertical]))[0, 0]
    # A cosine of this phase at the centre is the wave to which the function answers most.
    phase = np.angle(answer) + 2.0 * np.pi * (horizontal * x0 + vertical * y0)
    angle = np.degrees(np.arctan2(-vertical, horizontal)) + 90.0  # rows are counted downwards
    if not 0.0 <= angle < 180.0:  # the wave reversed is the same with the opposite phase
        angle, phase = angle % 180.0, -phase
    stripes = np.radians(angle)
    along, across = (_width(shape, turned) for turned in (stripes, stripes - np.pi / 2.0))
    degrees = (np.degrees(phase) + 180.0) % 360.0 - 180.0
    low = np.abs(function.sum()) / np.abs(answer)
    frequency, height = np.hypot(horizontal, vertical), np.hypot(*values[7:])
    every = (r2, x0, y0, height, frequency, angle, degrees, along, across, low)
    return Gabors(*(np.array([value], np.float64) for value in every))


def _preferred(function: Annotated[Float64, "height width"]) -> tuple[float, float]:
    """Return the frequency (horizontal, vertical) at which the spectrum has its peak."""
    horizontal, vertical = _peak(function)
    step = 1.0 / SPECTRUM
    for _ in range(ZOOMS):
        around = np.linspace(-step, step, 2 * ZOOM + 1)
        answers = np.abs(_answers(function, horizontal + around, vertical + around))
        row, column = np.unravel_index(int(answers.argmax()), answers.shape)
        horizontal, vertical = horizontal + float(around[column]), vertical + float(around[row])
        step /= ZOOM
    return horizontal, vertical


def _answers(
    function: Annotated[Float64, "height width"],
    horizontal: Annotated[Float64, "H"],
    vertical: Annotated[Float64, "V"],
) -> Annotated[Complex128, "V H"]:
    """Return the Fourier transform of a function at frequencies in cycles per pixel."""
    height, width = function.shape
    down = np.exp(-2j * np.pi * np.outer(vertical, np.arange(height)))
    right = np.exp(-2j * np.pi * np.outer(np.arange(width), horizontal))
    return np.asarray(down @ function @ right)


def _width(shape: list[float], angle: float) -> float:
    """Return the deviation of an envelope in pixels along a line, counter-clockwise in radians."""
    first, second, direction = shape
    x, y = np.cos(angle), -np.sin(angle)
    p = x * np.cos(direction) + y * np.sin(direction)
    q = y * np.cos(direction) - x * np.sin(direction)
    return float(1.0 / np.hypot(p * np.exp(-first), q * np.exp(-second)))


class _Terms(NamedTuple):
    """What a Gabor function and its slopes need at every pixel (height, width)."""

    x: Float64
    y: Float64
    first: Float64
    second: Float64
    envelope: Float64
    cosine: Float64
    sine: Float64


def _terms(values: Float64, grid: _Grid) -> _Terms:
    """Return the terms for a centre, two log widths, a direction in radians and a frequency."""
    x0, y0, log_first, log_second, direction, horizontal, vertical = values[:7]
    x, y = grid.columns - x0, grid.rows - y0
    p = x * np.cos(direction) + y * np.sin(direction)
    q = y * np.cos(direction) - x * np.sin(direction)
    first, second = p * np.exp(-log_first), q * np.exp(-log_second)
    angle = 2.0 * np.pi * (horizontal * x + vertical * y)
    envelope = np.exp(-0.5 * (first**2 + second**2))
    return _Terms(x, y, first, second, envelope, np.cos(angle), np.sin(angle))


def _waves(values: Float64, grid: _Grid) -> Annotated[Float64, "pixels 2"]:
    """Return the even and the odd wave under their envelope."""
    terms = _terms(values, grid)
    waves = [terms.envelope * wave for wave in (terms.cosine, terms.sine)]
    return np.stack([wave.ravel() for wave in waves], axis=1)


def _residual(grid: _Grid, unit: Float64, values: Float64) -> Annotated[Float64, "pixels"]:
    return np.asarray(_waves(values, grid) @ values[7:] - unit.ravel())


def _slopes(grid: _Grid, values: Float64) -> Annotated[Float64, "pixels parameters"]:
    """Return the derivatives of the residual by the parameters, in their order."""
    _, _, log_first, log_second, direction, horizontal, vertical, even, odd = values
    terms = _terms(values, grid)
    cosine, sine = np.cos(direction), np.sin(direction)
    ratio = np.exp(log_second - log_first)
    one, two = terms.first * np.exp(-log_first), terms.second * np.exp(-log_second)
    value = terms.envelope * (even * terms.cosine + odd * terms.sine)
    slope = 2.0 * np.pi * terms.envelope * (odd * terms.cosine - even * terms.sine)
    columns = (
        value * (one * cosine - two * sine) - slope * horizontal,
        value * (one * sine + two * cosine) - slope * vertical,
        value * terms.first**2,
        value * terms.second**2,
        value * terms.first * terms.second * (1.0 / ratio - ratio),
        slope * terms.x,
        slope * terms.y,
        terms.envelope * terms.cosine,
        terms.envelope * terms.sine,
    )
    return np.stack([column.ravel() for column in columns], axis=1)
