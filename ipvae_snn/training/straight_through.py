"""Quantisation-aware training: weights of few bits in inference, straight-through gradients.

The straight-through estimator (Bengio, Leonard and Courville 2013; Jacob et al., CVPR 2018). Every
row is rounded to the nearest level at the clipping with the least squared error, which is cheap
enough for every iteration. Conversion compensates rounding errors (`conversion.quantise`).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.kernels.rounding import round_rows
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.training.unrolling import Rounded

CLIP_RATIOS: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)  # as in conversion.quantise


@dataclass(frozen=True)
class FakeRounding:
    """Rounding of matrices to `bits` signed bits, with one scale per row.

    active (n,): the pixels that differ between training images. The integer network has only these.
    The others must not distort a row's scale: the learnt noise of a pixel that never changes is
    almost 0. mean (M,): the images' mean, whose rounding error the integer network's bias
    compensates.
    """

    bits: int
    active: Tensor
    mean: Tensor

    @classmethod
    def of(cls, images: Tensor, bits: int) -> "FakeRounding":
        """Return the rounding for training images (N, M) or sequences (N, F, M)."""
        pixels = images.reshape(-1, images.shape[-1])
        active = torch.nonzero(pixels.amax(0) > pixels.amin(0)).reshape(-1)
        return cls(bits, active, pixels.mean(0))

    @torch.no_grad()
    def __call__(self, p: DenseDictionary, frames: Tensor, G: Tensor) -> Rounded:
        """Return G (K, K) and the drive of frames (F, B, M), rounded for inference.

        The diagonal is not rounded, as the integer network's self-inhibition is not.
        """
        phi, log_sigma = p.phi[self.active], p.log_sigma.reshape(-1)[self.active]
        if len(phi) < len(p.phi):
            G = linear_gaussian.gram(phi, log_sigma)
        own = torch.diagonal(G)
        back = rounded_rows(G - torch.diag(own), self.bits)
        back.diagonal().copy_(own)
        feedforward = (phi * linear_gaussian.precision(log_sigma).reshape(-1, 1)).T.contiguous()
        mean = self.mean[self.active]
        pixels = frames[..., self.active] - mean
        drive = pixels @ rounded_rows(feedforward, self.bits).T + feedforward @ mean
        return Rounded(back.T.contiguous(), back, drive)


@dataclass(frozen=True)
class RoundedDictionary:
    """A dense dictionary that inference sees rounded; reconstructions use the exact one."""

    rounding: FakeRounding
    dictionary: DenseDictionary

    def __call__(self, frames: Tensor, G: Tensor) -> Rounded:
        """Return G (K, K) and the drive of frames (F, B, M), rounded for inference."""
        return self.rounding(self.dictionary, frames, G)


def straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    """Return `rounded`, with the gradient passed unchanged to `exact` of the same shape."""
    # torch leaves Function.apply without types.
    result: Tensor = _StraightThrough.apply(exact, rounded)  # type: ignore[no-untyped-call]
    return result


def rounded_rows(rows: Tensor, bits: int) -> Tensor:
    """Return `rows` (K, J) with every row rounded to whole multiples of its own scale.

    The multiples lie in +-(2**(bits - 1) - 1). The scale is the one, among those that clip at 1
    to 0.3 of the row's largest magnitude, with the least squared error.
    """
    levels = (1 << (bits - 1)) - 1
    if rows.device.type == "cpu":
        values = rows.detach().contiguous().numpy()
        result = np.empty_like(values)
        round_rows(values, values.dtype.type(levels), np.array(CLIP_RATIOS, values.dtype), result)
        return torch.from_numpy(result)
    return rounded_rows_plain(rows, levels)


def rounded_rows_plain(rows: Tensor, levels: int) -> Tensor:
    """Return rows rounded as in `rounded_rows`, by torch's functions, on any device."""
    peak = rows.abs().amax(1, keepdim=True)
    least, best = torch.full_like(peak, torch.inf), rows
    for ratio in CLIP_RATIOS:
        scale = peak * ratio / levels
        # A row of zeros has no scale.
        inverse = torch.where(scale > 0, 1 / scale, torch.zeros_like(scale))
        result = (rows * inverse).round_().clamp_(-levels, levels) * scale
        error = ((result - rows) ** 2).sum(1, keepdim=True)
        best = torch.where(error < least, result, best)
        least = torch.minimum(error, least)
    return best


class _StraightThrough(torch.autograd.Function):
    """Forward returns one tensor, and the gradient goes to another."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, rounded: Tensor) -> Tensor:
        return rounded.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None
