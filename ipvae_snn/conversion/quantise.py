"""Quantise real rows to int8 weights with one integer multiplier and shift per neuron.

Weights are rounded one column after another. Each rounding error is compensated by adjusting the
weights not yet rounded, using the second moments of the payloads. This is the rule of optimal brain
surgeon, applied to quantisation by Frantar et al., GPTQ, ICLR 2023.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.linalg import cholesky

from ipvae_snn.arrays import Bool, Float64, Int8, Int32, Int64
from ipvae_snn.errors import ConversionError
from ipvae_snn.ir.bounds import worst_partial_sum
from ipvae_snn.ir.fixed_point import ACCUMULATOR_BITS, MULTIPLIER_BITS, signed_limit
from ipvae_snn.ir.parts import MAX_SHIFT, Synapses
from ipvae_snn.ir.weights import Dense
from ipvae_snn.kernels.rounding import round_with_feedback
from ipvae_snn.watcher import current_watcher

CLIP_RATIOS: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
DAMPING: Final = 0.01  # of the mean diagonal, added to a Hessian's


@dataclass(frozen=True)
class QuantisedRows:
    """A rounded connection and its rounding error.

    scale (K,): real value of one weight unit, exactly multiplier * 2**-shift. kept (K,): diagonal
    entries kept as real numbers (0 if the diagonal is rounded). clipped: share of weights beyond
    the largest level. error (K,): root of the error's power under the Hessian, relative to the
    row's own. bits_used (K,): bits that the largest weight needs, sign included.
    """

    connection: Synapses
    scale: Float64
    kept: Float64
    clipped: float
    error: Float64
    bits_used: Int64

    @property
    def real(self) -> Float64:
        """Real values (K, J) of the integers, without the kept diagonal."""
        return self.connection.matrix * self.scale[:, None]


def as_multiplier(scale: Float64, what: str) -> tuple[Int32, Int32, Float64]:
    """Return (multiplier, shift, represented scale), each (K,), with the multiplier rounded up.

    multiplier is in [2**14, 2**15). A scale too small for the largest shift gets multiplier 0.
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
    rows: Float64,
    hessian: Float64,
    bits: int,
    low: int,
    high: int,
    what: str,
    *,
    keep_diagonal: bool = False,
    pruned: Bool | None = None,
) -> QuantisedRows:
    """Round `rows` (K, J) to `bits`-bit weights; payloads lie in [low, high].

    hessian (J, J): second moments of the payloads. Each row takes the scale with the least error
    power under it, among clippings from 1 to 0.3 of its largest weight. Rows whose worst sum
    would overflow the accumulator get a larger scale, until none does. keep_diagonal: entry (i, i)
    stays a real number, `kept`, which compensates errors of its row at no cost. pruned: weights
    that must be 0.
    """
    levels = signed_limit(bits)
    peak = np.abs(rows).max(axis=1)
    feedback = _Feedback.of(rows, hessian, levels, keep_diagonal, pruned)
    best, chosen = np.full(len(rows), np.inf), peak / levels
    report = current_watcher().progress
    for passes, ratio in enumerate(CLIP_RATIOS, 1):
        scale = as_multiplier(peak * ratio / levels, what)[2]
        power = feedback.error_power(*feedback.round(scale), scale)
        better = power < best * (1 - 1e-9)
        best, chosen = np.where(better, power, best), np.where(better, scale, chosen)
        report(passes, len(CLIP_RATIOS))
    limit = signed_limit(ACCUMULATOR_BITS)
    for _ in range(64):
        multiplier, shift, scale = as_multiplier(chosen, what)
        weights, kept = feedback.round(scale)
        over = worst_partial_sum(Dense(weights), low, high) / limit
        if (over <= 1).all():
            break
        chosen = np.where(over > 1, scale * np.maximum(over, 1.001), scale)
    else:
        raise ConversionError(
            f"{what}: the sums of neuron {int(over.argmax())} overflow the {ACCUMULATOR_BITS}-bit "
            "accumulator at every scale; lower the largest count"
        )
    lost = feedback.error_power(weights, kept, scale)
    own = np.einsum("ij,jk,ik->i", rows, hessian, rows, optimize=True)
    magnitude = np.abs(weights.astype(np.int64)).max(axis=1)
    return QuantisedRows(
        Synapses.dense(weights, multiplier, shift),
        scale,
        kept,
        float((np.abs(rows) > (levels + 0.5) * scale[:, None]).mean()),
        np.sqrt(lost / np.maximum(own, 1e-300)),
        np.where(magnitude > 0, np.floor(np.log2(np.maximum(magnitude, 1))) + 2, 0).astype(int),
    )


