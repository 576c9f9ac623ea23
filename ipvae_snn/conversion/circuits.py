"""Rounded connections of either circuit, from the real matrices of a float network.

Everything is in units of the membrane potential, 2**-fraction_bits octaves, per step.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from ipvae_snn.arrays import Bool, Float64
from ipvae_snn.conversion.calibration import Calibration
from ipvae_snn.conversion.competition import Competition, MatrixCompetition
from ipvae_snn.conversion.quantise import QuantisedRows, least_salient, quantise_rows
from ipvae_snn.conversion.second_moments import WITHIN, Moments
from ipvae_snn.conversion.stability import (
    ENERGY_RANGE,
    LOG2E,
    RequiredInhibition,
    energy_margin,
    steadied,
)
from ipvae_snn.ir.parts import InputCode
from ipvae_snn.ir.start import START
from ipvae_snn.models.float_network import FloatNetwork

RESIDUAL_HEADROOM: Final = 1.25


class AnyTarget(Protocol):
    """What the limits, the bounds and the report ask of a target, of any dictionary."""

    @property
    def threshold(self) -> Float64:
        """Constant (K,) subtracted from each drive."""

    @property
    def soft(self) -> float:
        """What the soft clip subtracts."""

    @property
    def unit(self) -> float:
        """Units of the potential per nat."""

    @property
    def own(self) -> Float64:
        """Self-inhibition (K,) per spike."""

    @property
    def law(self) -> Competition:
        """The competition, as its stability is judged."""


@dataclass(frozen=True)
class Target:
    """Real matrices that the integers approximate.

    feedforward (K, M): drive per unit of pixel. competition (K, K): inhibition per spike, of which
    row i is neuron i's. dictionary (M, K): pixels per spike. All are without inactive pixels. kept:
    whether inference has weights of its own, whose zeros stay zeros. threshold (K,): constant
    subtracted from each drive. soft: what the soft clip subtracts from the drive, and again per
    spike. unit: units of the potential per nat. start (K, M): what a unit of a pixel adds to the
    first potentials; None where nothing does.
    """

    feedforward: Float64
    competition: Float64
    dictionary: Float64
    threshold: Float64
    soft: float
    unit: float
    kept: bool = False
    start: Float64 | None = None

    @property
    def law(self) -> MatrixCompetition:
        """The competition, as its stability is judged."""
        return MatrixCompetition(self.competition)

    @property
    def own(self) -> Float64:
        """Self-inhibition (K,) per spike."""
        return self.law.own


@dataclass(frozen=True)
class Rounding:
    """Weight bits of both connections, share of lateral weights set to 0, and the largest count."""

    feedforward_bits: int
    back_bits: int
    sparsity: float
    max_count: int


@dataclass(frozen=True)
class RoundedCircuit:
    """A circuit's rounded connections, with its inhibition and bias.

    back: the lateral connection, or the prediction. self_inhibition, loop_inhibition, bias (K,)
    are real numbers. competition: what the integers express, self-inhibition included.
    shift: self-inhibition added to every neuron for the energy statement. strengthened: number of
    neurons that are strengthened further for the rate bound. residual_limit: 0 for one layer.
    start: rounded synapses of a start, if there is one; start_mean (K,): what its rounding lost of
    the first potentials on average, for the neurons' own.
    """

    feedforward: QuantisedRows
    back: QuantisedRows
    self_inhibition: Float64
    loop_inhibition: Float64
    bias: Float64
    competition: Competition
    shift: float
    strengthened: int
    residual_limit: int
    start: QuantisedRows | None = None
    start_mean: float | Float64 = 0.0


def target_of(network: FloatNetwork, active: Bool, fraction_bits: int) -> Target:
    """Return the network's matrices in float64, with inactive pixels left out.

    The soft clip c - softplus(c - u) subtracts log(1 + exp(u - c)) from a potential. To first order
    this is exp(u) exp(-c), so exp(-c) per spike, since exp(u) spikes are expected. It subtracts the
    same from the update, which is near 0: exp(-c) per step.
    """
    unit = LOG2E * (1 << fraction_bits)
    phi = network.phi.astype(np.float64) * active[:, None]
    precision = np.exp(-2.0 * network.log_sigma.astype(np.float64))
    step = float(np.exp(network.log_lr)) * unit
    feedforward = step * phi.T * precision
    competition = feedforward @ phi
    own = network.dictionary.own
    if own is not None:
        feedforward = step * own.feedforward.astype(np.float64) * active
        competition = step * own.lateral.astype(np.float64)
    return Target(
        feedforward=feedforward,
        competition=competition,
        dictionary=phi,
        threshold=step * np.exp(network.log_bias.astype(np.float64)),
        soft=float(np.exp(-network.clip)) * unit,
        unit=unit,
        kept=own is not None,
        start=None if network.start is None else unit * network.start.astype(np.float64) * active,
    )


def one_layer(
    target: Target,
    calibration: Calibration,
    moments: Moments,
    code: InputCode,
    rounding: Rounding,
    required: RequiredInhibition,
) -> RoundedCircuit:
    """Return the one-layer circuit: lateral weights, then feed-forward weights that compensate.

    Rounding errors of the lateral weights, and self-inhibition added for stability, change the
    drive by a known linear function of the counts. The feed-forward weights compensate the part
    that the image predicts; the bias compensates its mean.
    """
    wanted = target.competition
    if target.kept:
        wanted = steadied(wanted, target.threshold, energy_rates(calibration))
    off_diagonal = -wanted
    np.fill_diagonal(off_diagonal, 0.0)
    lateral = quantise_rows(
        off_diagonal,
        moments.counts,
        rounding.back_bits,
        0,
        rounding.max_count,
        "lateral",
        keep_diagonal=True,
        pruned=_removed(off_diagonal, moments.counts, rounding.sparsity, target.kept),
    )
    own = np.diagonal(wanted) - lateral.kept
    competition = np.diag(own) - lateral.real
    shift = energy_shift(competition, target.threshold, calibration)
    strengthened = required.strengthened(own + shift + target.soft) - target.soft
    np.fill_diagonal(competition, strengthened)
    lost = target.competition - competition
    low, high = code.payload_range
    compensated = target.feedforward - lost @ moments.regression
    absent = target.feedforward == 0 if target.kept else None
    feedforward = quantise_rows(
        (compensated if absent is None else np.where(absent, 0.0, compensated)) * code.scale,
        moments.pixel_covariance / code.scale**2,
        rounding.feedforward_bits,
        low,
        high,
        "feedforward",
        pruned=absent,
    )
    unexpressed = target.feedforward - feedforward.real / code.scale
    compensation = unexpressed @ moments.pixel_mean - lost @ moments.count_mean
    start, start_mean = _start(target, moments, code, rounding.feedforward_bits)
    return RoundedCircuit(
        feedforward=feedforward,
        back=lateral,
        self_inhibition=strengthened + target.soft,
        loop_inhibition=np.zeros_like(own),
        bias=compensation - target.threshold - target.soft,
        competition=MatrixCompetition(competition + target.soft * np.eye(len(own))),
        shift=shift,
        strengthened=int((strengthened > own + shift + 1e-9).sum()),
        residual_limit=0,
        start=start,
        start_mean=start_mean,
    )


def _start(
    target: Target, moments: Moments, code: InputCode, bits: int
) -> tuple[QuantisedRows | None, float | Float64]:
    """Return the rounded start, and what it lost on average (K,); None and 0 where it is all 0.

    An entry that is 0 stays 0: it is no synapse.
    """
    wanted = target.start
    if wanted is None or not wanted.any():
        return None, 0.0
    low, high = code.payload_range
    covariance = moments.pixel_covariance / code.scale**2
    rows = quantise_rows(
        wanted * code.scale, covariance, bits, low, high, START, pruned=wanted == 0
    )
    return rows, (wanted - rows.real / code.scale) @ moments.pixel_mean


def _removed(rows: Float64, hessian: Float64, share: float, kept: bool) -> Bool:
    """Return which lateral weights (K, K) must be 0: the least salient share, and kept zeros."""
    pruned = least_salient(rows, hessian, share)
    absent = (rows == 0) & (np.eye(len(rows)) == 0)  # the diagonal is no synapse either way
    return pruned | absent if kept else pruned


def two_layer(
    target: Target,
    calibration: Calibration,
    moments: Moments,
    code: InputCode,
    rounding: Rounding,
    required: RequiredInhibition,
) -> RoundedCircuit:
    """Return the two-layer circuit: predictions in levels of the input, residuals fed forward.

    Errors pass through the loop, so only their mean can be compensated, in the bias.
    """
    phi, mean_counts = target.dictionary, calibration.mean_counts
    prediction = quantise_rows(
        phi / code.scale,
        moments.between + WITHIN * calibration.count_within,
        rounding.back_bits,
        0,
        rounding.max_count,
        "prediction",
    )
    unexplained = calibration.pixels * calibration.active - mean_counts @ phi.T
    unexplained = unexplained - unexplained.mean(axis=0)
    residual = unexplained.T @ unexplained / len(unexplained)
    residual += WITHIN * (phi @ calibration.count_within @ phi.T)
    limit = max(1, round(RESIDUAL_HEADROOM * calibration.largest_residual / code.scale))
    feedforward = quantise_rows(
        target.feedforward * code.scale,
        residual / code.scale**2,
        rounding.feedforward_bits,
        -limit,
        limit,
        "feedforward",
    )
    through_loop = feedforward.real @ prediction.real
    loop = np.maximum(np.diagonal(through_loop), 0.0)
    shift = energy_shift(through_loop, target.threshold, calibration)
    added = required.strengthened(loop + shift + target.soft) - loop
    competition = through_loop + np.diag(added)
    wanted = target.feedforward @ moments.pixel_mean - target.competition @ moments.count_mean
    result = feedforward.real @ (moments.pixel_mean / code.scale) - competition @ moments.count_mean
    soft_mean = target.soft * moments.count_mean
    return RoundedCircuit(
        feedforward=feedforward,
        back=prediction,
        self_inhibition=added,
        loop_inhibition=loop,
        bias=wanted - result - soft_mean - target.threshold - target.soft,
        competition=MatrixCompetition(competition),
        shift=shift,
        strengthened=int((added > shift + target.soft + 1e-9).sum()),
        residual_limit=limit,
    )


def energy_shift(competition: Float64, threshold: Float64, calibration: Calibration) -> float:
    """Return the self-inhibition that every neuron needs for the energy statement to hold."""
    return max(0.0, -energy_margin(competition, threshold, energy_rates(calibration)))


def energy_rates(calibration: Calibration) -> Float64:
    """Return the rates (K,) up to which the energy statement holds.

    ENERGY_RANGE times the rate at which a neuron's average spike is sent, E[z^2] / E[z].
    """
    mean = np.maximum(calibration.count_mean, 1e-9)
    return ENERGY_RANGE * np.maximum(calibration.count_power / mean, 1.0)
