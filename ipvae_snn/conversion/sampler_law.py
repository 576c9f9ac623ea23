"""Exact law of the integer sampler, from its thresholds, and its distance to Poisson.

Nothing here is simulated. One part's law is a vector of integers over 2**31. A step of n = 2**j
parts has its n-fold convolution, computed as the n-th power of its Fourier transform in float64.
The error of a probability stays below 1e-11, see `_total_variation`. A part's law repeats
every octave, so all states up to the largest rates take a few seconds.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.stats import poisson

from ipvae_snn.arrays import Float64, Int64
from ipvae_snn.ir.fixed_point import (
    LOG2E,
    LOG2E_BITS,
    PROBABILITY_BITS,
    RATE_BITS,
    RECIPROCAL_BITS,
    exp2_negative,
    multiply_shift,
)
from ipvae_snn.ir.sampler import MAX_PART_COUNT, SPLIT_OCTAVES, SamplerTables, part_rate, parts_log2

ONE: Final = 1 << PROBABILITY_BITS
DEFAULT_PER_OCTAVE: Final = 4096  # every state at 12 fraction bits
_MARGIN: Final = 64  # counts that a window holds beyond 8 standard deviations on either side
_CHUNK: Final = 1 << 19  # probabilities at a time; bounds the memory


def part_thresholds(potentials: Int64, fraction_bits: int, tables: SamplerTables) -> Int64:
    """Return thresholds (n, MAX_PART_COUNT): a part's count is the number that are <= its uniform.

    A threshold of 2**31 is above every uniform, so that count is never reached.
    """
    rate = part_rate(potentials, fraction_bits, tables)
    exponent = multiply_shift(rate, LOG2E, LOG2E_BITS)
    probability = exp2_negative(exponent, tables.coarse, tables.fine)
    cumulative = probability
    thresholds = np.empty((len(potentials), MAX_PART_COUNT), dtype=np.int64)
    for k in range(1, MAX_PART_COUNT + 1):
        scaled = multiply_shift(probability, rate, RATE_BITS)
        probability = multiply_shift(scaled, tables.reciprocal[k], RECIPROCAL_BITS)
        thresholds[:, k - 1] = np.where(probability > 0, np.minimum(cumulative, ONE), ONE)
        cumulative = cumulative + probability
    return thresholds


def part_law(potentials: Int64, fraction_bits: int, tables: SamplerTables) -> Int64:
    """Return the exact law (n, MAX_PART_COUNT + 1) of one part, in units of 2**-31.

    potentials (n,) in 2**-fraction_bits octaves are those of the whole step. A row sums to 2**31.
    """
    thresholds = part_thresholds(potentials, fraction_bits, tables)
    return np.diff(thresholds, axis=1, prepend=0, append=ONE)


def step_law(
    potential: int, fraction_bits: int, tables: SamplerTables, max_count: int | None = None
) -> Float64:
    """Return P(count = 0, 1, ...) of a step at one potential, for all counts that can occur.

    With `max_count`, larger counts are added to it, as the network saturates. Errors are below
    1e-11.
    """
    potentials = np.array([potential], dtype=np.int64)
    n_parts = 1 << int(parts_log2(potentials, fraction_bits)[0])
    law = part_law(potentials, fraction_bits, tables)[0] / ONE
    size = n_parts * MAX_PART_COUNT + 1  # the largest sum still fits: nothing wraps around
    length = next_fast_len(size, real=True)
    whole: Float64 = irfft(_power(rfft(law, length), n_parts), length)[:size]
    if max_count is None or max_count >= size:
        return whole
    return np.append(whole[:max_count], whole[max_count:].sum())


@dataclass(frozen=True)
class Distances:
    """Distances between the sampler's law and Poisson's at n potentials; arrays (n,).

    total_variation: half the sum of absolute differences. mean, zero: relative errors (signed)
    of the mean and of P(0). Saturation at max_count adds at most `tail_mass` to the first.
    """

    total_variation: Float64
    mean: Float64
    zero: Float64


def distances(potentials: Int64, fraction_bits: int, tables: SamplerTables) -> Distances:
    """Return the distances between a step's law and Poisson(2**(v / 2**F)) at potentials (n,)."""
    halvings = parts_log2(potentials, fraction_bits)
    law = part_law(potentials, fraction_bits, tables) / ONE
    part = np.exp2(potentials / (1 << fraction_bits) - halvings)
    mean = law @ np.arange(MAX_PART_COUNT + 1) / part - 1.0
    # n log P(0) + n rate: the two nearly cancel, so they are added for one part first.
    zero = np.expm1(np.exp2(halvings) * (np.log(law[:, 0]) + part))
    variation = np.empty(len(potentials))
    for log2 in np.unique(halvings):
        rows = np.flatnonzero(halvings == log2)
        variation[rows] = _total_variation(law[rows], part[rows], int(log2))
    return Distances(variation, mean, zero)


