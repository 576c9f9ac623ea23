"""The loss of one pass of an encoder is that of unrolled inference with one step."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from short_runs import CONFIG, TRAIN
from torch import Tensor

from ipvae_snn.config.settings import DictionaryKind
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.registry import new_module
from ipvae_snn.training.loss import unrolling
from ipvae_snn.training.objective import Unrolled, unrolled_by_autodiff
from ipvae_snn.training.one_pass import one_pass_loss
from ipvae_snn.training.schedules import schedule_values

ONE_PASS = [kind for kind, member in MEMBERS.items() if member.one_step]
TEMPERATURE = 0.3


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("dictionary", ["dense", "mlp"])
@pytest.mark.parametrize("kind", ONE_PASS)
def test_it_equals_unrolled_inference(kind: str, dictionary: DictionaryKind, samples: int) -> None:
    config = replace(
        CONFIG,
        model=replace(CONFIG.model, kind=kind, dictionary=dictionary, clip=7.0),
        train=replace(CONFIG.train, steps=1, samples=samples),
    )
    model = new_module(config.model, TRAIN.image_shape, torch.Generator().manual_seed(0)).double()
    x = torch.from_numpy(TRAIN.pixels[:6]).double()
    now = schedule_values(config.model, config.train, 0)
    unroll = replace(unrolling(config, now, np.zeros(0, np.uint64)), priced=True, message_price=0.1)
    settings = LatentSettings.of(config.model, now.clip, config.train)

    def result(one_pass: bool) -> tuple[Unrolled, list[Tensor | None]]:
        model.zero_grad(set_to_none=True)
        parameters = model.view()
        latents: Any = parameters.latents(settings)

        def sample(parameters: Tensor, number: int) -> Tensor:
            generator = torch.Generator().manual_seed(number)
            drawn: Tensor = latents.draws(generator, TEMPERATURE)(parameters)
            return drawn

        given = latents, parameters.dictionary, x, sample, 0.7, unroll
        unrolled = one_pass_loss(*given) if one_pass else unrolled_by_autodiff(*given)
        torch.autograd.backward(unrolled.loss)
        return unrolled, [parameter.grad for parameter in model.parameters()]

    ours, gradients = result(True)
    expected, expected_gradients = result(False)
    for name in ("loss", "nll", "kl", "messages", "spikes", "rate", "max_rate"):
        torch.testing.assert_close(getattr(ours, name), getattr(expected, name))
    assert any(gradient is not None and gradient.any() for gradient in gradients)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other)
