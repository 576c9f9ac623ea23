"""Loss of models whose inference is one pass of an encoder: no drive, no latents but the loss's.

It is that of `objective.unrolled_by_autodiff` with one step. The Gram form, which pays where the
same images are explained step after step, would cost more than the pixels here.
"""

from functools import partial
from typing import Final

import torch
from torch import Tensor

from ipvae_snn.models.protocol import Decoder, LatentModel, State, first_state
from ipvae_snn.models.shapes import Number
from ipvae_snn.training.objective import (
    Sample,
    Terms,
    Unrolled,
    detached,
    frames_of,
    numbered,
    summary,
)
from ipvae_snn.training.unrolling import Unrolling

UPDATE: Final = 1  # the number of the state that the loss sees, as in unrolled inference


def one_pass_loss(
    model: LatentModel[State],
    decoder: Decoder,
    x: Tensor,
    sample: Sample,
    beta: Number,
    unrolling: Unrolling,
) -> Unrolled:
    """Return the loss on images x (B, M), or on the first of frames (B, F, M), on any device.

    sample(parameters, i) is the model's source of latents (B, K); it is called once, and once more
    where unrolling.samples is 2. The divergence is from the learnt prior.
    """
    frames = frames_of(x)
    images = frames[0]
    state = first_state(model, decoder, images)
    fit, nothing = x.new_zeros(()), x.new_zeros(())
    power = decoder.power(images)
    for share, number in zip(unrolling.shares, (UPDATE, unrolling.second(UPDATE)), strict=False):
        z = model.sample(state, partial(numbered, sample, number))
        fit = fit + share * 0.5 * (decoder.power(images - decoder.decode(z)) - power).mean()
    kl = model.divergence(state, model.initial(len(images))).mean()
    with torch.no_grad():
        rates = model.activity(state)
    messages, spikes = nothing, nothing
    if unrolling.priced:
        messages = model.messages(state).sum(-1).mean()
        spikes = model.activity(state).sum(-1).mean()
    terms = Terms(fit, kl, messages, spikes, rates, 0.0, detached(state))
    return summary(decoder, frames, terms, beta, unrolling)
