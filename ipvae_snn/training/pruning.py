"""Synapses removed while a network trains: which ones, how many, and when.

The share of weights that are 0 rises to its goal along a cubic curve (Zhu and Gupta 2017), and what
is left learns in between, through the dynamics that run. A synapse is worth what it contributes,
and costs an operation whenever its source sends: the saliency is the weight's magnitude times the
root mean square of the source's payloads that are not 0, so that the square is the power per
operation. An entry that is 0 is no synapse, which makes a run resumable from its parameters alone.
"""

import math
from collections.abc import Mapping
from functools import partial
from typing import Final

import torch
from torch import Tensor

from ipvae_snn.config.settings import TrainConfig
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.protocol import (
    Decoder,
    Draw,
    LatentModel,
    State,
    advance,
    first_state,
    inference,
)
from ipvae_snn.training import blocks, receptive_fields
from ipvae_snn.training.schedules import linear

INTERVAL: Final = 25  # iterations between two prunings
IMAGES: Final = 200  # whose counts give the saliency of lateral weights
PIXELS: Final = 10_000  # images whose pixels give that of feed-forward weights
# Parameters of `models.untied.UntiedPoissonVAE`.
LATERAL, FEEDFORWARD, START = "lateral", "psi", "start"


def goals(settings: TrainConfig) -> dict[str, float]:
    """Return the final share of weights that are 0, by the parameter's name; empty for none.

    Receptive fields remove feed-forward weights whatever their share.
    """
    wanted = {
        LATERAL: settings.lateral_sparsity,
        FEEDFORWARD: settings.feedforward_sparsity,
        START: settings.start_sparsity,
    }
    local = {FEEDFORWARD} if settings.receptive_field else set()
    return {name: share for name, share in wanted.items() if share > 0 or name in local}


def due(settings: TrainConfig, iteration: int) -> bool:
    """Return whether weights are removed before `iteration`."""
    end = math.ceil(settings.sparsity_fraction * settings.iterations)
    return bool(goals(settings)) and iteration % INTERVAL == 0 and iteration < end + INTERVAL


def share(settings: TrainConfig, goal: float, iteration: int) -> float:
    """Return the share of weights that are 0 at `iteration`: goal (1 - (1 - progress)^3)."""
    progress = linear(iteration, settings.sparsity_fraction * settings.iterations)
    return goal * (1.0 - (1.0 - progress) ** 3)


def sent_size(payloads: Tensor) -> Tensor:
    """Return the root mean square of each source's payloads (..., sources) that are not 0."""
    flat = payloads.reshape(-1, payloads.shape[-1])
    sent = (flat != 0).sum(0)
    return (flat.square().sum(0) / sent.clamp(min=1)).sqrt()


@torch.no_grad()
def sent_counts(
    model: LatentModel[State], decoder: Decoder, x: Tensor, steps: int, draw: Draw
) -> Tensor:
    """Return `sent_size` (K,) of the counts of T steps.

    x (N, M), or (N, F, M) whose step t sees frame t * F // T.
    """
    frames = x.unsqueeze(0) if x.dim() == 2 else x.transpose(0, 1)
    likelihood = inference(decoder, frames)
    state, counts = first_state(model, decoder, frames[0]), []
    for t in range(steps):
        drive = partial(drive_at, likelihood, t * len(frames) // steps)
        z, state = advance(model, state, draw, drive)
        counts.append(z)
    return sent_size(torch.cat(counts))


def masks(
    parameters: Mapping[str, Tensor],
    pixels: Tensor,
    counts: Tensor,
    settings: TrainConfig,
    iteration: int,
    shape: ImageShape,
) -> dict[str, Tensor]:
    """Return what remains of the weights, 1 or 0, by the parameter's name.

    pixels (M,), counts (K,): `sent_size` of the sources of feed-forward and lateral weights. shape:
    of the images.
    Never an entry that is 0 already, and always the diagonal of lateral weights, self-inhibition.
    A start, which begins at 0, has all entries up to iteration INTERVAL.
    """
    source = {LATERAL: counts, FEEDFORWARD: pixels, START: pixels}
    result = {}
    for name, goal in goals(settings).items():
        if name == START and iteration < INTERVAL:
            continue
        weights = parameters[name].detach()
        saliency = weights.abs() * source[name]
        if name == LATERAL:
            saliency.fill_diagonal_(torch.inf)
        apart = None
        if name == FEEDFORWARD and settings.receptive_field:
            side = receptive_fields.side_at(settings, shape, iteration)
            apart = receptive_fields.outside(saliency, shape, side)
            saliency = saliency.masked_fill(apart, 0.0)  # counts as removed below
        removed = int(share(settings, goal, iteration) * saliency.numel())
        gone = blocks.least(saliency, removed, settings.sparsity_block)
        gone = gone if apart is None else gone | apart
        result[name] = ((weights != 0) & ~gone).to(weights)
    return result


def present(
    parameters: Mapping[str, Tensor], settings: TrainConfig, done: int
) -> dict[str, Tensor]:
    """Return the masks of the weights as they are, of a run that is resumed after `done`."""
    return {
        name: (parameters[name].detach() != 0).to(torch.float32)
        for name in goals(settings)
        if name != START or done > INTERVAL
    }


@torch.no_grad()
def apply(parameters: Mapping[str, Tensor], kept: Mapping[str, Tensor]) -> None:
    """Set the weights that do not remain to 0, in place."""
    for name, mask in kept.items():
        parameters[name].mul_(mask)
