"""Loss of models whose weights learn from codes that settled, without gradients through inference.

Codes are constants for the weights, as in sparse coding (Olshausen and Field 1996) and in
predictive coding (Whittington and Bogacz 2017): the energy's gradient at the last code, or, in
incremental predictive coding (Salvatori et al., ICLR 2024), at the code after every step. There
each step's gradient moves the weights at once; here one update of the optimiser has their mean.
"""

from functools import partial
from typing import Final

import torch
from torch import Tensor

from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.protocol import (
    Decoder,
    LatentModel,
    State,
    advance,
    first_state,
    inference,
    negative_log_likelihood,
)
from ipvae_snn.training.objective import REFERENCE_PIXELS, Sample, Unrolled, frames_of
from ipvae_snn.training.unrolling import Unrolling

NO_NUMBER: Final = 0


def settled_loss(
    model: LatentModel[State],
    decoder: Decoder,
    x: Tensor,
    sample: Sample,
    unrolling: Unrolling,
    every_step: bool,
) -> Unrolled:
    """Return the energy of images x (B, M) or frames (B, F, M) at codes that settled.

    every_step: the mean over all steps' codes, in place of the last one's. The model's divergence
    is the code's own energy, which has no gradient.
    """
    frames = frames_of(x)
    nll, energy = x.new_zeros(()), x.new_zeros(())
    with torch.no_grad():
        likelihood = inference(decoder, frames)
        state = first_state(model, decoder, frames[0])
    for step in range(unrolling.steps):
        frame = step * len(frames) // unrolling.steps
        with torch.no_grad():
            drive = partial(drive_at, likelihood, frame)
            _, state = advance(model, state, lambda u: sample(u, NO_NUMBER), drive)
            code = model.rates(state)
        if every_step or step == unrolling.steps - 1:
            nll = nll + negative_log_likelihood(decoder, frames[frame], code).mean()
            energy = energy + model.divergence(state, state).mean()
    count = unrolling.steps if every_step else 1
    nll, energy = nll / count, energy / count
    with torch.no_grad():
        size, sent = model.activity(state), model.messages(state).sum(-1).mean()
    return Unrolled(
        loss=(nll + energy) * (REFERENCE_PIXELS / frames.shape[-1]),
        nll=nll.detach(),
        kl=energy.detach(),
        messages=sent,
        spikes=size.sum(-1).mean(),
        rate=size.mean(),
        max_rate=size.max(),
        arrivals=0.0,
    )
