"""Real rows -> int8 weights with one integer multiplier and shift a neuron."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ipvae_snn.errors import ConversionError
from ipvae_snn.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, signed_limit
from ipvae_snn.ir import MAX_SHIFT, Connection, worst_partial_sum

CLIP_RATIOS: Final = np.linspace(1.0, 0.5, 11)
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class QuantisedRows:
    """A connection and what its rounding cost.

    scale (K,): real value of one weight unit, multiplier * 2**-shift exactly.
    clipped: share of weights beyond the largest level. error (K,): root of the weighted square
    error relative to the row's weighted power. bits_used (K,): bits that the largest weight
    needs, sign included.
    """

    connection: Connection
    scale: Float64
    clipped: float
    error: Float64
    bits_used: npt.NDArray[np.int64]


def as_multiplier(
    scale: Float64, what: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Float64]:
    """Return (multiplier, shift, represented scale), each (K,), with the multiplier rounded up.

    multiplier is in [2**14, 2**15); a scale too small for the largest shift gets multiplier 0.
    Raises ConversionError where a scale is too large.
    """
    mantissa, exponent = np.frexp(scale)
    multiplier = np.ceil(mantissa * (1 << MULTIPLIER_BITS)).astype(np.int64)
    shift = MULTIPLIER_BITS - exponent.astype(np.int64)
    full = multiplier == 1 << MULTIPLIER_BITS
    multiplier, shift = (
        np.where(full, multiplier >> 1, multiplier),
        np.where(full, shift - 1, shift),
    )
    dead = (scale <= 0) | (shift > MAX_SHIFT)
    multiplier, shift = np.where(dead, 0, multiplier), np.where(dead, MAX_SHIFT, shift)
    if shift.min(initial=MAX_SHIFT) < 1:
        worst = int(shift.argmin())
        raise ConversionError(
            f"{what}: neuron {worst} needs a scale of {scale[worst]:.3g}, beyond the largest "
            f"{(1 << MULTIPLIER_BITS) - 1} / 2; train with a smaller step size, or use fewer "
            "fraction bits"
        )
    represented = multiplier * np.exp2(-shift.astype(np.float64))
    return multiplier.astype(np.int32), shift.astype(np.int32), represented


def quantise_rows(
    rows: Float64, power: Float64, bits: int, low: int, high: int, what: str
) -> QuantisedRows:
    """Round `rows` (K, J) to `bits`-bit weights; payloads lie in [low, high].

    For each row the scale is the one, among clippings from 1 to 1/2 of its largest weight, with
    the least square error weighted by `power` (J,), the payloads' mean square in calibration.
    Rows whose worst sum would leave the accumulator get a larger scale until it cannot.
    """
    largest_level = signed_limit(bits)
    peak = np.abs(rows).max(axis=1)
    weight = power / max(float(power.max(initial=0.0)), 1e-300) + 1e-9
    best = np.full(len(rows), np.inf)
    chosen = peak / largest_level
    for ratio in CLIP_RATIOS:
        scale = as_multiplier(peak * ratio / largest_level, what)[2]
        levels = _levels(rows, scale, largest_level)
        error = ((rows - levels * scale[:, None]) ** 2 * weight).sum(axis=1)
        better = error < best
        best, chosen = np.where(better, error, best), np.where(better, scale, chosen)
    limit = signed_limit(ACCUMULATOR_BITS)
    for _ in range(64):
        multiplier, shift, scale = as_multiplier(chosen, what)
        weights = _levels(rows, scale, largest_level).astype(np.int8)
        over = worst_partial_sum(weights, low, high) / limit
        if (over <= 1).all():
            break
        chosen = np.where(over > 1, scale * np.maximum(over, 1.001), scale)
    else:
        raise ConversionError(
            f"{what}: the sums of neuron {int(over.argmax())} leave the {ACCUMULATOR_BITS}-bit "
            "accumulator at every scale; lower the largest count"
        )
    real = weights * scale[:, None]
    clipped = np.abs(rows) > (largest_level + 0.5) * scale[:, None]
    row_power = (rows**2 * weight).sum(axis=1)
    lost = ((rows - real) ** 2 * weight).sum(axis=1)
    magnitude = np.abs(weights.astype(np.int64)).max(axis=1)
    return QuantisedRows(
        Connection(weights, multiplier, shift),
        scale,
        float(clipped.mean()),
        np.sqrt(lost / np.maximum(row_power, 1e-300)),
        np.where(magnitude > 0, np.floor(np.log2(np.maximum(magnitude, 1))) + 2, 0).astype(int),
    )


def _levels(rows: Float64, scale: Float64, largest_level: int) -> Float64:
    safe = np.where(scale > 0, scale, 1.0)[:, None]
    levels = np.clip(np.rint(rows / safe), -largest_level, largest_level)
    return np.where(scale[:, None] > 0, levels, 0.0)
