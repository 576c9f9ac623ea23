"""Local receptive fields: each neuron keeps the feed-forward weights of one square of pixels.

A pixel then reaches the neurons around it alone, and a neuron's weights are read in short rows of
one length. The square is where the neuron's saliency is, and shrinks while the network trains, so
that what leaves it can be learnt elsewhere.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ipvae_snn.config.settings import TrainConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.training.schedules import linear


def side_at(settings: TrainConfig, shape: ImageShape, iteration: int) -> int:
    """Return the pixels at a side of the squares at `iteration`.

    The share of pixels outside rises as other sparsity does, along a cubic curve, until
    train.sparsity_fraction of the iterations.
    """
    largest = max(shape[:2])
    inside = min(1.0, (settings.receptive_field / largest) ** 2)
    progress = linear(iteration, settings.sparsity_fraction * settings.iterations)
    outside = (1.0 - inside) * (1.0 - (1.0 - progress) ** 3)
    return max(settings.receptive_field, math.ceil(largest * math.sqrt(1.0 - outside)))


def outside(saliency: Tensor, shape: ImageShape, side: int) -> Tensor:
    """Return True (K, M) at the pixels outside each neuron's square of `side` x `side` pixels.

    saliency (K, M) of images of `shape`. The square has the most of its power; the uppermost and
    leftmost of several.
    """
    height, width = shape[:2]
    rows, columns = min(side, height), min(side, width)
    power = saliency.square().reshape(len(saliency), height, width, -1).sum(-1)
    sums = avg_pool2d(power.unsqueeze(1).double(), (rows, columns), stride=1)[:, 0]
    best = sums.reshape(len(sums), -1).argmax(1)
    top, left = best // sums.shape[2], best % sums.shape[2]
    device = saliency.device
    down = torch.arange(height, device=device) - top[:, None]
    across = torch.arange(width, device=device) - left[:, None]
    inside = ((down >= 0) & (down < rows))[:, :, None] & ((across >= 0) & (across < columns))[
        :, None
    ]
    channels = saliency.shape[1] // (height * width)
    return ~inside.reshape(len(saliency), -1).repeat_interleave(channels, dim=1)
