"""Relaxed Poisson samples on CUDA devices: counts and derivatives in one Triton kernel.

`models.relaxations` has the formulas. Each element draws its own arrivals and stops at its cutoff,
so that no tensor of arrivals exists. The noise is Philox4x32-10 (Salmon et al., SC 2011), with the
counter (element, block of four arrivals, number of the sample, 0) and a seed of 64 bits.

Only `training.device_samples` imports this module, where it is used: triton comes with torch's CUDA
builds, and is not a requirement. With TRITON_INTERPRET=1 it runs on the CPU, for tests.
"""

from typing import Any, Final, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ipvae_snn.models.poisson_samples import MAX_ARRIVALS, MAX_MEAN_ARRIVALS, run_away
from ipvae_snn.models.relaxations import CUBIC, Relaxation

BLOCK: Final = 256  # elements of a program


class Noise(NamedTuple):
    """Key of a sample's noise: a seed of up to 63 bits, and the sample's number, 0 or more."""

    seed: int
    number: int


def relaxed_poisson_triton(
    u: Tensor, temperature: float, noise: Noise, relaxation: Relaxation
) -> Tensor:
    """Return relaxed spike counts at the log rates `u` (float32), with a gradient to `u`.

    As `poisson_samples.relaxed_poisson`, with other noise. Raises TrainingError where the rates
    have run away.
    """
    # torch leaves Function.apply without types.
    result: Tensor = _Relaxed.apply(u, temperature, noise, relaxation)  # type: ignore[no-untyped-call]
    return result


class _Relaxed(torch.autograd.Function):
    """Sample and derivative from one kernel."""

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, temperature: float, noise: Noise, relaxation: Relaxation
    ) -> Tensor:
        u = u.contiguous()
        z, slope = torch.empty_like(u), torch.empty_like(u)
        n = u.numel()
        programs = triton.cdiv(n, BLOCK)
        drawn = torch.empty(programs, dtype=torch.int32, device=u.device)
        _sample[(programs,)](
            u,
            z,
            slope,
            drawn,
            n,
            noise.seed,
            noise.number,
            1.0 + relaxation.cutoff * temperature,
            1.0 / temperature,
            BLOCKS=MAX_ARRIVALS // 4,
            IS_CUBIC=relaxation == CUBIC,
            SIZE=BLOCK,
        )
        if int(drawn.sum(dtype=torch.int64)) > MAX_MEAN_ARRIVALS * n:
            rates = torch.exp(u)
            raise run_away(rates.max().item(), rates.mean().item())
        ctx.save_for_backward(slope)
        return z

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None, None, None


@triton.jit  # type: ignore[untyped-decorator] # Triton's
def _arrive(bits, live, time, gap, z, slope, horizon, cold, IS_CUBIC: tl.constexpr):  # type: ignore[no-untyped-def] # Triton's
    """Draw the next arrival from 32 random bits, and add its soft count and derivative."""
    time -= tl.log(1.0 - (bits >> 8).to(tl.float32) * 5.9604644775390625e-8) * gap  # 2^-24
    live = live & (time <= horizon)
    if IS_CUBIC:
        x = tl.minimum(tl.maximum((1.0 - time) * cold * 0.5 + 0.5, 0.0), 1.0)
        soft = x * x * (3.0 - 2.0 * x)
        weight = 3.0 * x * (1.0 - x) * time * cold
    else:
        # An element that is done goes on with its neighbours, and its time is not bounded.
        soft = 1.0 / (1.0 + tl.exp(tl.minimum((time - 1.0) * cold, 80.0)))
        weight = soft * (1.0 - soft) * time * cold
    return live, time, z + tl.where(live, soft, 0.0), slope + tl.where(live, weight, 0.0)


@triton.jit  # type: ignore[untyped-decorator] # Triton's
def _sample(  # type: ignore[no-untyped-def] # Triton's
    u_pointer,
    z_pointer,
    slope_pointer,
    drawn_pointer,
    n,
    seed,
    number,
    horizon,
    cold,
    BLOCKS: tl.constexpr,
    IS_CUBIC: tl.constexpr,
    SIZE: tl.constexpr,
):
    """Draw SIZE elements: counts, derivatives, and how many arrivals they took together."""
    element = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = element < n
    gap = tl.exp(-tl.load(u_pointer + element, mask=inside, other=0.0))
    time, z, slope = gap * 0.0, gap * 0.0, gap * 0.0
    live, none = inside, element * 0
    drawn = none
    block = 0
    going = tl.sum(live.to(tl.int32), 0)
    while (going > 0) & (block < BLOCKS):
        a, b, c, d = tl.philox(seed, element, none + block, none + number, none)
        drawn += live.to(tl.int32)
        live, time, z, slope = _arrive(a, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        drawn += live.to(tl.int32)
        live, time, z, slope = _arrive(b, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        drawn += live.to(tl.int32)
        live, time, z, slope = _arrive(c, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        drawn += live.to(tl.int32)
        live, time, z, slope = _arrive(d, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        going = tl.sum(live.to(tl.int32), 0)
        block += 1
    tl.store(z_pointer + element, z, mask=inside)
    tl.store(slope_pointer + element, slope, mask=inside)
    tl.store(drawn_pointer + tl.program_id(0), tl.sum(drawn, 0))
