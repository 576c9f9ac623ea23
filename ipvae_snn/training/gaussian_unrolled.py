"""Unrolled inference of Gaussian latents with an explicit gradient, for the CPU.

As `unrolled` for the iP-VAE: two matrix products per step and a compiled pass each way. The results
equal those of automatic differentiation in `objective.unrolled_by_autodiff`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import Array
from ipvae_snn.kernels import gaussian_training as kernel
from ipvae_snn.kernels import spike_products as products
from ipvae_snn.kernels.gaussian_training import (
    After,
    Before,
    GaussianConstants,
    GaussianGradients,
)
from ipvae_snn.models.gaussian import GaussianLatents
from ipvae_snn.models.gaussian_update import Clips
from ipvae_snn.training.competition import array
from ipvae_snn.training.row_products import dense_product, for_rows
from ipvae_snn.training.unrolling import Unrolling

# Noise (B, K) of the latents after update i, 0 for those of the first state, like a tensor.
Noise = Callable[[Tensor, int], Tensor]
_PARAMETERS: Final = ("mu0", "xi0", "log_bias", "log_lr", "log_lr_xi", "log_gain")


class GaussianResults(NamedTuple):
    """Scalars of the loss, with gradients, and the last state, without.

    fit: the mean over batch and steps of z.Gz / 2 - z.b. kl: that of the KL term, in nats.
    mu, xi (B, K): the last state.
    """

    fit: Tensor
    kl: Tensor
    mu: Tensor
    xi: Tensor


def gaussian_inference(
    G: Tensor,
    b: Tensor,
    model: GaussianLatents,
    noise: Noise,
    unrolling: Unrolling,
    workspace: "Workspace | None" = None,
) -> GaussianResults:
    """Return the terms of the loss after T updates, for drives b (F, B, K) and G (K, K).

    workspace: memory that calls share, one after another.
    """
    given = [getattr(model, name) for name in _PARAMETERS]
    space = Workspace() if workspace is None else workspace
    # torch leaves Function.apply without types.
    results = _Unrolled.apply(G, b, *given, model.clips, noise, unrolling, space)  # type: ignore[no-untyped-call]
    return GaussianResults(*results)


class _History(NamedTuple):
    """Arrays (T + 1, B, K) kept for backward, index 0 of the first state; lateral = z G."""

    mu: Array
    xi: Array
    sigma: Array
    eps: Array
    z: Array
    t_mu: Array
    t_xi: Array
    lateral: Array

    def after(self, i: int) -> After:
        """Return what update i sets."""
        return After(*(each[i] for each in self[:-1]))

    def before(self, i: int, bias: Array, gain: Array, b: Array) -> Before:
        """Return what update i sees."""
        o = i - 1
        state = self.z[o], self.eps[o], self.mu[o], self.xi[o], self.sigma[o]
        return Before(bias, gain, b, self.lateral[o], *state)


class Workspace:
    """Memory of histories, taken for a pass there and given back after the pass back.

    Fresh memory costs a fault of the processor for every page of it at every iteration.
    """

    def __init__(self) -> None:
        self._free: list[_History] = []

    def taken(self, shape: tuple[int, int, int], kind: Any) -> _History:
        """Return a history of arrays of this shape and type, whose values are arbitrary."""
        while self._free:
            history = self._free.pop()
            if history.mu.shape == shape and history.mu.dtype == kind:
                return history
        return _History(*(np.empty(shape, kind) for _ in _History._fields))

    def given(self, history: _History) -> None:
        """Keep a history that nothing reads any more for the next call."""
        self._free.append(history)


class _Unrolled(torch.autograd.Function):
    """Forward runs the updates, and backward returns through them, one pass per update."""

    @staticmethod
    def forward(ctx: Any, G: Tensor, b: Tensor, *rest: Any) -> tuple[Tensor, ...]:
        *parameters, clips, noise, unrolling, workspace = rest
        mu0, xi0, log_bias, log_lr, log_lr_xi, log_gain = parameters
        drive, competition = array(b), array(G)
        n_frames, B, K = drive.shape
        kind = drive.dtype
        past = workspace.taken((unrolling.steps + 1, B, K), kind)
        c = _constants(kind.type, float(log_lr), float(log_lr_xi), clips, log_gain is not None)
        bias = np.exp(array(log_bias).reshape(-1))
        gain = np.ones_like(bias) if log_gain is None else np.exp(array(log_gain).reshape(-1))
        past.mu[0], past.xi[0] = array(mu0), array(xi0)
        fit, kl = np.empty(B, kind), np.empty(B, kind)
        fit_sum = kl_sum = 0.0
        like, weights = b[0].detach(), unrolling.step_weights

        def compete(i: int, first: int, last: int) -> None:
            dense_product(past.z[i], competition, past.lateral[i], first, last)

        def draw(first: int, last: int) -> None:
            kernel.draw_rows(first, last, c, gain, past.after(0))
            compete(0, first, last)

        def update(i: int, first: int, last: int) -> None:
            before = past.before(i, bias, gain, drive[unrolling.frame(i, n_frames)])
            kernel.forward_rows(first, last, c, before, past.after(i), kl)
            compete(i, first, last)

        past.eps[0] = noise(like, 0).numpy()
        for_rows(draw, B, unrolling.threads)
        for i in range(1, unrolling.steps + 1):
            past.eps[i] = noise(like, i).numpy()
            for_rows(partial(update, i), B, unrolling.threads)
            shown = drive[unrolling.frame(i, n_frames)]
            products.fit_rows(0, B, past.z[i], past.lateral[i], shown, fit)
            fit_sum += weights[i - 1] * float(fit.sum(dtype=np.float64))
            kl_sum += float(kl.sum(dtype=np.float64))
        ctx.past, ctx.constants, ctx.unrolling, ctx.workspace = past, c, unrolling, workspace
        ctx.given = drive, competition, bias, gain
        ctx.shapes = [None if each is None else each.shape for each in parameters]
        terms = unrolling.steps * B
        last = torch.from_numpy(past.mu[-1].copy()), torch.from_numpy(past.xi[-1].copy())
        ctx.mark_non_differentiable(*last)
        return *(b.new_tensor(total / terms) for total in (fit_sum, kl_sum)), *last

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        past, c, unrolling = ctx.past, ctx.constants, ctx.unrolling
        drive, competition, bias, gain = ctx.given
        n_frames, B, K = drive.shape
        number = drive.dtype.type
        to_fit, to_kl = (float(loss) / (unrolling.steps * B) for loss in grads[:2])
        weights, to_b, to_z = unrolling.step_weights, np.zeros_like(drive), np.empty_like(drive[0])
        zeros = [np.zeros((B, K), number) for _ in range(6)]
        to_drive, to_z_later, to_mu, to_xi, spent, to_gain = zeros
        to_rate, to_rate_xi = np.zeros(B, number), np.zeros(B, number)

        def back(i: int, first: int, last: int) -> None:
            frame = unrolling.frame(i, n_frames)
            g = GaussianGradients(
                *(to_drive, to_z_later, to_mu, to_xi, to_b[frame], spent, to_gain),
                *(to_rate, to_rate_xi, past.lateral[i]),
            )
            seen = past.before(i, bias, gain, drive[frame])
            share, kl = number(to_fit * weights[i - 1]), number(to_kl)
            after, lateral = past.after(i), past.lateral[i]
            kernel.backward_rows(first, last, c, seen, after, lateral, share, kl, to_z, g)
            dense_product(to_drive, competition, to_z_later, first, last)  # G is symmetric

        for i in range(unrolling.steps, 0, -1):
            for_rows(partial(back, i), B, unrolling.threads)
        # backward left each update's factor of G's gradient in place of z G.
        np.negative(to_drive, out=past.lateral[0])
        flat = (torch.from_numpy(each.reshape(-1, K)) for each in (past.z, past.lateral))
        z, pairs = flat
        to_G = z.T @ pairs
        np.negative(to_z_later, out=to_z)
        first = GaussianGradients(
            *(to_drive, to_z_later, to_mu, to_xi, to_b[0], spent, to_gain),
            *(to_rate, to_rate_xi, past.lateral[0]),
        )
        kernel.to_state_rows(0, B, c, gain, past.after(0), to_z, first)
        to_bias = -spent.sum(0) * bias
        ctx.workspace.given(past)
        ctx.past = None
        shared = math.prod(ctx.shapes[0]) == K  # the first state: of all images, or of each
        found = (
            to_mu.sum(0) if shared else to_mu,
            to_xi.sum(0) if shared else to_xi,
            to_bias,
            to_rate.sum() + to_bias.sum(),
            to_rate_xi.sum(),
            to_gain.sum(0),
        )
        of_parameters = [
            None if shape is None else torch.from_numpy(np.asarray(each)).reshape(shape)
            for each, shape in zip(found, ctx.shapes, strict=True)
        ]
        return to_G, torch.from_numpy(to_b), *of_parameters, None, None, None, None


def _constants(
    number: Callable[[float], Any], log_lr: float, log_lr_xi: float, clips: Clips, rectified: bool
) -> GaussianConstants:
    """Return the kernels' scalars in the type of the arrays, which determines the code's type."""
    return GaussianConstants(
        one=number(1.0),
        half=number(0.5),
        rate=number(np.exp(log_lr)),
        half_rate_xi=number(0.5 * np.exp(log_lr_xi)),
        clip=number(float(clips.mean)),
        deviation=number(float(clips.deviation)),
        change=number(float(clips.change)),
        rectified=rectified,
    )
