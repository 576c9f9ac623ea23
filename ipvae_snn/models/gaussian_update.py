"""One update of Gaussian latents with an explicit gradient: a third of what a tape would keep.

`gaussian.GaussianLatents.update` has the formulas. The noise that was drawn is a constant.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ipvae_snn.models.shapes import Number


class Clips(NamedTuple):
    """Soft clips of the mean and its change, of the log deviation, and of the latter's change."""

    mean: Number
    deviation: Number
    change: Number


def updated(
    mu: Tensor,
    xi: Tensor,
    push: Tensor,
    eps: Tensor,
    log_bias: Tensor,
    log_lr: Tensor,
    log_lr_xi: Tensor,
    clips: Clips,
) -> tuple[Tensor, Tensor]:
    """Return mu and xi (B, K) after one update.

    push (B, K): minus the reconstruction's gradient with respect to z. eps (B, K): noise of z.
    log_bias (1, K), log_lr (), log_lr_xi ().
    """
    # torch leaves Function.apply without types.
    result: tuple[Tensor, Tensor] = _Update.apply(  # type: ignore[no-untyped-call]
        mu, xi, push, eps, log_bias, log_lr, log_lr_xi, clips
    )
    return result


class _Update(torch.autograd.Function):
    """mu' = c tanh((mu + c tanh(d1 / c)) / c) with d1 = r1 (sigma^2 push - bias); xi' likewise."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor]:
        mu, xi, push, eps, log_bias, log_lr, log_lr_xi, clips = inputs
        mean, deviation, change = clips
        sigma = torch.exp(xi)
        to_mu = (sigma * sigma).mul_(push)  # sigma^2 push
        d1 = (to_mu - torch.exp(log_bias)).mul_(torch.exp(log_lr))
        d2 = (sigma * push).mul_(eps).mul_(0.5 * torch.exp(log_lr_xi))
        t1, t2 = torch.tanh(d1 / mean), torch.tanh(d2 / change)
        new_mu = torch.tanh((mean * t1).add_(mu).div_(mean))
        new_xi = torch.tanh((change * t2).add_(xi).div_(deviation))
        ctx.save_for_backward(
            sigma, to_mu, d2, t1, t2, eps, new_mu, new_xi, log_bias, log_lr, log_lr_xi
        )
        ctx.clips = clips
        return mean * new_mu, deviation * new_xi

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        sigma, to_mu, d2, t1, t2, eps, new_mu, new_xi, log_bias, log_lr, log_lr_xi = (
            ctx.saved_tensors
        )
        rate, rate_xi, bias = torch.exp(log_lr), torch.exp(log_lr_xi), torch.exp(log_bias)
        # Those of the unclipped mean and log deviation, then of their changes.
        g_mu = grads[0] * (1.0 - new_mu * new_mu)
        g_xi = grads[1] * (1.0 - new_xi * new_xi)
        g1 = (1.0 - t1 * t1).mul_(g_mu).mul_(rate)
        g2 = (1.0 - t2 * t2).mul_(g_xi)
        g_push = (g1 * sigma).addcmul_(g2, eps, value=0.5 * float(rate_xi)).mul_(sigma)
        pulled, moved = g1 * to_mu, g2.mul_(d2)
        g_xi = g_xi.addcmul_(g1, to_mu, value=2.0).add_(moved)
        g_bias = -(g1.sum(0, keepdim=True) * bias)
        g_rate = pulled.sum() + g_bias.sum()
        return g_mu, g_xi, g_push, None, g_bias, g_rate, moved.sum(), None
