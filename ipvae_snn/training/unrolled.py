"""Unrolled inference with an explicit gradient: two products per step, one pass each.

The results equal those of automatic differentiation in `objective.unrolled_plain` (a test compares
them in float64), in about half the time. For the CPU.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.arrays import Array
from ipvae_snn.kernels import spike_products as products
from ipvae_snn.kernels import training as kernel
from ipvae_snn.kernels.relaxed_sample import Relaxation, Sample, sample_rows
from ipvae_snn.kernels.training import Constants
from ipvae_snn.kernels.vector_math import GOLDEN
from ipvae_snn.training.competition import Competition, Counts, Dense, Form, array
from ipvae_snn.training.prices import charge, sent_by
from ipvae_snn.training.row_products import for_rows
from ipvae_snn.training.second_sample import SecondSamples
from ipvae_snn.training.unrolling import Rounded, Unrolling

_MATRIX: Final = Dense()


def unrolled_inference(
    weights: Tensor,
    b: Tensor,
    u0: Tensor,
    log_bias: Tensor,
    log_lr: Tensor,
    unrolling: Unrolling,
    form: Form = _MATRIX,
    own: tuple[Tensor, Tensor] | None = None,
    prior: Tensor | None = None,
) -> "Results":
    """Return the terms of the loss after N updates from u0, (1, K) or (B, K).

    weights: of lateral competition G, which is symmetric, in the form `form`: a matrix (K, K), or
    shared by positions. b (F, B, K) holds the feed-forward drive of F frames. Where form replaces G
    and b in inference but not in fit, gradients pass straight through to G and b. own: a matrix
    (K, K) and a drive (F, B, K) that replace them there and have gradients of their own. prior
    (1, K): potentials to which the first step's KL is, where they are not u0.
    """
    if own is not None:
        matrix, drive = (tensor.detach() for tensor in own)
        form = Dense(Rounded(matrix, matrix.T.contiguous(), drive))
    # torch leaves Function.apply without types.
    results = _Unrolled.apply(  # type: ignore[no-untyped-call]
        weights, b, u0, log_bias, log_lr, unrolling, form, *(own or (None, None)), prior
    )
    return Results(*results)


class Results(NamedTuple):
    """Scalars of the loss, with gradients, and figures of the last update, without.

    fit: the mean over batch and steps of z.Gz / 2 - z.b. kl: that of the KL term, in nats.
    messages, spikes: what the updates' potentials send on average, per image and step; 0 if the
    loss charges for neither. u (B, K): the last potential. arrivals: the largest mean number of
    arrivals of a sample.
    """

    fit: Tensor
    kl: Tensor
    messages: Tensor
    spikes: Tensor
    u: Tensor
    arrivals: Tensor


@dataclass(frozen=True)
class _History:
    """Arrays kept for backward, of u0 (index 0) and every update; only these grow with N.

    u, z, slope, lateral = z competition and fit_lateral = z G are (N + 1, B, K); the last two are
    one array if competition is G. sparse: whether each z is mostly 0. second: samples for the loss
    alone. prior (B, K): of the first step's KL, u[0] unless it has another.
    """

    u: Array
    z: Array
    slope: Array
    lateral: Array
    fit_lateral: Array
    sparse: list[bool]
    second: SecondSamples
    prior: Array

    def counts(self, i: int) -> Counts:
        """Return the counts of the sample after update i."""
        return Counts(self.z[i], self.slope[i], self.sparse[i])


class _Unrolled(torch.autograd.Function):
    """Forward runs the updates, and backward returns through them, one pass per update."""

    @staticmethod
    def forward(
        ctx: Any,
        weights: Tensor,
        b: Tensor,
        u0: Tensor,
        log_bias: Tensor,
        log_lr: Tensor,
        unrolling: Unrolling,
        form: Form,
        own_weights: Tensor | None,
        own_drive: Tensor | None,
        prior: Tensor | None,
    ) -> tuple[Tensor, ...]:
        n_frames, B, K = b.shape
        drive, first, bias = (array(tensor) for tensor in (b, u0, log_bias))
        exact, competition, seen = form.products(array(weights), drive)
        inputs = _Inputs(drive, np.exp(bias.reshape(-1)), exact, competition, seen)
        kind = drive.dtype
        c = _constants(kind.type, math.exp(float(log_lr)), unrolling)
        u, z, slope, lateral = (np.empty((unrolling.updates + 1, B, K), kind) for _ in range(4))
        fit_lateral = lateral if exact is competition else np.empty_like(lateral)
        second = SecondSamples.empty(unrolling, drive[0])
        u[0] = first
        before = u[0] if prior is None else np.tile(array(prior), (B, 1))
        past = _History(u, z, slope, lateral, fit_lateral, [], second, before)
        fit, kl, drawn = np.empty(B, kind), np.empty(B, kind), np.empty(B, np.int64)

        def sample(first: int, last: int) -> None:
            initial = Sample(z[0], slope[0], drawn)
            sample_rows(first, last, _row_key(unrolling, 0), c.relaxation, u[0], initial)

        for_rows(sample, B, unrolling.threads)
        arrivals, fit_sum, kl_sum = int(drawn.sum()), 0.0, 0.0
        step_weights = unrolling.step_weights
        past.sparse.append(competition.sparse(z[0]))
        first_competition = partial(competition.forward, past.counts(0), lateral[0])
        for_rows(first_competition, B, unrolling.threads)
        for i in range(1, unrolling.updates + 1):
            # Counts are about as sparse as the previous ones, which are known here.
            past.sparse.append(competition.sparse(z[i - 1]))
            for_rows(_update(i, inputs, past, c, unrolling, kl, drawn), B, unrolling.threads)
            arrivals = max(arrivals, int(drawn.sum()))
            if unrolling.in_loss(i):
                shown = drive[unrolling.frame(i, n_frames)]
                products.fit_rows(0, B, z[i], fit_lateral[i], shown, fit)
                step = unrolling.step(i)
                weight = step_weights[step] * unrolling.shares[0]
                fit_sum += weight * float(fit.sum(dtype=np.float64))
                kl_sum += float(kl.sum(dtype=np.float64))
                if second:
                    key = _row_key(unrolling, unrolling.second(i))
                    draw = second.drawn(step, key, c.relaxation, u[i], exact, past.sparse[i])
                    for_rows(draw, B, unrolling.threads)
                    fit_sum += step_weights[step] * second.add_fit(step, shown, fit)
        sent = sent_by(u[:-1], unrolling)
        ctx.past, ctx.inputs, ctx.constants, ctx.unrolling = past, inputs, c, unrolling
        ctx.tied = own_weights is None
        ctx.shapes = u0.shape, log_bias.shape, None if prior is None else prior.shape
        terms = unrolling.steps * B
        last, most = torch.from_numpy(u[-1].copy()), b.new_tensor(arrivals / (B * K))
        ctx.mark_non_differentiable(last, most)
        sums = fit_sum, kl_sum, *sent
        return *(b.new_tensor(total / terms) for total in sums), last, most

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        unrolling, past, inputs = ctx.unrolling, ctx.past, ctx.inputs
        B, K = past.u.shape[1:]
        to_fit, to_kl, *prices = (float(loss) / (unrolling.steps * B) for loss in grads[:4])
        step_weights = unrolling.step_weights
        kind = past.u.dtype
        drive, competition, to_u, to_prior = (np.zeros((B, K), kind) for _ in range(4))
        to_b, to_lr = np.zeros_like(inputs.drive), np.zeros(B, kind)
        to_fit_b = to_b if ctx.tied else np.zeros_like(inputs.drive)
        grad = _Gradients(drive, competition, to_u, to_prior, to_b, to_fit_b, to_lr)
        spent = np.zeros(K, kind)
        for i in range(unrolling.updates, 0, -1):
            weights = (0.0, 0.0)
            if unrolling.in_loss(i):
                weights = to_fit * step_weights[unrolling.step(i)], to_kl
            for_rows(
                _back(i, weights, inputs, past, ctx.constants, unrolling, grad),
                B,
                unrolling.threads,
            )
            charge(prices, past.u[i - 1], grad.u, unrolling)
            spent += grad.drive.sum(0)
            if unrolling.start(i) == i - 1 and (i > 1 or ctx.shapes[2] is None):
                grad.u[:] += grad.prior
                grad.prior[:] = 0
        # backward overwrote lateral with the factors of G's gradient, except that of u0's sample.
        np.negative(grad.drive, out=past.lateral[0])
        counts = [past.counts(i) for i in range(unrolling.updates + 1)]
        grad_weights = inputs.competition.gradient(counts, past.lateral, unrolling.threads)
        of_own: tuple[Tensor | None, Tensor | None] = None, None
        if not ctx.tied:
            of_own = torch.from_numpy(grad_weights), torch.from_numpy(grad.b)
            grad_weights = _gradient_of_fit(to_fit, inputs, past, unrolling, grad.fit_b)
        if past.second:
            weighted = [to_fit * weight for weight in step_weights]
            past.second.add_gradient(weighted, inputs.exact, unrolling.threads, grad_weights)
        grad.u[:] -= grad.competition * past.slope[0]
        ctx.past = None
        of_u0, of_log_bias, of_prior = ctx.shapes
        return (
            torch.from_numpy(grad_weights),
            torch.from_numpy(grad.fit_b),
            torch.from_numpy(grad.u if of_u0 == grad.u.shape else grad.u.sum(0)).reshape(of_u0),
            torch.from_numpy(-spent * inputs.threshold).reshape(of_log_bias),
            torch.tensor(grad.lr.sum()),
            None,
            None,
            *of_own,
            None if of_prior is None else torch.from_numpy(grad.prior.sum(0)).reshape(of_prior),
        )


def _gradient_of_fit(
    to_fit: float, inputs: "_Inputs", past: _History, unrolling: Unrolling, to_b: Array
) -> Array:
    """Return the gradient to G of the first samples' z.Gz / 2 - z.b; add that to b to `to_b`."""
    steps = [i for i in range(1, unrolling.updates + 1) if unrolling.in_loss(i)]
    to_first = to_fit * unrolling.shares[0]
    scale = np.array([to_first * weight for weight in unrolling.step_weights], past.z.dtype)
    factors = past.z[steps] * scale[:, None, None]
    for i, factor in zip(steps, factors, strict=True):
        to_b[unrolling.frame(i, len(to_b))] -= factor
    factors *= scale.dtype.type(0.5)
    return inputs.exact.gradient([past.counts(i) for i in steps], factors, unrolling.threads)


