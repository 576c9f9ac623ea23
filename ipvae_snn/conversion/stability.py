"""Proof that competition cannot run away, from the integers of a network alone (docs/numerics.md).

There are three statements.

**Rate bound**: a neuron's own spikes keep it below the rate cap, for every image and every activity
of the other neurons. It passes the cap with a probability below RATE_BOUND per step. Neurons whose
self-inhibition is so weak that even at the cap their own gain stays below EXEMPT nats per step are
exempt: they cannot overshoot, and the cap stops them. Where the cap is the soft clip with which the
network was trained, all are: in training, too, the clip is what bounds them.

**Energy**: within the rates of calibration (times ENERGY_RANGE), no pattern of activity gains more
from negative eigenvalues of the rounded competition than it loses to the constant subtracted from
every drive. So rounding cannot make activity sustain itself.

**Gain**: the linearised update does not overshoot at the calibrated mean rates.

Where one of the first two fails, self-inhibition is strengthened until it holds.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import eigh
from scipy.stats import poisson

from ipvae_snn.arrays import Float64, Int64

RATE_BOUND: Final = 1e-6  # per neuron and step
EXEMPT: Final = 1.0
ENERGY_RANGE: Final = 1.5
LARGEST_GAIN: Final = 2.0  # |1 - gain| < 1
ROUNDS: Final = 30  # of projection; a tenth of a second each for 512 neurons
LOG2E: Final = float(np.log2(np.e))
PIECES: Final = 256  # intervals of the range below the cap; bounds hold within each


@dataclass(frozen=True)
class Limits:
    """Clamps that the rate bound depends on, all integers of the network (docs/ir.md)."""

    fraction_bits: int
    extra_bits: int
    state_max: int
    excitation_max: int
    max_count: int


def clip_units(clip: float, fraction_bits: int) -> int:
    """Return a soft clip, in nats, in units of the potential, rounded down."""
    return int(clip * LOG2E * (1 << fraction_bits))


def rate_bound(own: Int64, limits: Limits) -> Float64:
    """Return the rate bound (K,): a bound on P(the potential passes state_max in a step).

    own (K,): what a spike of the neuron subtracts from its own update, in units of the current. A
    potential v passes the cap only if excitation_max - own z lifts it there, so only if the
    count z ~ Poisson(2**v) is small enough. The largest such probability over every v is bounded
    interval by interval, with the rate of the lower end and the lift of the upper end.
    """
    octave, fine = 1 << limits.fraction_bits, 1 << limits.extra_bits
    lift = limits.excitation_max
    edges = np.unique(np.rint(np.linspace(limits.state_max - lift, limits.state_max, PIECES + 1)))
    low, high = edges[:-1], edges[1:]
    # One unit more than the lift, for the rounding of the update.
    spare = (lift - (limits.state_max - high) + 1) * fine
    safe = np.maximum(own, 1)[:, None]
    few = np.floor(spare[None] / safe)
    chance = poisson.cdf(few, 2.0 ** (low / octave)[None])
    passes = np.where((few >= limits.max_count) | (own[:, None] == 0), 1.0, chance)
    worst: Float64 = passes.max(axis=1)
    return worst


def least_own_inhibition(limits: Limits, most: int) -> int:
    """Return the least `own` for which the rate bound holds; most + 1 if none up to `most` does."""
    below, above = 0, most + 1
    while above - below > 1:
        middle = (below + above) // 2
        holds = rate_bound(np.array([middle]), limits)[0] <= RATE_BOUND
        below, above = (below, middle) if holds else (middle, above)
    return above


@dataclass(frozen=True)
class RequiredInhibition:
    """Self-inhibition that the rate bound requires, in units of the potential per spike.

    At least `least`, unless it is below `exempt`, EXEMPT nats at the rate cap.
    """

    least: float
    exempt: float

    def strengthened(self, own: Float64) -> Float64:
        """Return the self-inhibitions (K,), strengthened where the rate bound requires it."""
        return np.where(own < self.exempt, own, np.maximum(own, self.least))


def energy_margin(competition: Float64, threshold: Float64, rates: Float64) -> float:
    """Return the smallest eigenvalue of sym(competition) + diag(2 threshold / rates).

    competition (K, K): inhibition per spike, self-inhibition included. threshold (K,): the constant
    subtracted from each drive, in the same unit per step. rates (K,): spikes per step. If the
    eigenvalue is not negative, r'Cr / 2 + threshold'r >= 0 for every r with 0 <= r_k <= rates_k:
    the energy of activity without its input, whose gradient the update follows, is never negative.
    """
    symmetric = (competition + competition.T) / 2
    safe = np.maximum(rates, 1e-9)
    return smallest_eigenvalue(symmetric + np.diag(2 * threshold / safe))


def steadied(
    competition: Float64, threshold: Float64, rates: Float64, rounds: int = ROUNDS
) -> Float64:
    """Return competition (K, K) nearer to one whose energy margin is not negative.

    As `energy_margin` does, for weights that are sparse by themselves and not a Gram matrix. Each
    round adds what the matrix lacks, the sum of |eigenvalue| v v^T over the negative ones, at the
    diagonal and at entries that are not 0 (alternating projections, Higham 2002). What remains is
    far less than the smallest eigenvalue, which every neuron would else add to its inhibition.
    """
    present = (competition != 0) | np.eye(len(competition), dtype=bool)
    # An entry without a counterpart makes the whole change of the symmetrised matrix.
    share = present * 2.0 / np.maximum(present.astype(np.float64) + present.T, 1.0)
    own, result = np.diag(2 * threshold / np.maximum(rates, 1e-9)), competition.copy()
    for _ in range(rounds):
        values, vectors = eigh((result + result.T) / 2 + own)
        lacking = values < 0
        if not lacking.any():
            break
        chosen = vectors[:, lacking]
        result += share * ((chosen * -values[lacking]) @ chosen.T)
    return result


def loop_gain(competition: Float64, rates: Float64) -> float:
    """Return the largest eigenvalue of sqrt(r) C sqrt(r), C symmetrised, in nats per spike."""
    root = np.sqrt(rates)
    scaled = root[:, None] * (competition + competition.T) / 2 * root
    last = len(root) - 1
    return float(eigh(scaled, eigvals_only=True, subset_by_index=[last, last])[0])


def smallest_eigenvalue(symmetric: Float64) -> float:
    """Return the smallest eigenvalue of a symmetric matrix."""
    return float(eigh(symmetric, eigvals_only=True, subset_by_index=[0, 0])[0])
