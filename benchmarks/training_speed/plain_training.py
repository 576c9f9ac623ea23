"""The plain formulation of iP-VAE training: the baseline of training_speed.

Written from the formulas of Vafaii, Galor and Yates (NeurIPS 2025): each step computes the
prediction in pixels and draws one relaxed sample for the inference and another one for the loss,
each with a fixed number of arrivals. Automatic differentiation computes the gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from scipy import stats
from torch import Tensor

from ipvae_snn.errors import TrainingError
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson_samples import relaxed_poisson_plain
from ipvae_snn.training.objective import REFERENCE_PIXELS, Unrolled
from ipvae_snn.training.unrolling import Unrolling

LEAST_ARRIVALS: Final = 10
QUANTILE: Final = 1.0 - 1e-3
# Tensors (n_exp, B, K) that automatic differentiation keeps of each sample: the exponentials,
# which multiply the intervals, and the sigmoids.
KEPT_TENSORS: Final = 2
GIBIBYTE: Final = 1 << 30

Sample = Callable[[Tensor], Tensor]


def fixed_arrivals(u: Tensor) -> int:
    """Return n_exp for log rates u: the 1 - 1e-3 quantile of the largest rate, at least 10."""
    rate = torch.exp(u.detach().double().max()).item()
    return max(LEAST_ARRIVALS, int(stats.poisson.ppf(QUANTILE, rate)))


@dataclass
class FixedSampler:
    """Relaxed samples from a fixed number of arrivals; counts what it draws.

    memory: bytes that the samples of one iteration may keep. arrivals: the largest n_exp so far,
    and kept: the bytes that are kept in this iteration.
    """

    generator: torch.Generator
    temperature: float
    memory: float
    arrivals: int = 0
    kept: int = 0

    def __call__(self, u: Tensor) -> Tensor:
        """Return a sample, of the shape of the log rates; raise TrainingError out of memory."""
        n = fixed_arrivals(u)
        self.arrivals = max(self.arrivals, n)
        self.kept += KEPT_TENSORS * n * u.numel() * u.element_size()
        if self.kept > self.memory:
            raise TrainingError(
                f"the plain formulation ran out of memory: a sample of rates up to "
                f"{torch.exp(u.detach().max()).item():.4g} spikes per step takes n_exp = {n} "
                f"arrivals, and samples kept {self.kept / GIBIBYTE:.1f} GiB in one iteration "
                f"(limit {self.memory / GIBIBYTE:.1f}); lengthen the warm-up, or raise --memory"
            )
        times = torch.empty(n, *u.shape, dtype=u.dtype).uniform_(generator=self.generator)
        # -log(1 - U) takes a fifth of exponential_()'s time; the baseline uses it too.
        exponentials = times.neg_().add_(1.0).log_().neg_()
        return relaxed_poisson_plain(u, self.temperature, exponentials)


def plain_loss(
    p: Parameters, x: Tensor, sample: Sample, beta: float, unrolling: Unrolling
) -> Unrolled:
    """Return the loss on images x (B, M), as `training.objective.unrolled_loss` does.

    sample(u) is called twice per step, for the inference and for the loss. Of `unrolling` the
    number of steps, the clips and the KL form are used; several updates per step are not.
    """
    kl_form = poisson.KL_FORMS["code" if unrolling.code_form else "exact"]
    u = p.u0.expand(len(x), -1)
    nll, kl = x.new_zeros(()), x.new_zeros(())
    for _ in range(unrolling.steps):
        drive = linear_gaussian.drive(x, sample(u), p.phi, p.log_sigma)
        u_new = poisson.update(u, drive, p.log_bias, p.log_lr, unrolling.clip, unrolling.floor)
        shown = sample(u_new)
        nll = nll + linear_gaussian.negative_log_likelihood(x, shown, p.phi, p.log_sigma).mean()
        kl = kl + kl_form(u_new, u).mean()
        u = u_new
    nll, kl = nll / unrolling.steps, kl / unrolling.steps
    with torch.no_grad():
        rates = torch.exp(u)
    return Unrolled(
        loss=linear_gaussian.free_energy(nll, kl, beta) * REFERENCE_PIXELS / x.shape[1],
        nll=nll.detach(),
        kl=kl.detach(),
        messages=x.new_zeros(()),
        spikes=x.new_zeros(()),
        rate=rates.mean(),
        max_rate=rates.max(),
        arrivals=0.0,
    )
