"""Amortised latents: an encoder's state, and its KL divergence from the prior."""

import math
from dataclasses import replace

import pytest
import torch

from ipvae_snn.config.settings import Config, KlForm, ModelConfig, TrainConfig
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.registry import new_module

KINDS = ["amortised-poisson", "semi-amortised-poisson", "iterative-amortised-poisson"]


@pytest.mark.parametrize("form", ["code", "exact"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_kl_of_poisson_latents_with_an_encoder_is_exact(kind: str, form: KlForm) -> None:
    """KL(Poisson(r e) || Poisson(r)) = r (1 + e (1 - 1)) = r for every neuron, by hand."""
    config = Config(ModelConfig(kind=kind, n_latents=3), TrainConfig(steps=1, kl=form))
    module = new_module(config.model, (2, 2), torch.Generator().manual_seed(0)).double()
    settings = LatentSettings.of(config.model, 10.0, config.train)
    latents = module.view().latents(settings)
    prior = torch.log(torch.tensor([[0.5, 1.0, 2.0]], dtype=torch.float64))
    kl = latents.divergence(prior + 1.0, prior)
    assert kl.item() == pytest.approx(0.5 + 1.0 + 2.0)
    # The other form has the new rate in front.
    iterative = replace(config, model=replace(config.model, kind="poisson"))
    stepping = new_module(iterative.model, (2, 2), torch.Generator()).double().view()
    of_a_step = stepping.latents(settings).divergence(prior + 1.0, prior).item()
    assert of_a_step == pytest.approx(3.5 * (math.e if form == "code" else 1.0))
