"""Passes of an update of Gaussian latents for a stack of networks: one Triton kernel each way.

The formulas are those of `models.gaussian` and `models.gaussian_update`; the layout and the order
of the passes are those of `poisson_passes`.
"""

from dataclasses import dataclass
from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from ipvae_snn.models.gaussian import DEVIATION_CHANGE_GROWTH, DEVIATION_GROWTH
from ipvae_snn.training.together.history import Constants, History

BLOCK: Final = 256  # elements of a program
GROWTH: Final = DEVIATION_GROWTH
CHANGE_GROWTH: Final = DEVIATION_CHANGE_GROWTH


@dataclass(frozen=True)
class GaussianPasses:
    """Passes of the iG-VAE, or of the iG_relu-VAE where latents are rectified: `history.Passes`.

    The state is a mean mu and a log deviation xi.
    """

    rectified: bool
    states: tuple[str, ...] = ("mu", "xi")
    starts: tuple[str, ...] = ("mu0", "xi0")
    noise: str = "eps"
    sums: tuple[str, ...] = ("log_bias", "log_lr", "log_lr_xi", "log_gain")

    def begin(self, p: dict[str, Tensor], c: Constants, h: History) -> None:
        """Set the state to mu0 and xi0, and draw the first latents."""
        self._launch(p, c, h, 0)

    def forward(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        """Compute update i, 1 .. T, and draw the latents after it."""
        self._launch(p, c, h, i)

    def _launch(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        n = h.b.numel()
        _forward[(triton.cdiv(n, BLOCK),)](
            *(h.states["mu"], h.states["xi"], h.b, h.lateral, h.z, h.noise),
            *(p["mu0"], p["xi0"], p["log_bias"], p["log_lr"], p["log_lr_xi"], self._gain(p)),
            *(c.scalars, c.seed, n, h.images * h.neurons, h.neurons, h.length, i),
            GROWTH=GROWTH,
            CHANGE_GROWTH=CHANGE_GROWTH,
            RECTIFIED=self.rectified,
            IS_FIRST=i == 0,
            SIZE=BLOCK,
        )

    def backward(self, p: dict[str, Tensor], c: Constants, h: History, i: int) -> None:
        """Return through update i: from the gradients of the state after it to those before it."""
        n, g = h.b.numel(), h.gradients
        _backward[(triton.cdiv(n, BLOCK),)](
            *(h.states["mu"], h.states["xi"], h.b, h.lateral, h.z, h.noise),
            *(p["log_bias"], p["log_lr"], p["log_lr_xi"], self._gain(p)),
            *(c.scalars, c.to_fit, c.to_kl, g["mu"], g["xi"], h.to_drive, h.competition, h.to_b),
            *(g["log_bias"], g["log_lr"], g["log_lr_xi"], g["log_gain"]),
            *(n, h.images * h.neurons, h.neurons, h.length, i),
            GROWTH=GROWTH,
            CHANGE_GROWTH=CHANGE_GROWTH,
            RECTIFIED=self.rectified,
            SIZE=BLOCK,
        )

    def finish(self, p: dict[str, Tensor], h: History) -> dict[str, Tensor]:
        """Return the gradients of the parameters of inference, after the first state's sample."""
        g, to_z = h.gradients, -h.competition
        to_gain = g["log_gain"]
        if self.rectified:
            to_gain = to_gain + to_z * h.z[:, 0]
            to_z = torch.where(h.z[:, 0] > 0, torch.exp(p["log_gain"]) * to_z, 0.0)
        to_xi0 = g["xi"] + to_z * torch.exp(p["xi0"]) * h.noise[:, 0]
        to_bias = -g["log_bias"].sum(1, keepdim=True) * torch.exp(p["log_bias"])
        gradients = {
            "mu0": (g["mu"] + to_z).sum(1, keepdim=True),
            "xi0": to_xi0.sum(1, keepdim=True),
            "log_bias": to_bias,
            "log_lr": g["log_lr"].sum((1, 2)) + to_bias.sum((1, 2)),
            "log_lr_xi": g["log_lr_xi"].sum((1, 2)),
        }
        if self.rectified:
            gradients["log_gain"] = to_gain.sum(1, keepdim=True)
        return gradients

    def _gain(self, p: dict[str, Tensor]) -> Tensor:
        return p["log_gain"] if self.rectified else p["log_bias"]  # not read where not rectified


@triton.jit  # Triton's
def _tanh(a):  # type: ignore[no-untyped-def] # Triton's
    small = tl.exp(-2.0 * tl.abs(a))
    size = (1.0 - small) / (1.0 + small)
    return tl.where(a < 0.0, -size, size)


@triton.jit  # type: ignore[untyped-decorator] # Triton's
def _forward(  # type: ignore[no-untyped-def] # Triton's
    mu_pointer,
    xi_pointer,
    b_pointer,
    lateral_pointer,
    z_pointer,
    eps_pointer,
    mu0_pointer,
    xi0_pointer,
    log_bias_pointer,
    log_lr_pointer,
    log_lr_xi_pointer,
    log_gain_pointer,
    scalars_pointer,
    seed_pointer,
    n,
    per_network,
    neurons,
    length,
    i,
    GROWTH: tl.constexpr,
    CHANGE_GROWTH: tl.constexpr,
    RECTIFIED: tl.constexpr,
    IS_FIRST: tl.constexpr,
    SIZE: tl.constexpr,
):
    """Set mu, xi, z and eps of update i for SIZE elements."""
    element = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    inside = element < n
    network = element // per_network
    parameter = network * neurons + element % neurons
    here = element + network * per_network * (length - 1) + i * per_network
    gain = 1.0
    if RECTIFIED:
        gain = tl.exp(tl.load(log_gain_pointer + parameter, mask=inside, other=0.0))
    if IS_FIRST:
        mu = tl.load(mu0_pointer + parameter, mask=inside, other=0.0)
        xi = tl.load(xi0_pointer + parameter, mask=inside, other=0.0)
    else:
        before = here - per_network
        clip = tl.load(scalars_pointer)
        deviation, change = 1.0 + GROWTH * (clip - 1.0), 1.0 + CHANGE_GROWTH * (clip - 1.0)
        bias = tl.exp(tl.load(log_bias_pointer + parameter, mask=inside, other=0.0))
        rate = tl.exp(tl.load(log_lr_pointer + network, mask=inside, other=0.0))
        rate_xi = tl.exp(tl.load(log_lr_xi_pointer + network, mask=inside, other=0.0))
        push = tl.load(b_pointer + element, mask=inside, other=0.0)
        push -= tl.load(lateral_pointer + before, mask=inside, other=0.0)
        if RECTIFIED:
            sent = tl.load(z_pointer + before, mask=inside, other=0.0) > 0.0
            push = tl.where(sent, gain * push, 0.0)
        mu = tl.load(mu_pointer + before, mask=inside, other=0.0)
        xi = tl.load(xi_pointer + before, mask=inside, other=0.0)
        sigma = tl.exp(xi)
        d_mu = rate * (sigma * sigma * push - bias)
        d_xi = 0.5 * rate_xi * sigma * push * tl.load(eps_pointer + before, mask=inside, other=0.0)
        mu = clip * _tanh((mu + clip * _tanh(d_mu / clip)) / clip)
        xi = deviation * _tanh((xi + change * _tanh(d_xi / change)) / deviation)
    tl.store(mu_pointer + here, mu, mask=inside)
    tl.store(xi_pointer + here, xi, mask=inside)
    eps = tl.randn(tl.load(seed_pointer), i * n + element)
    tl.store(eps_pointer + here, eps, mask=inside)
    z = mu + tl.exp(xi) * eps
    if RECTIFIED:
        z = gain * tl.maximum(z, 0.0)
    tl.store(z_pointer + here, z, mask=inside)


@triton.jit  # type: ignore[untyped-decorator] # Triton's
def _backward(  # type: ignore[no-untyped-def] # Triton's
    mu_pointer,
    xi_pointer,
    b_pointer,
    lateral_pointer,
    z_pointer,
    eps_pointer,
    log_bias_pointer,
    log_lr_pointer,
    log_lr_xi_pointer,
    log_gain_pointer,
    scalars_pointer,
    to_fit_pointer,
    to_kl_pointer,
    to_mu_pointer,
    to_xi_pointer,
    to_drive_pointer,
    competition_pointer,
    to_b_pointer,
    spent_pointer,
    to_lr_pointer,
    to_lr_xi_pointer,
    to_gain_pointer,
    n,
    per_network,
    neurons,
    length,
    i,
    GROWTH: tl.constexpr,
    CHANGE_GROWTH: tl.constexpr,
    RECTIFIED: tl.constexpr,
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
    deviation, change = 1.0 + GROWTH * (clip - 1.0), 1.0 + CHANGE_GROWTH * (clip - 1.0)
    to_fit = tl.load(to_fit_pointer + i)
    to_kl = tl.load(to_kl_pointer + network, mask=inside, other=0.0)
    mu, xi = tl.load(mu_pointer + here, mask=inside), tl.load(xi_pointer + here, mask=inside)
    mu_old = tl.load(mu_pointer + before, mask=inside)
    xi_old = tl.load(xi_pointer + before, mask=inside)
    b = tl.load(b_pointer + element, mask=inside)
    z = tl.load(z_pointer + here, mask=inside)
    to_drive = tl.load(to_drive_pointer + element, mask=inside)
    to_z = to_fit * (tl.load(lateral_pointer + here, mask=inside) - b)
    to_z -= tl.load(competition_pointer + element, mask=inside)
    tl.store(lateral_pointer + here, 0.5 * to_fit * z - to_drive, mask=inside)
    drive = b - tl.load(lateral_pointer + before, mask=inside)
    push, gain, to_gain = drive, 1.0, 0.0
    if RECTIFIED:
        gain = tl.exp(tl.load(log_gain_pointer + parameter, mask=inside))
        sent = tl.load(z_pointer + before, mask=inside) > 0.0
        push = tl.where(sent, gain * drive, 0.0)
        to_gain = to_z * z
        to_z = tl.where(z > 0.0, gain * to_z, 0.0)
    g_mu = tl.load(to_mu_pointer + element, mask=inside) + to_z
    g_xi = tl.load(to_xi_pointer + element, mask=inside)
    g_xi += to_z * tl.exp(xi) * tl.load(eps_pointer + here, mask=inside)
    narrow = tl.exp(-xi_old)
    moved, wider = (mu - mu_old) * narrow, tl.exp(2.0 * (xi - xi_old)) - 1.0
    g_mu += to_kl * moved * narrow
    g_xi += to_kl * wider
    to_mu_old, to_xi_old = -to_kl * moved * narrow, -to_kl * (moved * moved + wider)
    bias = tl.exp(tl.load(log_bias_pointer + parameter, mask=inside))
    rate = tl.exp(tl.load(log_lr_pointer + network, mask=inside))
    rate_xi = tl.exp(tl.load(log_lr_xi_pointer + network, mask=inside))
    sigma, eps = tl.exp(xi_old), tl.load(eps_pointer + before, mask=inside)
    to_mean = sigma * sigma * push
    d_xi = 0.5 * rate_xi * sigma * push * eps
    t_mu, t_xi = _tanh(rate * (to_mean - bias) / clip), _tanh(d_xi / change)
    g_mu *= 1.0 - (mu / clip) * (mu / clip)
    g_xi *= 1.0 - (xi / deviation) * (xi / deviation)
    g1, g2 = (1.0 - t_mu * t_mu) * g_mu * rate, (1.0 - t_xi * t_xi) * g_xi
    to_push = (g1 * sigma + 0.5 * rate_xi * g2 * eps) * sigma
    new_to_drive = to_push
    if RECTIFIED:
        new_to_drive = tl.where(sent, gain * to_push, 0.0)
        to_gain += tl.load(to_gain_pointer + element, mask=inside) + to_push * push
        tl.store(to_gain_pointer + element, to_gain, mask=inside)
    tl.store(to_mu_pointer + element, g_mu + to_mu_old, mask=inside)
    g_xi += 2.0 * g1 * to_mean + g2 * d_xi
    tl.store(to_xi_pointer + element, g_xi + to_xi_old, mask=inside)
    tl.store(to_drive_pointer + element, new_to_drive, mask=inside)
    to_b = tl.load(to_b_pointer + element, mask=inside) + new_to_drive - to_fit * z
    tl.store(to_b_pointer + element, to_b, mask=inside)
    spent = tl.load(spent_pointer + element, mask=inside) + g1
    tl.store(spent_pointer + element, spent, mask=inside)
    to_lr = tl.load(to_lr_pointer + element, mask=inside) + g1 * to_mean
    tl.store(to_lr_pointer + element, to_lr, mask=inside)
    to_lr_xi = tl.load(to_lr_xi_pointer + element, mask=inside) + g2 * d_xi
    tl.store(to_lr_xi_pointer + element, to_lr_xi, mask=inside)
