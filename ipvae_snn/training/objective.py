"""Training loss: free energy over unrolled inference, computed in Gram form."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor

from ipvae_snn.models import linear_gaussian
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.likelihood import GramLikelihood, Likelihood
from ipvae_snn.models.parameters import Parameters, PoissonParameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import (
    Decoder,
    Dictionary,
    LatentModel,
    State,
    first_state,
    inference,
    own_weights,
)
from ipvae_snn.models.shapes import Number
from ipvae_snn.training.competition import Dense, Form, Shared
from ipvae_snn.training.straight_through import (
    FakeRounding,
    RoundedDictionary,
    straight_through,
)
from ipvae_snn.training.unrolled import unrolled_inference
from ipvae_snn.training.unrolling import Unrolling

# The loss is scaled as if every image had 16x16 pixels, so that gradient limits carry over.
REFERENCE_PIXELS: Final = 256

Sample = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Unrolled:
    """Scalars of one iteration: the loss to minimise, and detached means for the log.

    nll and kl are means over batch and steps, in nats per image; nll's steps weigh as in the loss.
    messages is the mean number of neurons that send in a step, and spikes that of their spikes; 0
    if the loss charges for neither. rate is the mean and max_rate the largest rate at the last
    step, in spikes per neuron and step. arrivals is the largest mean number of arrivals per element
    of a relaxed sample, 0 if not counted. state: of the model after the last update, detached; its
    tensors have neurons in the order of the pass that gave it.
    """

    loss: Tensor
    nll: Tensor
    kl: Tensor
    messages: Tensor
    spikes: Tensor
    rate: Tensor
    max_rate: Tensor
    arrivals: float
    state: Any = None


def unrolled_loss(
    parameters: PoissonParameters,
    x: Tensor,
    beta: float,
    unrolling: Unrolling,
    rounding: FakeRounding | None = None,
    carried: Tensor | None = None,
) -> Unrolled:
    """Return the loss on x (B, M), or on F frames (B, F, M): compiled, for tensors on the CPU.

    The fast path of the Poisson model. Lateral weights and b are formed once; no step uses a tensor
    of pixels. Memory grows by four tensors (B, K) per update. rounding: of a dense dictionary,
    inference sees rounded matrices, through which gradients pass straight, and the loss decodes by
    the exact dictionary; memory then grows by five tensors per update.

    carried: `Unrolled.state` of the segment before, in place of the first state.

    Noise belongs to a neuron's number, which with shared weights is position * F + feature.
    """
    p, frames = parameters, frames_of(x)
    dictionary = p.dictionary
    weights, b = dictionary.by_distance(), dictionary.project(frames)
    form: Form
    if math.prod(dictionary.grid) > 1:
        form = Shared(*dictionary.grid)
    else:
        weights = weights.flatten(1)
        # The settings allow rounding of a dense dictionary only.
        dense = cast(DenseDictionary, dictionary)
        form = Dense(None if rounding is None else rounding(dense, frames, weights))
    own = dictionary.own
    seen = None if own is None else (own.competition, frames @ own.feedforward.T)
    b, u0, log_bias = (by_position(values, dictionary) for values in (b, p.u0, p.log_bias))
    prior = None
    if own is not None and own.start is not None:
        model = PoissonLatents.of(p, unrolling.latents)
        u0, prior = first_state(model, dictionary, frames[0]), u0
    if carried is not None:
        u0, prior = carried, None
    r = unrolled_inference(weights, b, u0, log_bias, p.log_lr, unrolling, form, seen, prior)
    rates = torch.exp(r.u.detach())
    terms = Terms(r.fit, r.kl, r.messages, r.spikes, rates, float(r.arrivals), r.u.detach())
    return summary(dictionary, frames, terms, beta, unrolling)


def unrolled_plain(
    parameters: Parameters,
    x: Tensor,
    sample: Sample,
    beta: float,
    unrolling: Unrolling,
    rounding: FakeRounding | None = None,
) -> Unrolled:
    """Return the loss as `unrolled_loss` does, by automatic differentiation, on any device."""
    dictionary = DenseDictionary.of(parameters)
    seen = None if rounding is None else RoundedDictionary(rounding, dictionary)
    model = PoissonLatents.of(parameters, unrolling.latents)
    return unrolled_by_autodiff(model, dictionary, x, sample, beta, unrolling, seen)


def unrolled_by_autodiff(
    model: LatentModel[State],
    decoder: Decoder,
    x: Tensor,
    sample: Sample,
    beta: Number,
    unrolling: Unrolling,
    rounding: RoundedDictionary | None = None,
    carried: State | None = None,
) -> Unrolled:
    """Return the loss on x (B, M) or (B, F, M) for any model and decoder, on any device.

    sample(parameters, i) is the model's source of latents (B, K). It is called once for the initial
    state (i = 0) and once per update; a sample serves both the loss after update i and the
    inference of update i + 1. With two samples it is called once more for each update in the loss,
    with i = unrolling.second(update), and the loss is the mean over both. rounding(frames, G)
    replaces G and b in inference. Of `unrolling` only the numbers of steps, updates and samples are
    used; the dynamics are those of the model. carried: as for `unrolled_loss`.
    """
    frames = frames_of(x)
    seen, exact = _likelihoods(decoder, frames, rounding)
    # The first step's KL is to the prior, also where a start moves the first state away from it.
    if carried is None:
        start, state = model.initial(frames.shape[1]), first_state(model, decoder, frames[0])
    else:
        start = state = carried
    z = model.sample(state, partial(numbered, sample, 0))
    explained = seen.explain(z)
    fit, kl = x.new_zeros(()), x.new_zeros(())
    messages, spikes = x.new_zeros(()), x.new_zeros(())
    step_weights = unrolling.step_weights
    for i in range(1, unrolling.updates + 1):
        frame = unrolling.frame(i, len(frames))
        if unrolling.priced:
            messages = messages + model.messages(state).sum(-1).mean()
            spikes = spikes + model.activity(state).sum(-1).mean()
        start = state if unrolling.start(i) == i - 1 > 0 else start
        state = model.update(state, start, seen.drive(explained, frame), z)
        z = model.sample(state, partial(numbered, sample, i))
        explained = seen.explain(z)
        if unrolling.in_loss(i):
            counted = [explained if seen is exact else exact.explain(z)]
            if unrolling.samples > 1:
                second = model.sample(state, partial(numbered, sample, unrolling.second(i)))
                counted.append(exact.explain(second))
            weight = step_weights[unrolling.step(i)]
            for share, one in zip(unrolling.shares, counted, strict=True):
                fit = fit + weight * share * exact.misfit(one, frame).mean()
            kl = kl + model.divergence(state, start).mean()
    with torch.no_grad():
        rates = model.activity(state)
    fit, kl, messages, spikes = (total / unrolling.steps for total in (fit, kl, messages, spikes))
    terms = Terms(fit, kl, messages, spikes, rates, 0.0, detached(state))
    return summary(decoder, frames, terms, beta, unrolling)


def _likelihoods(
    decoder: Decoder, frames: Tensor, rounding: RoundedDictionary | None
) -> tuple[Likelihood, Likelihood]:
    """Return the likelihoods that inference and the loss see; one object where they are equal."""
    if rounding is not None:
        b, G = rounding.dictionary.project(frames), rounding.dictionary.gram()
        rounded = rounding(frames, G)
        competition = straight_through(G, rounded.competition)
        seen = GramLikelihood(straight_through(b, rounded.drive), partial(_product, competition))
        return seen, GramLikelihood(b, partial(_product, G))
    exact = decoder.likelihood(frames)
    return exact if own_weights(decoder) is None else inference(decoder, frames), exact


def by_position(values: Tensor, dictionary: Dictionary) -> Tensor:
    """Return values (..., K) of neurons in order of their positions; with one position, as given.

    A dictionary orders its neurons by feature.
    """
    positions = math.prod(dictionary.grid)
    if positions == 1:
        return values
    by_feature = values.reshape(*values.shape[:-1], -1, positions)
    return by_feature.transpose(-1, -2).reshape(values.shape)


def detached(state: Any) -> Any:
    """Return a model's state, a tensor or a named tuple of them, without its gradient."""
    if isinstance(state, Tensor):
        return state.detach()
    return type(state)(*(part.detach() for part in state))


