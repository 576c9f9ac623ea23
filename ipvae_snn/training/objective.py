"""The training loss: free energy summed over unrolled inference, computed in Gram space."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.training.straight_through import FakeRounding, straight_through
from ipvae_snn.training.unrolled import Unrolling, unrolled_inference

# The loss is scaled as if every image had 16x16 pixels, so that gradient limits carry over.
REFERENCE_PIXELS: Final = 256

Sample = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Unrolled:
    """Scalars of one iteration: the loss to minimise, and detached means for the log.

    nll and kl are means over batch and steps, in nats an image; rate is the mean and max_rate
    the largest rate at the last step, in spikes a neuron and step; arrivals is the largest mean
    number of arrivals that a relaxed sample took an element, 0 where that was not counted.
    """

    loss: Tensor
    nll: Tensor
    kl: Tensor
    rate: Tensor
    max_rate: Tensor
    arrivals: float


def unrolled_loss(
    parameters: Parameters, x: Tensor, beta: float, how: Unrolling,
    rounding: FakeRounding | None = None,
) -> Unrolled:  # fmt: skip
    """Return the loss on x (B, M), or on F frames (B, F, M): compiled, for tensors on the CPU.

    G and b are formed once; no step touches a tensor of pixels. Memory grows with the number of
    updates by four tensors (B, K). rounding: inference sees rounded matrices, to which gradients
    pass straight through, and the loss decodes by the exact dictionary; a fifth tensor then.
    """
    p, frames = parameters, _frames(x)
    G, b = gram(p.phi, p.log_sigma), linear_gaussian.feed_forward(frames, p.phi, p.log_sigma)
    seen = None if rounding is None else rounding(p, frames, G)
    fit, kl, u, arrivals = unrolled_inference(G, b, p.u0, p.log_bias, p.log_lr, how, seen)
    return _summary(p, frames, fit, kl, u, beta, how, float(arrivals))


def unrolled_plain(
    parameters: Parameters, x: Tensor, sample: Sample, beta: float, how: Unrolling,
    rounding: FakeRounding | None = None,
) -> Unrolled:  # fmt: skip
    """Return the same by automatic differentiation of the formulas, on any device.

    sample(u, i) draws spike counts (B, K) from log rates u; it is called once for u0 (i = 0) and
    once an update, and a sample serves both the loss after update i and the inference of i + 1.
    """
    p, frames = parameters, _frames(x)
    kl_form = poisson.KL_FORMS["code" if how.code_form else "exact"]
    G, b = gram(p.phi, p.log_sigma), linear_gaussian.feed_forward(frames, p.phi, p.log_sigma)
    competition, drive = G, b
    if rounding is not None:
        seen = rounding(p, frames, G)
        competition = straight_through(G, seen.competition)
        drive = straight_through(b, seen.drive)
    u = prior = p.u0.expand(b.shape[1], -1)
    lateral = sample(u, 0) @ competition
    fit, kl = x.new_zeros(()), x.new_zeros(())
    for i in range(1, how.updates + 1):
        frame = how.frame(i, len(b))
        prior = u if how.start(i) == i - 1 else prior
        current = drive[frame] - lateral - how.leak * (u - prior) * torch.exp(-p.log_lr)
        u = poisson.update(u, current, p.log_bias, p.log_lr, how.clip, how.floor)
        z = sample(u, i)
        lateral = z @ competition
        if how.in_loss(i):
            explained = lateral if rounding is None else z @ G
            fit = fit + (z * (0.5 * explained - b[frame])).sum(-1).mean()
            kl = kl + kl_form(u, prior).mean()
    return _summary(p, frames, fit / how.steps, kl / how.steps, u, beta, how, 0.0)


def gram(phi: Tensor, log_sigma: Tensor) -> Tensor:
    """Return functional.gram, with a gradient that takes one matrix product instead of two."""
    # torch leaves Function.apply without types.
    G: Tensor = _Gram.apply(phi, log_sigma)  # type: ignore[no-untyped-call]
    return G


class _Gram(torch.autograd.Function):
    """G = phi^T S phi with S = diag(1/sigma^2): dphi = S phi (dG + dG^T)."""

    @staticmethod
    def forward(ctx: Any, phi: Tensor, log_sigma: Tensor) -> Tensor:
        ctx.save_for_backward(phi, log_sigma)
        return linear_gaussian.gram(phi, log_sigma)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        phi, log_sigma = ctx.saved_tensors
        scaled = phi * linear_gaussian.precision(log_sigma).reshape(-1, 1)
        product = phi @ (grads[0] + grads[0].T)
        grad_phi = product * linear_gaussian.precision(log_sigma).reshape(-1, 1)
        return grad_phi, -(scaled * product).sum(1).reshape(log_sigma.shape)


def _frames(x: Tensor) -> Tensor:
    """Return x (B, M) or (B, F, M) as (F, B, M)."""
    return x.unsqueeze(0) if x.dim() == 2 else x.transpose(0, 1)


def _summary(
    p: Parameters, frames: Tensor, fit: Tensor, kl: Tensor, u: Tensor, beta: float,
    how: Unrolling, arrivals: float,
) -> Unrolled:  # fmt: skip
    energy = (frames * frames * linear_gaussian.precision(p.log_sigma)).sum(-1).mean(-1)
    # Frames are seen for equally many steps but for rounding, which the weights follow.
    seen = [how.frame(i, len(frames)) for i in range(1, how.updates + 1) if how.in_loss(i)]
    weights = torch.bincount(torch.tensor(seen), minlength=len(frames)).to(energy) / how.steps
    nll = fit + 0.5 * (weights * energy).sum() + linear_gaussian.log_normaliser(p.log_sigma)
    with torch.no_grad():
        rates = torch.exp(u)
        rate, max_rate = rates.mean(), rates.max()
    scale = REFERENCE_PIXELS / frames.shape[-1]
    return Unrolled(
        loss=linear_gaussian.free_energy(nll, kl, beta) * scale,
        nll=nll.detach(),
        kl=kl.detach(),
        rate=rate,
        max_rate=max_rate,
        arrivals=arrivals,
    )
