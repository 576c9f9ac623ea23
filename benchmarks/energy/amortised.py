"""Baselines for iterative inference: a trained one-pass encoder, and PCA, of equal R2."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import nn

from ipvae_snn.arrays import Float32
from ipvae_snn.metrics.quality import r2

BATCH: Final = 250
EPOCHS: Final = 12
LEARNING_RATE: Final = 2e-3
WARM_UP: Final = 0.1
GRADIENT_CLIP: Final = 1.0


@dataclass(frozen=True)
class Fit:
    """Figures of an encoder M -> hidden -> K; zeros: share of its outputs that are 0."""

    hidden: int
    r2: float
    zeros: float


def unit(phi: Float32) -> Float32:
    """Return the dictionary with elements of length 1: the same codes up to scale."""
    lengths = np.maximum(np.linalg.norm(phi, axis=0), 1e-12)
    scaled: Float32 = (phi / lengths).astype(np.float32)
    return scaled


class Encoder(nn.Module):
    """Two dense layers to a code of K values, read out by a given dictionary.

    The read-out is the network's, so only the computation of the code differs. The values of
    the code are real numbers: nonnegative, like the network's counts, or of either sign.
    """

    def __init__(self, pixels: int, hidden: int, neurons: int, signed: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(pixels, hidden), nn.Linear(hidden, neurons)
        self.signed = signed

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the codes (B, K) of images (B, M)."""
        code: torch.Tensor = self.second(torch.relu(self.first(pixels)))
        return code if self.signed else torch.relu(code)


def train(phi: Float32, images: Float32, hidden: int, signed: bool, seed: int = 0) -> Encoder:
    """Fit an encoder to images (N, M) by the R2 of its evaluation: Adam, one cycle, EPOCHS epochs.

    The loss is 1 - R2, the mean over images of squared error by variance.
    """
    torch.manual_seed(seed)
    encoder = Encoder(phi.shape[0], hidden, phi.shape[1], signed)
    optimiser = torch.optim.Adam(encoder.parameters(), LEARNING_RATE)
    count = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=EPOCHS * count, pct_start=WARM_UP
    )
    data, order = torch.from_numpy(images), np.random.default_rng(seed)
    spread = ((data - data.mean(dim=1, keepdim=True)) ** 2).sum(dim=1)
    decoder = torch.from_numpy(unit(phi)).T
    for _ in range(EPOCHS):
        for part in order.permutation(len(data))[: count * BATCH].reshape(count, BATCH):
            chosen = torch.from_numpy(part)
            shown = data[chosen]
            error = ((encoder(shown) @ decoder - shown) ** 2).sum(dim=1)
            optimiser.zero_grad()
            (error / spread[chosen]).mean().backward()
            nn.utils.clip_grad_norm_(encoder.parameters(), GRADIENT_CLIP)
            optimiser.step()
            schedule.step()
    return encoder


def judge(encoder: Encoder, phi: Float32, images: Float32) -> Fit:
    """Return the figures of an encoder on images (N, M)."""
    with torch.no_grad():
        codes = encoder(torch.from_numpy(images)).numpy()
    quality = r2(images, codes @ unit(phi).T)
    return Fit(encoder.first.out_features, quality.mean, float((codes == 0).mean()))


def components_needed(training: Float32, held_out: Float32, wanted: float) -> tuple[int, float]:
    """Return the least number of principal components that reach R2 `wanted`, and their R2.

    PCA is the lower bound: no linear code of that length is better on its training images.
    """
    centre = training.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((training - centre).T))
    axes = axes[:, ::-1]  # largest first
    low, high = 1, axes.shape[1]

    def reached(count: int) -> float:
        basis = axes[:, :count]
        return r2(held_out, (held_out - centre) @ basis @ basis.T + centre).mean

    while low < high:  # R2 grows with every component
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= wanted else (middle + 1, high)
    return low, reached(low)