def finer(rows: QuantisedRows, bits: int) -> QuantisedRows:
    """Return the connection with sums in units 2**bits times finer; the shift must allow it."""
    shift = rows.connection.shift - np.int32(bits)
    return replace(
        rows,
        connection=replace(rows.connection, shift=shift.astype(np.int32)),
        scale=rows.scale * 2.0**bits,
        kept=rows.kept * 2.0**bits,
    )


def least_salient(rows: Float64, hessian: Float64, share: float) -> Bool:
    """Return the least salient `share` of `rows` (K, J), the entries (i, i) excluded.

    Saliency of a weight: w**2 / [H^-1]_jj (optimal brain surgeon, Hassibi and Stork 1992).
    """
    inverse = np.linalg.inv(_damped(hessian))
    saliency = rows**2 / np.diagonal(inverse)
    off = np.eye(*rows.shape) == 0
    count = round(share * int(off.sum()))
    chosen = np.zeros(rows.shape, dtype=bool)
    if count:
        threshold = np.partition(saliency[off], count - 1)[count - 1]
        chosen[off] = saliency[off] <= threshold
    return chosen


@dataclass(frozen=True)
class _Feedback:
    """Rows with columns in rounding order, and the Cholesky factor that propagates errors."""

    rows: Float64
    hessian: Float64
    levels: int
    order: Int64
    factor: Float64
    kept: Int64
    pruned: Bool

    @classmethod
    def of(
        cls, rows: Float64, hessian: Float64, levels: int, keep: bool, pruned: Bool | None
    ) -> "_Feedback":
        damped = _damped(hessian)
        # The most powerful payloads come first, while many columns are left to compensate for them.
        order = np.argsort(-np.diagonal(damped), kind="stable")
        inverse = np.linalg.inv(damped[np.ix_(order, order)])
        position = np.argsort(order, kind="stable")
        return cls(
            rows=np.ascontiguousarray(rows[:, order]),
            hessian=hessian,
            levels=levels,
            order=order,
            factor=np.ascontiguousarray(cholesky((inverse + inverse.T) / 2, lower=False)),
            kept=position if keep else np.full(len(rows), -1),
            pruned=np.zeros(rows.shape, bool) if pruned is None else pruned[:, order].copy(),
        )

    def round(self, scale: Float64) -> tuple[Int8, Float64]:
        """Return the weights (K, J) at these scales, and the real numbers kept (K,)."""
        rounded = np.empty_like(self.rows)
        round_with_feedback(
            self.rows, scale, self.levels, self.factor, self.kept, self.pruned, rounded
        )
        weights = np.empty_like(rounded)
        weights[:, self.order] = rounded
        kept = np.zeros(len(weights))
        if (self.kept >= 0).all():
            kept = np.diagonal(weights).copy()
            np.fill_diagonal(weights, 0.0)
        return weights.astype(np.int8), kept

    def error_power(self, weights: Int8, kept: Float64, scale: Float64) -> Float64:
        """Return each row's error power (K,) under the Hessian."""
        error = weights * scale[:, None]
        if (self.kept >= 0).all():
            np.fill_diagonal(error, kept)
        error[:, self.order] -= self.rows
        power: Float64 = np.einsum("ij,ij->i", error @ self.hessian, error)
        return power


def _damped(hessian: Float64) -> Float64:
    mean = float(np.trace(hessian)) / len(hessian)
    return hessian + (DAMPING * mean + 1e-30) * np.eye(len(hessian))
