"""Passes of an update of Poisson latents for a stack of networks: one Triton kernel each way.

The formulas are those of `kernels.training`, the passes on the CPU: an update, a relaxed sample
(`triton_samples`), and their gradients. A kernel does the work of a step except its matrix product,
for all elements of (E, B, K): networks, images, neurons. Histories are (E, N, B, K), so that the
gradient of the lateral weights is one product over all steps. With TRITON_INTERPRET=1 they run on
the CPU, for tests.
"""

from dataclasses import dataclass
from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from ipvae_snn.config.settings import RelaxationKind
from ipvae_snn.models.poisson_samples import MAX_ARRIVALS
from ipvae_snn.models.relaxations import CUBIC, RELAXATIONS
from ipvae_snn.training.together.history import Constants, History
from ipvae_snn.training.triton_samples import arrive

# Elements and warps of a program. In the forward pass its elements draw arrivals until the last one
# is done, so that programs are small there.
DRAWN: Final = 32
BLOCK: Final = 256


@dataclass(frozen=True)
class PoissonPasses:
    """Passes of the iP-VAE: `history.Passes`. Its state is the log rate u.

    floor: lower bound of u and of its change, in nats. relaxation: of the counts, a name of
    `models.relaxations`. code_form: whether the KL term has the form "code".
    """

    floor: float
    relaxation: RelaxationKind
    code_form: bool
    states: tuple[str, ...] = ("u",)
    starts: tuple[str, ...] = ("u0",)
    noise: str = "slope"
    sums: tuple[str, ...] = ("log_bias", "log_lr")

    def begin(self, p: dict[str, Tensor], c: Constants, h: History) -> None:
        """Set u to u0, and draw the first counts."""
        self._launch(p, c, h, 0)

    def forward(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        """Compute update i, 1 .. T, and draw the counts after it."""
        self._launch(p, c, h, i)

    def _launch(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        n = h.b.numel()
        _forward[(triton.cdiv(n, DRAWN),)](
            *(h.states["u"], h.b, h.lateral, h.z, h.noise),
            *(p["u0"], p["log_bias"], p["log_lr"], c.scalars, c.seed),
            *(n, h.images * h.neurons, h.neurons, h.length, i, RELAXATIONS[self.relaxation].cutoff),
            FLOOR=self.floor,
            IS_FIRST=i == 0,
            IS_CUBIC=RELAXATIONS[self.relaxation] == CUBIC,
            BLOCKS=MAX_ARRIVALS // 4,
            SIZE=DRAWN,
            num_warps=1,
        )

    def backward(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        """Return through update i: from the gradients of the state after it to those before it."""
        n, g = h.b.numel(), h.gradients
        _backward[(triton.cdiv(n, BLOCK),)](
            *(h.states["u"], h.b, h.lateral, h.z, h.noise),
            *(p["log_bias"], p["log_lr"], c.scalars, c.to_fit, c.to_kl),
            *(g["u"], h.to_drive, h.competition, h.to_b, g["log_bias"], g["log_lr"]),
            *(n, h.images * h.neurons, h.neurons, h.length, i),
            FLOOR=self.floor,
            CODE_FORM=self.code_form,
            SIZE=BLOCK,
        )

    def finish(self, p: dict[str, Tensor], h: History) -> dict[str, Tensor]:
        """Return the gradients of the parameters of inference, after the first state's sample."""
        g = h.gradients
        to_u0 = g["u"] - h.competition * h.noise[:, 0]
        return {
            "u0": to_u0.sum(1, keepdim=True),
            "log_bias": -g["log_bias"].sum(1, keepdim=True) * torch.exp(p["log_bias"]),
            "log_lr": g["log_lr"].sum((1, 2)),
        }


@triton.jit  # type: ignore[untyped-decorator] # Triton's
def _forward(  # type: ignore[no-untyped-def] # Triton's
    u_pointer,
    b_pointer,
    lateral_pointer,
    z_pointer,
    slope_pointer,
    u0_pointer,
    log_bias_pointer,
    log_lr_pointer,
    scalars_pointer,
    seed_pointer,
    n,
    per_network,
    neurons,
    length,
    i,
    cutoff,
    FLOOR: tl.constexpr,
    IS_FIRST: tl.constexpr,
    IS_CUBIC: tl.constexpr,
    BLOCKS: tl.constexpr,
    SIZE: tl.constexpr,
):
    """Set u, z and slope of update i for SIZE elements."""
    element = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = element < n
    network = element // per_network
    parameter = network * neurons + element % neurons
    here = element + network * per_network * (length - 1) + i * per_network
    clip, temperature = tl.load(scalars_pointer), tl.load(scalars_pointer + 1)
    if IS_FIRST:
        u = tl.load(u0_pointer + parameter, mask=inside, other=0.0)
        gap = tl.exp(-u)
    else:
        before = here - per_network
        threshold = tl.exp(tl.load(log_bias_pointer + parameter, mask=inside, other=0.0))
        rate = tl.exp(tl.load(log_lr_pointer + network, mask=inside, other=0.0))
        drive = tl.load(b_pointer + element, mask=inside, other=0.0)
        drive -= tl.load(lateral_pointer + before, mask=inside, other=0.0)
        wanted = clip - tl.maximum(rate * (drive - threshold), FLOOR)
        change = clip - tl.maximum(wanted, 0.0) - tl.log(1.0 + tl.exp(-tl.abs(wanted)))
        u = tl.load(u_pointer + before, mask=inside, other=0.0) + change
        u = tl.maximum(u, FLOOR)
        u -= tl.log(1.0 + tl.exp(u - clip))
        gap = tl.exp(-u)
    tl.store(u_pointer + here, u, mask=inside)
    seed = tl.load(seed_pointer)
    horizon, cold = 1.0 + cutoff * temperature, 1.0 / temperature
    time, z, slope = gap * 0.0, gap * 0.0, gap * 0.0
    live, none = inside, element * 0
    block = 0
    going = tl.sum(live.to(tl.int32), 0)
    while (going > 0) & (block < BLOCKS):
        first, second, third, fourth = tl.philox(seed, element, none + block, none + i, none)
        live, time, z, slope = arrive(first, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        live, time, z, slope = arrive(second, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        live, time, z, slope = arrive(third, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        live, time, z, slope = arrive(fourth, live, time, gap, z, slope, horizon, cold, IS_CUBIC)
        going = tl.sum(live.to(tl.int32), 0)
        block += 1
    tl.store(z_pointer + here, z, mask=inside)
    tl.store(slope_pointer + here, slope, mask=inside)


@triton.jit  # type: ignore[untyped-decorator] # Triton's
def _backward(  # type: ignore[no-untyped-def] # Triton's
    u_pointer,
    b_pointer,
    lateral_pointer,
    z_pointer,
    slope_pointer,
    log_bias_pointer,
    log_lr_pointer,
    scalars_pointer,
    to_fit_pointer,
    to_kl_pointer,
    to_u_pointer,
    to_drive_pointer,
    competition_pointer,
    to_b_pointer,
    spent_pointer,
    to_lr_pointer,
    n,
    per_network,
    neurons,
    length,
    i,
    FLOOR: tl.constexpr,
    CODE_FORM: tl.constexpr,
    SIZE: tl.constexpr,
):
    """Return through update i for SIZE elements; lateral becomes the factor of G's gradient."""
    element = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = element < n
    network = element // per_network
    parameter = network * neurons + element % neurons
    here = element + network * per_network * (length - 1) + i * per_network
    before = here - per_network
    clip = tl.load(scalars_pointer)
    to_fit = tl.load(to_fit_pointer + i)
    to_kl = tl.load(to_kl_pointer + network, mask=inside, other=0.0)
    u, old = tl.load(u_pointer + here, mask=inside), tl.load(u_pointer + before, mask=inside)
    b = tl.load(b_pointer + element, mask=inside)
    z = tl.load(z_pointer + here, mask=inside)
    to_drive = tl.load(to_drive_pointer + element, mask=inside)
    to_z = to_fit * (tl.load(lateral_pointer + here, mask=inside) - b)
    to_z -= tl.load(competition_pointer + element, mask=inside)
    g = tl.load(to_u_pointer + element, mask=inside)
    g += to_z * tl.load(slope_pointer + here, mask=inside)
    tl.store(lateral_pointer + here, 0.5 * to_fit * z - to_drive, mask=inside)
    rate, d = tl.exp(u), u - old
    if CODE_FORM:
        grow = tl.exp(d)
        g += to_kl * rate * (1.0 + grow * (d + d - 1.0))
        to_old = -to_kl * rate * grow * d
    else:
        g += to_kl * rate * d
        to_old = to_kl * rate * (tl.exp(-d) - 1.0)
    threshold = tl.exp(tl.load(log_bias_pointer + parameter, mask=inside))
    step = tl.exp(tl.load(log_lr_pointer + network, mask=inside))
    scaled = step * (b - tl.load(lateral_pointer + before, mask=inside) - threshold)
    # The clipped floor, and a few rounding errors more: below it, nothing passes.
    clipped = FLOOR - tl.log(1.0 + tl.exp(FLOOR - clip))
    lowest = clipped - 1e-6 * clipped
    g = tl.where(u > lowest, g * (1.0 - rate * tl.exp(-clip)), 0.0)
    to_change = tl.where(scaled >= FLOOR, g / (1.0 + tl.exp(scaled - clip)), 0.0)
    new_to_drive = step * to_change
    tl.store(to_u_pointer + element, g + to_old, mask=inside)
    tl.store(to_drive_pointer + element, new_to_drive, mask=inside)
    to_b = tl.load(to_b_pointer + element, mask=inside) + new_to_drive - to_fit * z
    tl.store(to_b_pointer + element, to_b, mask=inside)
    spent = tl.load(spent_pointer + element, mask=inside) + new_to_drive
    tl.store(spent_pointer + element, spent, mask=inside)
    to_lr = tl.load(to_lr_pointer + element, mask=inside) + to_change * scaled
    tl.store(to_lr_pointer + element, to_lr, mask=inside)
