"""Scale of stored pixel values: whole numbers and floats become [0, 1] or stay standardised."""

import warnings
from typing import Any, Final, NamedTuple

import numpy as np

from ipvae_snn.arrays import Array, Float32
from ipvae_snn.errors import DataError, DataWarning
from ipvae_snn.ir.parts import InputKind

# Limits for standardised pixels: |mean| and the range of the standard deviation.
MAX_MEAN: Final = 1.0
DEVIATIONS: Final = (0.2, 5.0)
# Whole numbers that reach no more than this are on another scale than their type's: masks of 0 and
# 1 or digits of 0 to 16 in 8 bits; 10, 12 or 13 bits in 16.
_OTHER_SCALE: Final = {255.0: 16, 65535.0: 8191}
# Of deep types, a range that is used less than this is probably 14 or 15 bits.
USUALLY_USED: Final = 0.5
# Floats in [0, 1] that use less have probably been divided twice.
LEAST_USED: Final = 0.125
# Rounding takes floats so far out of [0, 1]; beyond it, up to NEARLY, they are probably meant to be
# within, and neither these nor standardised.
ROUNDING: Final = 1e-5
NEARLY: Final = 0.1
_EIGHT_BITS: Final = 255.0
# Of bool, uint8 and uint16.
_FULL: Final = {("b", 1): 1.0, ("u", 1): _EIGHT_BITS, ("u", 2): 65535.0}
FORMS: Final = (
    "give uint8, floats in [0, 1], or standardised floats "
    f"(|mean| <= {MAX_MEAN:g}, standard deviation {DEVIATIONS[0]:g} to {DEVIATIONS[1]:g})"
)


class Values(NamedTuple):
    """Images (N, M) as stored, of one number type, and the name of each for messages.

    white: the value that their file format declares white, None where it does not say.
    """

    rows: Array
    white: float | None
    names: tuple[str, ...]

    def name(self, index: int) -> str:
        """Return the name of an image: a picture's file, or the array and the index."""
        if len(self.names) > 1 or len(self.rows) == 1:
            return self.names[index]
        return f"{self.names[0]}: image {index}"


class Scaled(NamedTuple):
    """Pixels (N, M) float32 with their kind, and the range of the stored values in words."""

    pixels: Float32
    kind: InputKind
    levels: str


def full_scale(dtype: np.dtype[Any]) -> float | None:
    """Return the value that is white in arrays of this type, None if it does not say."""
    return _FULL.get((dtype.kind, dtype.itemsize))


def scaled(values: Values, white: float = 0.0) -> Scaled:
    """Return the pixels in [0, 1] ("unit") or, of floats that are standardised, as they are.

    white: the stored value that is white, 0 for that of the file's format or number type. Raises
    DataError naming the image and its range where the scale would be a guess; DataWarning where
    it is one.
    """
    rows, name = values.rows, values.names[0]
    if rows.dtype.kind not in "biuf":
        raise DataError(f"{name}: pixels of type {rows.dtype}; {FORMS}")
    check_finite(values)
    low, high = float(rows.min()), float(rows.max())
    if white > 0:
        _check_within(values, white)
        return _unit(values, white, low, high)
    if rows.dtype.kind == "f":
        return _floats(values, low, high)
    full = values.white or full_scale(rows.dtype)
    if full is None:
        raise DataError(
            f"{name}: pixels of type {rows.dtype} from {low:g} to {high:g}, and no value is known "
            f"to be white; give --white {_likely_white(high):g} (data.white), or {FORMS}"
        )
    _check_within(values, full)
    if full > 1:
        _check_used(values, high, full)
    return _unit(values, full, low, high)


def _unit(values: Values, white: float, low: float, high: float) -> Scaled:
    pixels = unit_pixels(values.rows, white)
    return Scaled(pixels, "unit", f"{low:g}..{high:g} of {white:g}")


def unit_pixels(rows: Array, white: float) -> Float32:
    """Return stored values divided by `white`, in [0, 1]; of floats, rounding beyond is cut off."""
    if rows.dtype == np.uint8:
        pixels = np.divide(rows, np.float32(white), dtype=np.float32)
    else:
        pixels = (rows.astype(np.float64) / white).astype(np.float32)
    return np.clip(pixels, 0, 1, out=pixels)


