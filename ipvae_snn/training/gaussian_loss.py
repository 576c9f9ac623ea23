"""Training loss of the iG-VAE and the iG_relu-VAE by compiled passes, on the CPU."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from ipvae_snn.models.gaussian import Gaussian, GaussianLatents
from ipvae_snn.models.protocol import Dictionary
from ipvae_snn.training.gaussian_unrolled import Noise, Workspace, gaussian_inference
from ipvae_snn.training.objective import Terms, Unrolled, frames_of, summary
from ipvae_snn.training.unrolling import Unrolling


def is_compiled(dictionary: Dictionary, unrolling: Unrolling) -> bool:
    """Return whether the passes have these settings.

    They have one update per step, one sample, no prices and a dense dictionary.
    """
    dense = dictionary.in_gram_form and dictionary.own is None and math.prod(dictionary.grid) == 1
    simple = unrolling.updates_per_step == 1 and unrolling.samples == 1 and not unrolling.priced
    return dense and simple


def gaussian_loss(
    model: GaussianLatents,
    dictionary: Dictionary,
    x: Tensor,
    noise: Noise,
    beta: float,
    unrolling: Unrolling,
    carried: Gaussian | None = None,
    workspace: Workspace | None = None,
) -> Unrolled:
    """Return the loss on x (B, M), or on F frames (B, F, M), as `unrolled_by_autodiff` does.

    noise(like, i) returns standard normal noise like the tensor (B, K), of the latents after update
    i, 0 for those of the first state. carried: the state in which a segment begins. workspace:
    memory that calls share. For settings of which `is_compiled` is true.
    """
    frames = frames_of(x)
    first = model if carried is None else replace(model, mu0=carried.mu, xi0=carried.xi)
    G, b = dictionary.by_distance().flatten(1), dictionary.project(frames)
    r = gaussian_inference(G, b, first, noise, unrolling, workspace)
    last, none = Gaussian(r.mu, r.xi), x.new_zeros(())
    with torch.no_grad():
        rates = model.activity(last)
    terms = Terms(r.fit, r.kl, none, none, rates, 0.0, last)
    return summary(dictionary, frames, terms, beta, unrolling)
