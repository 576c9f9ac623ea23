"""Relaxed Poisson samples on CUDA devices: counts and derivatives in one Triton kernel.

`models.relaxations` has the formulas. Each element draws its own arrivals and stops at its cutoff,
so that no tensor of arrivals exists. The noise is Philox4x32-10 (Salmon et al., SC 2011), with the
counter (element, block of four arrivals, number of the sample, 0) and a seed of 64 bits. Seed and
temperature are read from the device, so that a launch that was captured draws anew at each replay.

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
    draws = TritonDraws(u.device, relaxation)
    draws.prepare(noise.seed, temperature)
    return draws.checked(u, noise.number)


class TritonDraws:
    """Source of relaxed counts whose key and temperature lie on the device: `cuda_graphs.Draws`."""

    def __init__(self, device: torch.device, relaxation: Relaxation) -> None:
        self.relaxation = relaxation
        self.seed = torch.zeros(1, dtype=torch.int64, device=device)
        self.law = torch.zeros(2, dtype=torch.float32, device=device)  # last arrival, 1 / temp.
        self.most = torch.zeros((), dtype=torch.float32, device=device)

    def prepare(self, seed: int, temperature: float) -> None:
        """Set the noise's seed (up to 63 bits) and the temperature, and forget counted arrivals."""
        self.seed.fill_(seed)
        self.law[0].fill_(1.0 + self.relaxation.cutoff * temperature)
        self.law[1].fill_(1.0 / temperature)
        self.most.zero_()

    def sample(self, u: Tensor, number: int) -> Tensor:
        """Return the relaxed counts of sample `number`, 0 or more, at the log rates `u`."""
        # torch leaves Function.apply without types.
        result: Tensor = _Relaxed.apply(u, self, number)  # type: ignore[no-untyped-call]
        return result

    def checked(self, u: Tensor, number: int) -> Tensor:
        """Return `sample`, or raise TrainingError where the rates have run away."""
        z = self.sample(u, number)
        if self.arrivals() > MAX_MEAN_ARRIVALS:
            rates = torch.exp(u)
            raise run_away(rates.max().item(), rates.mean().item())
        return z

    def arrivals(self) -> float:
        """Return the largest mean number of arrivals of a sample since `prepare`."""
        return float(self.most)


class _Relaxed(torch.autograd.Function):
    """Sample and derivative from one kernel."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, draws: TritonDraws, number: int) -> Tensor:
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
            draws.seed,
            draws.law,
            n,
            number,
            BLOCKS=MAX_ARRIVALS // 4,
            IS_CUBIC=draws.relaxation == CUBIC,
            SIZE=BLOCK,
        )
        mean = drawn.sum(dtype=torch.int64).to(torch.float32) / n
        torch.maximum(draws.most, mean, out=draws.most)
        ctx.save_for_backward(slope)
        return z

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None, None


@triton.jit  # type: ignore[untyped-decorator] # Triton's
def arrive(bits, live, time, gap, z, slope, horizon, cold, IS_CUBIC: tl.constexpr):  # type: ignore[no-untyped-def] # Triton's
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
    seed_pointer,
    law_pointer,
    n,
    number,
    BLOCKS: tl.constexpr,
    IS_CUBIC: tl.constexpr,
    SIZE: tl.constexpr,
):
    """Draw SIZE elements: counts, derivatives, and how many arrivals they took together."""
    element = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = element < n
    seed = tl.load(seed_pointer)
    horizon, cold = tl.load(law_pointer), tl.load(law_pointer + 1)
    gap = tl.exp(-tl.load(u_pointer + element, mask=inside, other=0.0))
    time, z, slope = gap * 0.0, gap * 0.0, gap * 0.0
    live, none = inside, element * 0
    drawn = none
    block = 0
    going = tl.sum(live.to(tl.int32), 0)
    while (going > 0) & (block < BLOCKS):
        a, b, c, d = tl.philox(seed, element, none + block, none + number, none)
        drawn += live.to(tl.int32)
        live, time, z, slope = arrive(a, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        drawn += live.to(tl.int32)
        live, time, z, slope = arrive(b, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        drawn += live.to(tl.int32)
        live, time, z, slope = arrive(c, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        drawn += live.to(tl.int32)
        live, time, z, slope = arrive(d, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        going = tl.sum(live.to(tl.int32), 0)
        block += 1
    tl.store(z_pointer + element, z, mask=inside)
    tl.store(slope_pointer + element, slope, mask=inside)
    tl.store(drawn_pointer + tl.program_id(0), tl.sum(drawn, 0))
