"""Proof that competition cannot run away, from the integers of a program alone (docs/numerics.md).

Three statements. **Barrier**: whatever the image and the other neurons do, a neuron's own spikes
hold it below the rate cap: it passes the cap with a probability below BARRIER a step. Neurons
that inhibit themselves so weakly that even at the cap their own gain stays below GENTLE nats a
step are let off: they cannot overshoot, and the cap stops them. **Energy**: within the rates that
calibration saw (times ENERGY_RANGE), no pattern of activity gains more by negative eigenvalues of
the rounded competition than it pays in the constant that is taken from every drive, so that
rounding cannot make activity feed itself. **Gain**: the linearised update does not overshoot at
the calibrated mean rates. The first two are mended by more self-inhibition.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import eigh
from scipy.stats import poisson

from ipvae_snn.arrays import Float64, Int64

BARRIER: Final = 1e-6  # per neuron and step
GENTLE: Final = 1.0
ENERGY_RANGE: Final = 1.5
LARGEST_GAIN: Final = 2.0  # |1 - gain| < 1
PIECES: Final = 256  # of the stretch below the cap; bounds hold within each


@dataclass(frozen=True)
class Limits:
    """The clamps that the barrier rests on, all integers of the program (docs/ir.md)."""

    fraction_bits: int
    extra_bits: int
    state_max: int
    excitation_max: int
    max_count: int


def barrier(own: Int64, limits: Limits) -> Float64:
    """Return for each neuron (K,) a bound on P(its potential passes state_max in a step).

    own (K,): what a spike of the neuron takes from its own update, in units of the current. A
    potential v passes the cap only if excitation_max - own z lifts it there, so only if the
    count z ~ Poisson(2**v) is small enough; the largest such probability over every v is taken
    piece by piece, the rate from a piece's lower end and the lift from its upper one.
    """
    octave, fine = 1 << limits.fraction_bits, 1 << limits.extra_bits
    lift = limits.excitation_max
    edges = np.unique(np.rint(np.linspace(limits.state_max - lift, limits.state_max, PIECES + 1)))
    low, high = edges[:-1], edges[1:]
    # One unit more than the lift: the update's rounding.
    spare = (lift - (limits.state_max - high) + 1) * fine
    safe = np.maximum(own, 1)[:, None]
    few = np.floor(spare[None] / safe)
    chance = poisson.cdf(few, 2.0 ** (low / octave)[None])
    passes = np.where((few >= limits.max_count) | (own[:, None] == 0), 1.0, chance)
    worst: Float64 = passes.max(axis=1)
    return worst


def least_own_inhibition(limits: Limits, most: int) -> int:
    """Return the least `own` of which the barrier holds, or most + 1 if none up to `most` does."""
    below, above = 0, most + 1
    while above - below > 1:
        middle = (below + above) // 2
        holds = barrier(np.array([middle]), limits)[0] <= BARRIER
        below, above = (below, middle) if holds else (middle, above)
    return above


@dataclass(frozen=True)
class OwnInhibition:
    """What the barrier asks of a neuron, in units of the potential a spike.

    At least `least`, unless it is below `gentle`, GENTLE nats at the rate cap.
    """

    least: float
    gentle: float

    def mend(self, own: Float64) -> Float64:
        """Return the own inhibitions (K,), raised where they must be."""
        return np.where(own < self.gentle, own, np.maximum(own, self.least))


def energy_margin(competition: Float64, threshold: Float64, rates: Float64) -> float:
    """Return the smallest eigenvalue of sym(competition) + diag(2 threshold / rates).

    competition (K, K): inhibition a spike, self-inhibition included; threshold (K,): the constant
    taken from each drive, in the same unit a step; rates (K,) spikes a step. If it is not
    negative, r'Cr / 2 + threshold'r >= 0 for every r with 0 <= r_k <= rates_k: the energy of
    activity apart from its input, whose gradient the update follows, is nowhere negative.
    """
    symmetric = (competition + competition.T) / 2
    safe = np.maximum(rates, 1e-9)
    return smallest_eigenvalue(symmetric + np.diag(2 * threshold / safe))


def loop_gain(competition: Float64, rates: Float64) -> float:
    """Return the largest eigenvalue of sqrt(r) C sqrt(r), C symmetrised, in nats a spike."""
    root = np.sqrt(rates)
    scaled = root[:, None] * (competition + competition.T) / 2 * root
    last = len(root) - 1
    return float(eigh(scaled, eigvals_only=True, subset_by_index=[last, last])[0])


def smallest_eigenvalue(symmetric: Float64) -> float:
    """Return the smallest eigenvalue of a symmetric matrix."""
    return float(eigh(symmetric, eigvals_only=True, subset_by_index=[0, 0])[0])
