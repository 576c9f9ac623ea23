"""Validation of a network with exact Poisson spike counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ipvae_snn.config.settings import KlForm, ModelConfig
from ipvae_snn.metrics import estimates, quality
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson_samples import exact_poisson
from ipvae_snn.training.straight_through import FakeRounding

CHUNK: Final = 1000


@dataclass(frozen=True)
class Validation:
    """Means over the validation images at the last step T.

    r2 and mse (a pixel) of one sample's reconstruction; zeros: share of silent neurons; spikes:
    spikes a step and image; free_energy: nll + kl in nats an image, beta 1; worst_r2: of the
    worst image, which shows a run-away that the mean may hide.
    """

    r2: float
    worst_r2: float
    mse: float
    zeros: float
    spikes: float
    free_energy: float


@torch.no_grad()
def validate(
    parameters: Parameters,
    x: Tensor,
    model: ModelConfig,
    *,
    steps: int,
    kl: KlForm,
    inner_steps: int = 1,
    leak: float = 0.0,
    generator: torch.Generator,
    rounding: FakeRounding | None = None,
) -> Validation:
    """Run `steps` steps on x (N, M) and judge a fresh sample of the last posterior.

    Of moving inputs x (N, F, M), frame t * F // T is seen in step t, and the last is judged.
    rounding: inference sees rounded matrices, and the exact dictionary decodes.
    """
    p = parameters
    codes, reconstructions, energies = [], [], []
    G = linear_gaussian.gram(p.phi, p.log_sigma)
    for chunk in _chunks(x):
        frames = chunk if chunk.dim() == 3 else chunk.unsqueeze(1)
        b = linear_gaussian.feed_forward(frames, p.phi, p.log_sigma)
        competition = G
        if rounding is not None:
            rounded = rounding(p, frames.transpose(0, 1), G)
            b, competition = rounded.drive.transpose(0, 1), rounded.competition
        chunk = frames[:, -1]
        u = before = p.u0.expand(len(chunk), -1)
        for t in range(steps):
            before, seen = u, b[:, t * b.shape[1] // steps]
            for _ in range(inner_steps):
                z = exact_poisson(u, generator)
                pulled = leak * (u - before) * torch.exp(-p.log_lr)
                drive = linear_gaussian.gram_drive(seen, z, competition) - pulled
                u = poisson.update(u, drive, p.log_bias, p.log_lr, model.clip, model.floor)
        z = exact_poisson(u, generator)
        nll = linear_gaussian.negative_log_likelihood(chunk, z, p.phi, p.log_sigma)
        energies.append(
            linear_gaussian.free_energy(nll, poisson.KL_FORMS[kl](u, before)).cpu().numpy()
        )
        reconstructions.append((z @ p.phi.T).cpu().numpy())
        codes.append(z.cpu().numpy().astype(np.int64))
    judged = x if x.dim() == 2 else x[:, -1]
    pixels, reconstruction = judged.cpu().numpy(), np.concatenate(reconstructions)
    counts = np.concatenate(codes)
    r2 = quality.r2_per_image(pixels, reconstruction)
    kept = r2[~np.isnan(r2)]
    return Validation(
        r2=estimates.estimate(r2).mean,
        worst_r2=float(kept.min()) if kept.size else float("nan"),
        mse=quality.mse(pixels, reconstruction),
        zeros=quality.zeros_fraction(counts),
        spikes=float(counts.sum(axis=1).mean()),
        free_energy=float(np.concatenate(energies).astype(np.float64).mean()),
    )


def _chunks(x: Tensor) -> Iterator[Tensor]:
    yield from torch.split(x, CHUNK)
