"""The training loss: free energy summed over unrolled inference, computed in Gram space."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ipvae_snn import functional
from ipvae_snn.config import KlForm
from ipvae_snn.model import Parameters

# The loss is scaled as if every image had 16x16 pixels, so that gradient limits carry over.
REFERENCE_PIXELS: Final = 256

Sample = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Unrolled:
    """Scalars of one iteration: the loss to minimise, and detached means for the log.

    nll and kl are means over batch and steps, in nats an image; rate is the mean and max_rate
    the largest rate at the last step, in spikes a neuron and step.
    """

    loss: Tensor
    nll: Tensor
    kl: Tensor
    rate: Tensor
    max_rate: Tensor


def unrolled_loss(
    parameters: Parameters,
    x: Tensor,
    sample: Sample,
    *,
    steps: int,
    beta: float,
    kl: KlForm,
    clip: float,
    floor: float,
) -> Unrolled:
    """Return the loss of `steps` updates from u0 on x (B, M).

    sample(u, t) draws spike counts (B, K) from log rates u; it is called steps + 1 times, and
    the sample of u_t serves both the loss of step t - 1 and the inference of step t. G and b are
    formed once; no step touches a tensor of pixels.
    """
    p = parameters
    kl_form = functional.KL_FORMS[kl]
    G, b = functional.gram(p.phi, p.log_sigma), functional.feed_forward(x, p.phi, p.log_sigma)
    x_squared = (x * x * functional.precision(p.log_sigma)).sum(-1)
    normaliser = functional.log_normaliser(p.log_sigma)
    u = p.u0.expand(len(x), -1)
    lateral = sample(u, 0) @ G
    nll_sum, kl_sum = x.new_zeros(()), x.new_zeros(())
    for t in range(1, steps + 1):
        u_new = functional.update(u, b - lateral, p.log_bias, p.log_lr, clip, floor)
        z = sample(u_new, t)
        lateral = z @ G
        nll = functional.gram_negative_log_likelihood(x_squared, b, z, lateral, normaliser)
        nll_sum = nll_sum + nll.mean()
        kl_sum = kl_sum + kl_form(u_new, u).mean()
        u = u_new
    nll_mean, kl_mean = nll_sum / steps, kl_sum / steps
    with torch.no_grad():
        rates = torch.exp(u)
        rate, max_rate = rates.mean(), rates.max()
    return Unrolled(
        loss=functional.free_energy(nll_mean, kl_mean, beta) * (REFERENCE_PIXELS / x.shape[1]),
        nll=nll_mean.detach(),
        kl=kl_mean.detach(),
        rate=rate,
        max_rate=max_rate,
    )
