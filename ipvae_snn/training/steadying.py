"""Lateral weights of an untied dictionary kept such that activity cannot sustain itself.

Where the symmetrised competition has negative eigenvalues, activity along their vectors gains from
itself. A conversion takes them away (`conversion.stability.steadied`), and a network that learnt to
use them then reconstructs worse. Taking them away while the network trains lets the other weights
learn without them.
"""

from typing import Final

import torch
from torch import Tensor

from ipvae_snn.config.settings import TrainConfig

ROUNDS: Final = 3  # of projection each time; a tenth of a second each for 512 neurons


def due(settings: TrainConfig, done: int) -> bool:
    """Return whether the weights are projected after `done` iterations; always at the end."""
    interval = settings.steady_interval
    return interval > 0 and (done % interval == 0 or done == settings.end)


@torch.no_grad()
def steady(lateral: Tensor, rounds: int = ROUNDS) -> None:
    """Bring lateral weights (K, K) nearer to ones without negative eigenvalues, in place.

    Each round adds the sum of |eigenvalue| v v^T over the negative eigenvalues of the symmetrised
    matrix, at the diagonal and at entries that are not 0 (alternating projections, Higham 2002).
    """
    present = (lateral != 0) | torch.eye(len(lateral), dtype=torch.bool, device=lateral.device)
    both = present.to(lateral) + present.T.to(lateral)
    # An entry without a counterpart makes the whole change of the symmetrised matrix.
    share = present * 2.0 / both.clamp(min=1.0)
    for _ in range(rounds):
        values, vectors = torch.linalg.eigh((lateral + lateral.T) / 2)
        lacking = values < 0
        if not bool(lacking.any()):
            return
        chosen = vectors[:, lacking]
        lateral.add_(share * ((chosen * -values[lacking]) @ chosen.T))
