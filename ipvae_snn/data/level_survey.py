"""Scale of images that are read chunk by chunk: surveyed over all of them, then applied to each.

The decision is that of `levels.scaled` on all images at once: it depends on the smallest and the
largest value, and of standardised floats on mean and deviation, all of which are gathered here.
"""

from typing import Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.data.levels import (
    NEARLY,
    ROUNDING,
    Values,
    check_finite,
    full_scale,
    require_standardised,
    scaled,
    unit_pixels,
)
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.metrics.moments import NONE, Moments

_FLOAT: Final = "f"


class Scale(NamedTuple):
    """How stored values become pixels; white: the value that is white, 0 of standardised floats."""

    kind: InputKind
    white: float
    levels: str

    def pixels(self, rows: Array) -> Float32:
        """Return the pixels (N, M) of stored values (N, M)."""
        if self.kind == "unit":
            return unit_pixels(rows, self.white)
        return np.ascontiguousarray(rows, dtype=np.float32)


class _Row(NamedTuple):
    """An image (M,) as stored, its name, and the value that it was kept for."""

    values: Array
    name: str
    value: float


class Survey:
    """Range and moments of images that come chunk by chunk."""

    def __init__(self, white: float = 0.0) -> None:
        self.white = white
        self._darkest: _Row | None = None
        self._brightest: _Row | None = None
        self._moments: Moments = NONE

    def add(self, values: Values) -> None:
        """Take a chunk into account; DataError for the first image that is not finite."""
        rows = values.rows
        if rows.dtype.kind in "biuf":  # `scale` refuses others
            check_finite(values)
            self._keep(values)
        else:
            self._darkest = self._brightest = _Row(rows[0], values.name(0), 0.0)
        if rows.dtype.kind == _FLOAT:
            with np.errstate(over="ignore", invalid="ignore"):  # such values are refused
                part = Moments.of(rows.astype(np.float64).ravel())
                self._moments = self._moments.merged(part)

    def _keep(self, values: Values) -> None:
        low, high = values.rows.min(axis=1), values.rows.max(axis=1)
        dark, bright = int(low.argmin()), int(high.argmax())
        if self._darkest is None or float(low[dark]) < self._darkest.value:
            self._darkest = _row(values, dark, float(low[dark]))
        if self._brightest is None or float(high[bright]) > self._brightest.value:
            self._brightest = _row(values, bright, float(high[bright]))

    def scale(self, subject: str) -> Scale:
        """Return the scale of all images; raises and warns as `levels.scaled` does.

        The image in a message is the darkest or the brightest. subject: name of all of them.
        """
        dark, bright = self._darkest, self._brightest
        assert dark is not None  # a source without images has been refused
        assert bright is not None
        within = dark.value >= -ROUNDING and bright.value <= 1 + ROUNDING
        if dark.values.dtype.kind == _FLOAT and self.white == 0 and not within:
            return self._standardised(subject, dark, bright)
        both = Values(np.stack([dark.values, bright.values]), None, (dark.name, bright.name))
        found = scaled(both, self.white)
        white = self.white or full_scale(dark.values.dtype) or 1.0
        return Scale(found.kind, white, found.levels)

    def _standardised(self, subject: str, dark: _Row, bright: _Row) -> Scale:
        if dark.value > -NEARLY and bright.value <= 1 + NEARLY:
            scaled(Values(np.stack([dark.values, bright.values]), None, (dark.name, bright.name)))
        low, high = dark.value, bright.value
        deviation = (self._moments.squares / self._moments.n) ** 0.5
        require_standardised(subject, low, high, self._moments.mean, deviation)
        return Scale("standardised", 0.0, f"standardised, {low:.3g}..{high:.3g}")


def _row(values: Values, index: int, value: float) -> _Row:
    return _Row(values.rows[index].copy(), values.name(index), value)
