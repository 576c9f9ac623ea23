"""Figures of inference after one step, per image and as means with intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch

from ipvae_snn.arrays import Float32, Float64, Int64
from ipvae_snn.config.settings import KlForm
from ipvae_snn.kernels.rows import Progress
from ipvae_snn.metrics import estimates, quality
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.models import linear_gaussian, poisson
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.stored_dictionary import StoredDictionary

# Figures of every step that are means over images.
NAMES: Final = ("r2", "r2_mean", "r2_map", "mse", "mse_map", "zeros", "spikes", "nll")


class Decoded(NamedTuple):
    """Spike counts z (n, K) drawn at the potentials after a step, and reconstructions (n, M).

    sample: phi z. mean: of the mean of z and the draws before it, as many as a mean has. rates: phi
    exp(u).
    """

    z: Float32
    sample: Float32
    mean: Float32
    rates: Float32


Judge = Callable[[Float32, Progress, Decoded], dict[str, Float64]]


def decoded(
    dictionary: StoredDictionary, p: Progress, z: Float32, before: Int64, updates: int
) -> Decoded:
    """Return what a step decodes to.

    z (n, K): drawn after the step. before (n, K): counts_sum of p before the draws whose mean is
    decoded, besides z; updates: their number.
    """
    mean = (p.counts_sum - before + z) / (updates + 1.0)
    rates = dictionary.decode(np.exp(p.state))
    return Decoded(z, dictionary.decode(z), dictionary.decode(mean.astype(np.float32)), rates)


@dataclass(frozen=True)
class StepFigures:
    """Means over the images after `step` steps, with 95 % intervals.

    r2 and mse (per pixel) are those of one sample's reconstruction phi z with z ~ Poisson(exp(u)),
    r2_map and mse_map those of phi exp(u), r2_mean that of the mean of z and the draws before it,
    of the last steps (`mean_steps` of the request). zeros: share of neurons that are silent in z.
    spikes: sum of z over all neurons. corner: distance of (r2, zeros) to (1, 1), its interval by
    the delta method. nll: -log p(x|z) in nats per image. kl: from the potentials before the last
    step to those after it. free_energy = nll + kl. du_norm: L2 norm of the last step's change. kl,
    free_energy and du_norm are None before the first step. worst_r2: the smallest r2 of any image.
    r2_median: the median image's r2. r2_pooled: r2 of all images' pixels together, each about its
    image's mean, so that flat images do not weigh more than others.
    """

    step: int
    r2: Estimate
    r2_mean: Estimate
    r2_map: Estimate
    mse: Estimate
    mse_map: Estimate
    zeros: Estimate
    spikes: Estimate
    corner: Estimate
    nll: Estimate
    kl: Estimate | None
    free_energy: Estimate | None
    du_norm: Estimate | None
    worst_r2: float
    r2_median: float
    r2_pooled: float


def judge_of(network: FloatNetwork, form: KlForm) -> Judge:
    """Return the function that computes each image's figures (N,), by the names of StepFigures."""
    log_sigma = torch.from_numpy(network.log_sigma.astype(np.float64))
    precision = linear_gaussian.precision(log_sigma).numpy().astype(np.float32)
    normaliser = float(linear_gaussian.log_normaliser(log_sigma))
    divergence = poisson.KL_FORMS[form]

    def judge(pixels: Float32, p: Progress, decoded: Decoded) -> dict[str, Float64]:
        u, before = p.state.astype(np.float64), p.before.astype(np.float64)
        error = (pixels - decoded.sample) ** 2
        nll = 0.5 * (error @ precision).astype(np.float64) + normaliser
        kl = divergence(torch.from_numpy(u), torch.from_numpy(before)).numpy()
        return {
            **quality_of(pixels, decoded),
            "spikes": decoded.z.sum(axis=1, dtype=np.float64),
            "nll": nll,
            "kl": kl,
            "free_energy": nll + kl,
            "du_norm": np.linalg.norm(u - before, axis=1),
        }

    return judge


def quality_of(pixels: Float32, decoded: Decoded) -> dict[str, Float64]:
    """Return each image's figures (n,) of what was decoded, whatever the model.

    It adds the sums of squares that r2_pooled needs.
    """
    z, sample, mean, rates = decoded
    return {
        "r2": quality.r2_per_image(pixels, sample),
        "r2_mean": quality.r2_per_image(pixels, mean),
        "r2_map": quality.r2_per_image(pixels, rates),
        "mse": ((pixels - sample) ** 2).mean(axis=1, dtype=np.float64),
        "mse_map": ((pixels - rates) ** 2).mean(axis=1, dtype=np.float64),
        "zeros": (z == 0).mean(axis=1),
        **quality.errors_per_image(pixels, sample)._asdict(),
    }


def gather(
    steps: tuple[int, ...], figures: list[list[dict[str, Float64]]]
) -> tuple[tuple[StepFigures, ...], int]:
    """Return the figures by step, and the last step's worst image (0 if none has an R2)."""
    moments = []
    worst = 0
    for step, parts in zip(steps, figures, strict=True):
        values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        known = np.where(np.isnan(values["r2"]), np.inf, values["r2"])
        worst = int(known.argmin())
        moved = {
            name: estimates.estimate(values[name]) for name in ("kl", "free_energy", "du_norm")
        }
        moments.append(
            StepFigures(
                step=step,
                corner=corner(values["r2"], values["zeros"]),
                kl=moved["kl"] if step else None,
                free_energy=moved["free_energy"] if step else None,
                du_norm=moved["du_norm"] if step else None,
                worst_r2=float(values["r2"][worst]),
                r2_median=quality.median(values["r2"]),
                r2_pooled=quality.r2_pooled(quality.Errors(values["error"], values["total"])),
                **{name: estimates.estimate(values[name]) for name in NAMES},
            )
        )
    return tuple(moments), worst


def corner(r2: Float64, zeros: Float64) -> Estimate:
    """Return sqrt((1 - mean R2)^2 + (1 - mean zeros)^2) of figures per image (N,).

    The interval is by the delta method: with a and b the means of a_n = 1 - R2_n and
    b_n = 1 - zeros_n, the mean of (a a_n + b b_n) / d is d itself, and varies as d does.
    """
    a_n = 1.0 - r2
    b_n = np.where(np.isnan(r2), np.nan, 1.0 - zeros)
    a, b = estimates.estimate(a_n).mean, estimates.estimate(b_n).mean
    distance = float(np.hypot(a, b))
    if distance == 0.0:
        return estimates.estimate(a_n)
    return estimates.estimate((a * a_n + b * b_n) / distance)