def _total_variation(law: Float64, part: Float64, log2: int) -> Float64:
    """Return the distances (n,) of 2**log2 parts with laws (n, counts) and rates `part` (n,).

    The difference of both characteristic functions is inverted on a window. Outside it, either law
    has less than 1e-13, which wraps around and can only make the distance smaller by that. A
    transform has modulus at most 1 and is exact to a few 2**-53, so its power is exact to 2**12
    times that.
    """
    n_parts = 1 << log2
    width = 16.0 * np.sqrt(n_parts << SPLIT_OCTAVES) if log2 else 0.0
    length = next_fast_len(int(width) + _MARGIN, real=True)
    turn = np.expm1(-2j * np.pi / length * np.arange(length // 2 + 1))
    result = np.empty(len(law))
    for start in range(0, len(law), max(_CHUNK // length, 1)):
        rows = slice(start, start + max(_CHUNK // length, 1))
        true = np.exp((n_parts * part[rows, np.newaxis]) * turn)
        difference = irfft(_power(rfft(law[rows], length), n_parts) - true, length)
        result[rows] = 0.5 * np.abs(difference).sum(axis=1)
    return result


def _power(transform: npt.NDArray[np.complex128], n: int) -> npt.NDArray[np.complex128]:
    """Return transform**n for a power of two n, by squaring."""
    for _ in range(n.bit_length() - 1):
        transform = transform * transform
    return transform


@dataclass(frozen=True)
class OctaveBound:
    """Worst distances at potentials in (top - 1, top] octaves, rates up to 2**top."""

    top: int
    total_variation: float
    mean: float
    zero: float


@dataclass(frozen=True)
class LawBounds:
    """Worst distances between the sampler's law and Poisson's, by octave.

    states: number of potentials that were computed, out of `all_states`: every stride-th one,
    counted from the upper end of each octave, and both ends of the range.
    """

    fraction_bits: int
    stride: int
    states: int
    all_states: int
    octaves: tuple[OctaveBound, ...]

    def up_to(self, top: int) -> OctaveBound:
        """Return the worst distances up to rate 2**top; zeros where no state is so low."""
        kept = [octave for octave in self.octaves if octave.top <= top]
        names = ("total_variation", "mean", "zero")
        return OctaveBound(
            top, *(max((getattr(octave, name) for octave in kept), default=0.0) for name in names)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the bounds as JSON-ready data."""
        return asdict(self)


@lru_cache(maxsize=16)
def law_bounds(
    fraction_bits: int, state_min: int, state_max: int, per_octave: int = DEFAULT_PER_OCTAVE
) -> LawBounds:
    """Return the worst distances over states state_min..state_max, `per_octave` (2**i) per octave.

    All states are computed where per_octave >= 2**fraction_bits.
    """
    tables = SamplerTables()
    stride = max((1 << fraction_bits) // per_octave, 1)
    regular = np.arange(-(-state_min // stride) * stride, state_max + 1, stride, dtype=np.int64)
    potentials = np.unique(np.concatenate([regular, [state_min, state_max]]))
    result = distances(potentials, fraction_bits, tables)
    tops = -((-potentials) >> fraction_bits)
    octaves = []
    for top in np.unique(tops):
        rows = tops == top
        columns = (result.total_variation, result.mean, result.zero)
        octaves.append(
            OctaveBound(int(top), *(float(np.abs(column[rows]).max()) for column in columns))
        )
    all_states = state_max - state_min + 1
    return LawBounds(fraction_bits, stride, len(potentials), all_states, tuple(octaves))


def tail_mass(rate: float, max_count: int) -> float:
    """Return P(Poisson(rate) > max_count), the most that saturation adds to the total variation."""
    return float(poisson.sf(max_count, rate))
