"""Poisson spike counts in torch: relaxed with a gradient for training, or exact.

The relaxed sample counts arrivals softly: `models.relaxations` has the formulas.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

import torch
from torch import Tensor

from ipvae_snn.errors import TrainingError
from ipvae_snn.models.relaxations import SIGMOID, Relaxation
from ipvae_snn.models.shapes import AnyShape

# Most arrivals of one element before training stops: the clip's rate of e^10 times the horizon at
# the highest temperature. One such neuron costs little; many of them exceed the mean limit first.
MAX_ARRIVALS: Final = 262_144
# Most arrivals per element on average before training stops: no useful code is that dense.
MAX_MEAN_ARRIVALS: Final = 256
# Arrivals drawn in one call: few elements stay active for long, and these are drawn in blocks.
BLOCK: Final = 4_096

Elements = Annotated[Tensor, "elements"]
Draw = Callable[[Tensor | None, int, int], Tensor]


def generator_draw(shape: torch.Size, like: Tensor, generator: torch.Generator) -> Draw:
    """Return a source of unit-rate exponentials for elements of a tensor of `shape`.

    The source takes (index, first, count). It returns arrivals first .. first + count - 1 of the
    elements with the flat indices `index` (None: of all elements), shape (count, elements).
    """

    def draw(index: Tensor | None, first: int, count: int) -> Tensor:
        elements = shape.numel() if index is None else index.numel()
        times = torch.empty(count, elements, dtype=like.dtype, device=like.device)
        # -log(1 - U) takes a fifth of exponential_()'s time; 1 - U is exact and never 0.
        return times.uniform_(generator=generator).neg_().add_(1.0).log_().neg_()

    return draw


def relaxed_poisson(
    u: AnyShape, temperature: float, draw: Draw, relaxation: Relaxation = SIGMOID
) -> AnyShape:
    """Return relaxed spike counts at the log rates `u`, with a gradient to `u`.

    Arrivals are drawn only for elements whose time has not passed the relaxation's cutoff. This
    takes about 1 + rate draws per element, and no tensor of size (arrivals, B, K) is kept. Raises
    TrainingError where the rates have run away.
    """
    # torch leaves Function.apply without types.
    result: Tensor = _RelaxedPoisson.apply(u, temperature, draw, relaxation)  # type: ignore[no-untyped-call]
    return result


def relaxed_poisson_plain(
    u: AnyShape,
    temperature: float,
    exponentials: Annotated[Tensor, "arrivals *shape"],
    relaxation: Relaxation = SIGMOID,
) -> AnyShape:
    """Return relaxed spike counts by the formula itself, from unit exponentials."""
    arrivals = torch.cumsum(exponentials * torch.exp(-u), dim=0)
    return relaxation.counts(arrivals, temperature)[0].sum(0)


def exact_poisson(u: AnyShape, generator: torch.Generator) -> AnyShape:
    """Return integer-valued spike counts ~ Poisson(exp(u)), of the dtype of `u`."""
    return torch.poisson(torch.exp(u), generator=generator)


class _RelaxedPoisson(torch.autograd.Function):
    """Sample and derivative dz/du in one pass."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, temperature: float, draw: Draw, relaxation: Relaxation
    ) -> Tensor:
        z, slope = _count_arrivals(u.reshape(-1), temperature, draw, relaxation)
        ctx.save_for_backward(slope.view_as(u))
        return z.view_as(u)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None, None, None


def _count_arrivals(
    u: Elements, temperature: float, draw: Draw, relaxation: Relaxation
) -> tuple[Elements, Elements]:
    """Return z and dz/du for log rates `u`, all flat."""
    horizon = 1.0 + relaxation.cutoff * temperature
    z, slope = torch.zeros_like(u), torch.zeros_like(u)
    interval = torch.exp(-u)
    time = draw(None, 0, 1)[0] * interval
    index = torch.nonzero(time <= horizon).squeeze(1)
    time, interval = time[index], interval[index]
    value, weight = relaxation.counts(time, temperature)
    z[index], slope[index] = value, weight
    budget = MAX_MEAN_ARRIVALS * u.numel()
    drawn = 1
    while index.numel() > 0:
        count = max(1, min(1024, BLOCK // index.numel()))
        budget -= count * index.numel()
        if drawn + count > MAX_ARRIVALS or budget < 0:
            rates = torch.exp(u)
            raise run_away(rates.max().item(), rates.mean().item())
        times = draw(index, drawn, count) * interval
        times[0] += time
        if count > 1:
            times = times.cumsum(0)
        drawn += count
        value, weight = relaxation.counts(times, temperature)
        z[index] += value.sum(0) if count > 1 else value[0]
        slope[index] += weight.sum(0) if count > 1 else weight[0]
        time = times[-1]
        active = torch.nonzero(time <= horizon).squeeze(1)
        index, time, interval = index[active], time[active], interval[active]
    return z, slope


def run_away(max_rate: float, mean_rate: float) -> TrainingError:
    """Return the error for samples that cost too much; rates in spikes per step."""
    return TrainingError(
        f"training ran away: rates reached {max_rate:.4g} spikes per step (mean "
        f"{mean_rate:.4g}), and a sample may cost at most {MAX_ARRIVALS} arrivals per "
        f"neuron ({MAX_MEAN_ARRIVALS} on average); lower train.learning_rate, train.grad_clip or "
        "model.clip, or lengthen train.warm_up_fraction"
    )