def _product(G: Tensor, z: Tensor) -> Tensor:
    return z @ G


def numbered(sample: Sample, update: int, parameters: Tensor) -> Tensor:
    """Return latents of the source for `update`: with `functools.partial` it is a model's draw."""
    return sample(parameters, update)


def frames_of(x: Tensor) -> Tensor:
    """Return x (B, M) or (B, F, M) as (F, B, M)."""
    return x.unsqueeze(0) if x.dim() == 2 else x.transpose(0, 1)


class Terms(NamedTuple):
    """Results of unrolled inference, as `unrolled.Results`; the last rates (B, K) and state."""

    fit: Tensor
    kl: Tensor
    messages: Tensor
    spikes: Tensor
    rates: Tensor
    arrivals: float
    state: Any


def summary(
    decoder: Decoder, frames: Tensor, terms: Terms, beta: Number, unrolling: Unrolling
) -> Unrolled:
    """Return the loss and its figures from the terms of inference on frames (F, B, M)."""
    energy = decoder.power(frames).mean(-1)
    # Frames are seen for equally many steps except for rounding, which the weights reflect.
    seen = [0.0] * len(frames)
    for i in range(1, unrolling.updates + 1):
        if unrolling.in_loss(i):
            seen[unrolling.frame(i, len(frames))] += unrolling.step_weights[unrolling.step(i)]
    # Filled on the device, since a CUDA graph cannot hold a copy from the host.
    weights = torch.stack([energy.new_full((), weight) for weight in seen]) / unrolling.steps
    nll = terms.fit + 0.5 * (weights * energy).sum() + decoder.log_normaliser()
    scale = REFERENCE_PIXELS / frames.shape[-1]
    loss = linear_gaussian.free_energy(nll, terms.kl, beta)
    if unrolling.priced:
        loss = loss + unrolling.message_price * terms.messages
        loss = loss + unrolling.spike_price * terms.spikes
    return Unrolled(
        loss=loss * scale,
        nll=nll.detach(),
        kl=terms.kl.detach(),
        messages=terms.messages.detach(),
        spikes=terms.spikes.detach(),
        rate=terms.rates.mean(),
        max_rate=terms.rates.max(),
        arrivals=terms.arrivals,
        state=terms.state,
    )
