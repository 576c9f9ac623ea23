"""Relaxations of a Poisson spike count: a soft count of each arrival, with its derivative.

Arrivals of rate r come at s_n = (e_1 + ... + e_n) / r, with e_i ~ Exponential(1). The count is the
number of arrivals up to time 1; a relaxed count is sum_n c(s_n), with a derivative to u = log r of
sum_n -s_n c'(s_n).

- sigmoid: c(s) = sigmoid((1 - s) / temperature) (Vafaii, Galor and Yates, NeurIPS 2024). Its mean
  is r temperature log(1 + exp(1 / temperature)), 1.064 r at 0.5 and 1.31 r at 1.
- cubic: c(s) = p(clamp((1 - s) / (2 temperature) + 1/2, 0, 1)), p(x) = 3 x^2 - 2 x^3 (arXiv
  2602.03896). c(1 + d) + c(1 - d) = 1, so up to temperature 1 the mean is r, and so is that of the
  derivative. The variance is r (1 - 9 temperature / 35). Arrivals after 1 + temperature count 0.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import torch

from ipvae_snn.config.settings import RelaxationKind
from ipvae_snn.models.shapes import AnyShape


class Relaxation(NamedTuple):
    """A relaxation: `counts(times, temperature)` gives c(s) and -s c'(s) of arrival times.

    cutoff: arrivals after 1 + cutoff * temperature are not drawn.
    """

    cutoff: float
    counts: Callable[[AnyShape, float], tuple[AnyShape, AnyShape]]


def _sigmoid(times: AnyShape, temperature: float) -> tuple[AnyShape, AnyShape]:
    soft = torch.sigmoid((1.0 - times) / temperature)
    return soft, soft * (1.0 - soft) * times / temperature


def _cubic(times: AnyShape, temperature: float) -> tuple[AnyShape, AnyShape]:
    x = ((1.0 - times) / (2.0 * temperature) + 0.5).clamp(0.0, 1.0)
    return x * x * (3.0 - 2.0 * x), 3.0 * x * (1.0 - x) * times / temperature


# An arrival later than 1 + 6 * temperature adds less than sigmoid(-6) = 0.0025.
SIGMOID: Final = Relaxation(6.0, _sigmoid)
CUBIC: Final = Relaxation(1.0, _cubic)
RELAXATIONS: Final[Mapping[RelaxationKind, Relaxation]] = MappingProxyType(
    {"sigmoid": SIGMOID, "cubic": CUBIC}
)
