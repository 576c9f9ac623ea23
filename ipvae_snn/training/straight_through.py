"""Quantisation-aware training: inference sees weights of few bits, gradients pass straight on.

The straight-through estimator (Bengio, Leonard and Courville 2013; Jacob et al., CVPR 2018). Here
every row is rounded to the nearest level at the clipping with the least squared error, which is
cheap enough for every iteration; conversion rounds with compensated errors (`quantise`).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.kernels.rounding import round_rows
from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.training.unrolled import Rounded

CLIP_RATIOS: Final = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)  # those of conversion, `quantise`


@dataclass(frozen=True)
class FakeRounding:
    """How matrices are rounded: to `bits` signed bits, a scale for every row.

    active (n,): the pixels that differ between training images. The program has no others, and
    they must not spoil a row's scale: the noise of a pixel that never changes is learnt to be
    almost 0. mean (M,): the images' mean, whose rounding error the program's bias takes back.
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
        """Return what inference sees of G (K, K) and of frames (F, B, M).

        The diagonal stays as it is, as the program's self-inhibition does.
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


def straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    """Return `rounded`, whose gradient goes to `exact` of the same shape as it is."""
    # torch leaves Function.apply without types.
    # torch leaves apply untyped
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
    """Return the same by torch's own functions, for any device."""
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
    """Forward is one tensor, and backward goes to another."""

    @staticmethod
    def forward(ctx: Any, exact: Tensor, rounded: Tensor) -> Tensor:
        return rounded.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None