def _update(
    i: int,
    inputs: "_Inputs",
    past: _History,
    c: Constants,
    unrolling: Unrolling,
    kl: Array,
    drawn: Array,
) -> Callable[[int, int], None]:
    """Return the function that applies update i to a range of rows."""
    seen, key = _seen(i, inputs, past, unrolling), _row_key(unrolling, i)
    sample = Sample(past.z[i], past.slope[i], drawn)

    def rows(first: int, last: int) -> None:
        kernel.forward_rows(first, last, key, c, seen, past.u[i], sample, kl)
        inputs.competition.forward(past.counts(i), past.lateral[i], first, last)
        if past.fit_lateral is not past.lateral and unrolling.in_loss(i):
            inputs.exact.forward(past.counts(i), past.fit_lateral[i], first, last)

    return rows


def _seen(i: int, inputs: "_Inputs", past: _History, unrolling: Unrolling) -> kernel.Seen:
    """Return the inputs of update i."""
    b, start = inputs.seen[unrolling.frame(i, len(inputs.seen))], unrolling.start(i)
    prior = past.u[start] if start else past.prior
    return kernel.Seen(inputs.threshold, b, past.lateral[i - 1], past.u[i - 1], prior)


def _back(
    i: int,
    weights: Sequence[float],
    inputs: "_Inputs",
    past: _History,
    c: Constants,
    unrolling: Unrolling,
    sums: "_Gradients",
) -> Callable[[int, int], None]:
    """Return the backward pass of update i for a range of rows; weights of fit and kl."""
    frame = unrolling.frame(i, len(inputs.drive))
    number = past.u.dtype.type
    to_first, to_kl = number(weights[0] * unrolling.shares[0]), number(weights[1])
    second = past.second if unrolling.in_loss(i) else None
    # Forward computes fit_lateral only for updates in the loss; elsewhere its weight is 0.
    fit_lateral = past.fit_lateral if unrolling.in_loss(i) else past.lateral
    seen, drawn = _seen(i, inputs, past, unrolling), np.zeros(0, np.int64)
    sample = Sample(past.z[i], past.slope[i], drawn)
    to_tied = to_first if sums.b is sums.fit_b else number(0)
    fit = kernel.Fit(inputs.drive[frame], fit_lateral[i], to_first, to_kl, to_tied)
    grads = kernel.Gradients(
        drive=sums.drive,
        competition=sums.competition,
        u=sums.u,
        prior=sums.prior,
        b=sums.b[frame],
        lr=sums.lr,
        pair=past.lateral[i],
    )

    of_second = grads._replace(b=sums.fit_b[frame])

    def rows(first: int, last: int) -> None:
        if second:
            drive = inputs.drive[frame]
            second.backward(unrolling.step(i), weights[0], drive, of_second, first, last)
        kernel.backward_rows(first, last, c, seen, past.u[i], sample, fit, grads)
        # The sample before this update acted on it through lateral[i - 1].
        before = past.counts(i - 1)
        inputs.competition.backward(sums.drive, before, sums.competition, first, last)

    return rows