def _floats(values: Values, low: float, high: float) -> Scaled:
    rows = values.rows
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        if 0 < high < LEAST_USED:
            warnings.warn(
                f"{values.names[0]}: floats up to {high:.3g}, where 1 is white; scale them if they "
                "are not that dark",
                DataWarning,
                stacklevel=2,
            )
        pixels = np.ascontiguousarray(np.clip(rows, 0, 1), dtype=np.float32)
        return Scaled(pixels, "unit", f"{low:.3g}..{high:.3g} of 1")
    outside = ((rows < 0) | (rows > 1)).any(axis=1)
    subject = values.name(int(np.argmax(outside)))
    if low > -NEARLY and high <= 1 + NEARLY:
        raise DataError(
            f"{subject}: pixels from {low:.9g} to {high:.9g}, nearly in [0, 1] but not within, so "
            "they are neither that nor standardised; clip them to [0, 1]"
        )
    # Scaled first, so that the sums of very large values stay finite.
    largest = max(abs(low), abs(high))
    part = rows.astype(np.float64) / largest
    mean, deviation = float(part.mean()) * largest, float(part.std()) * largest
    require_standardised(values.names[0], low, high, mean, deviation)
    return Scaled(
        np.ascontiguousarray(rows, dtype=np.float32),
        "standardised",
        f"standardised, {low:.3g}..{high:.3g}",
    )


def require_standardised(
    subject: str, low: float, high: float, mean: float, deviation: float
) -> None:
    """Raise DataError unless floats outside [0, 1] have the range and moments of standardised ones.

    Standardised pixels have zero mean, so that some are negative.
    """
    standard = abs(mean) <= MAX_MEAN and DEVIATIONS[0] <= deviation <= DEVIATIONS[1]
    if low >= 0 or not standard:
        raise DataError(
            f"{subject}: pixels from {low:.3g} to {high:.3g}, mean {mean:.3g}, standard "
            f"deviation {deviation:.3g}; {FORMS}"
        )


def check_finite(values: Values) -> None:
    """Raise DataError for the first image with NaN or infinite pixels."""
    finite = np.isfinite(values.rows).all(axis=1)
    if not finite.all():
        raise DataError(
            f"{values.name(int(np.argmin(finite)))} holds NaN or infinite pixels; "
            "clean the data first"
        )


def _check_within(values: Values, white: float) -> None:
    slack = ROUNDING * white if values.rows.dtype.kind == "f" else 0.0
    outside = ((values.rows < -slack) | (values.rows > white + slack)).any(axis=1)
    if outside.any():
        index = int(np.argmax(outside))
        row = values.rows[index]
        raise DataError(
            f"{values.name(index)}: pixels from {float(row.min()):g} to {float(row.max()):g}, "
            f"outside 0 (black) to {white:g} (white); give another --white "
            "(data.white), or correct them"
        )


def _check_used(values: Values, high: float, full: float) -> None:
    """Refuse whole numbers that use little of their range; warn of deep ones that use half."""
    where = values.name(int(values.rows.max(axis=1).argmax()))
    likely = _likely_white(high)
    if 0 < high <= _OTHER_SCALE.get(full, full / 8):
        raise DataError(
            f"{where}: the largest value of all is {high:g}, nearly black where {full:g} is white; "
            f"divide by {likely:g} and save floats in [0, 1], or give --white {likely:g} "
            f"(data.white; {full:g} if they are that dark)"
        )
    if full > _EIGHT_BITS and 0 < high < USUALLY_USED * full:
        warnings.warn(
            f"{where}: the largest value of all is {high:g}, and {full:g} is taken as white; "
            f"give --white {likely:g} (data.white) if they have fewer bits",
            DataWarning,
            stacklevel=2,
        )


def _likely_white(high: float) -> float:
    """Return the full scale that values up to `high` probably have: 2^n, if met, or 2^n - 1."""
    if high < 1:
        return 1.0
    bits = int(high).bit_length()
    return float(high if high == 1 << (bits - 1) else (1 << bits) - 1)
