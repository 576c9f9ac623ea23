"""Exact Poisson counts from keyed 31-bit uniforms by sequential inversion, in float64 NumPy.

Float inference and the integer network draw from the same uniforms by the same rule. Their counts
can therefore be compared one by one, and sampling noise does not hide a conversion error.
"""

import math
from typing import Annotated, Final

import numpy as np

from ipvae_snn.arrays import Float64, Int32
from ipvae_snn.ir.prng import UNIFORM_BITS, uniforms
from ipvae_snn.ir.sampler import SPLIT_OCTAVES
from ipvae_snn.ir.shapes import Elements, PerImage

MAX_COUNT_PER_PART: Final = 40
MAX_LOG_RATE: Final = 10.0


def poisson_from_uniforms(
    rates: Annotated[Float64, "N K"], seed: int, images: PerImage, step: int
) -> Annotated[Int32, "N K"]:
    """Return spike counts ~ Poisson(rates) for rates in spikes per step.

    `images`, `seed` and `step` key the uniforms (see prng). With
    j = max(0, ceil(log2(rate) - 3)) the step has 2**j parts of rate / 2**j; part p has its own
    uniform U, u = (U + 0.5) / 2**31, and its count is the number of k < 40 with CDF_k <= u.
    Rates above e**10 are taken as e**10.
    """
    capped = np.minimum(rates, math.exp(MAX_LOG_RATE))
    n_parts = parts_of(capped)
    part_rate = capped / n_parts
    counts = np.zeros(rates.shape, dtype=np.int32)
    rows = np.arange(len(rates))
    part = 0
    while rows.size:
        words = uniforms(seed, images[rows], step, rates.shape[1], part)
        # Only the first part is needed everywhere; later ones where the rate is large.
        where = np.nonzero(n_parts[rows] > part)
        u = (words[where] + 0.5) / (1 << UNIFORM_BITS)
        counts[rows[where[0]], where[1]] += invert_cdf(u, part_rate[rows[where[0]], where[1]])
        part += 1
        rows = rows[(n_parts[rows] > part).any(axis=1)]
    return counts


def parts_of(rates: Annotated[Float64, "*shape"]) -> Elements:
    """Return the number of parts, a power of two, into which a step is split at these rates."""
    with np.errstate(divide="ignore"):
        log2 = np.log2(rates)
    exponents = np.maximum(0.0, np.ceil(log2 - SPLIT_OCTAVES)).astype(np.int64)
    parts: Elements = np.left_shift(np.int64(1), exponents)
    return parts


def invert_cdf(u: Annotated[Float64, "n"], rates: Annotated[Float64, "n"]) -> Annotated[Int32, "n"]:
    """Return #{k < 40 : P(count <= k) <= u} for u in (0, 1) and Poisson `rates` <= 8."""
    counts = np.zeros(u.shape, dtype=np.int32)
    index = np.arange(u.size)
    probability = np.exp(-rates)
    cumulative = probability.copy()
    for k in range(MAX_COUNT_PER_PART):
        above = np.nonzero(cumulative <= u)[0]
        if not above.size:
            break
        index, u, rates = index[above], u[above], rates[above]
        counts[index] = k + 1
        probability = probability[above] * rates / (k + 1)
        cumulative = cumulative[above] + probability
    return counts