@dataclass(frozen=True)
class _Inputs:
    """Drive b (F, B, K), threshold exp(log_bias) (K,), and competition: `exact` in the loss.

    competition and seen (F, B, K) replace exact and b in inference.
    """

    drive: Array
    threshold: Array
    exact: Competition
    competition: Competition
    seen: Array


@dataclass(frozen=True)
class _Gradients:
    """Gradients of the backward pass, (B, K): drive, drive times G, u, potential at step start.

    b and fit_b (F, B, K) are gradients of the drive in inference and in the loss, one array where
    both have the same. lr (B,) is that of log_lr.
    """

    drive: Array
    competition: Array
    u: Array
    prior: Array
    b: Array
    fit_b: Array
    lr: Array


def _constants(number: Callable[[float], Any], lr: float, unrolling: Unrolling) -> Constants:
    """Return the kernels' scalars in the type of the arrays, which determines the code's type."""
    return Constants(
        relaxation=Relaxation(
            number(1.0),
            number(unrolling.temperature),
            number(unrolling.cutoff),
            unrolling.relaxation == "cubic",
        ),
        one=number(1.0),
        lr=number(lr),
        leak=number(lr * unrolling.leak),
        clip=number(unrolling.clip),
        floor=number(unrolling.floor),
        most_rate=number(math.exp(unrolling.clip)),
        lowest=number(_lowest(unrolling, float(np.finfo(type(number(1.0))).eps))),
        code_form=unrolling.code_form,
    )


def _lowest(unrolling: Unrolling, rounding: float) -> float:
    """Return the clipped floor and a few rounding errors more."""
    clip, floor = unrolling.clip, unrolling.floor
    clipped = floor - math.log1p(math.exp(floor - clip))
    return clipped + 8.0 * rounding * max(1.0, abs(clipped))


def _row_key(unrolling: Unrolling, update: int) -> np.uint64:
    """Return the key from which rows' keys are counted; a row has the same key in any process."""
    return np.uint64((int(unrolling.keys[update]) + unrolling.first_row * int(GOLDEN)) % (1 << 64))
