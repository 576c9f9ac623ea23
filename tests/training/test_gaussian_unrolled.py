"""Compiled passes of Gaussian latents beside automatic differentiation, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from ipvae_snn.config.settings import Config, ModelConfig, TrainConfig
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.gaussian import Gaussian, GaussianVAE
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.training.gaussian_loss import gaussian_loss, is_compiled
from ipvae_snn.training.loss import unrolling
from ipvae_snn.training.objective import Unrolled, unrolled_by_autodiff
from ipvae_snn.training.schedules import ScheduleValues
from ipvae_snn.training.unrolling import Unrolling

IMAGES, PIXELS, NEURONS, STEPS, CLIP, BETA = 4, 9, 7, 5, 3.0, 2.0


def settings(**train: object) -> tuple[Config, Unrolling]:
    model = ModelConfig(NEURONS, clip=CLIP, phi_std=0.4, kind="gaussian")
    config = Config(model, TrainConfig(steps=STEPS, late_power=0.5, **train))  # type: ignore[arg-type] # any
    now = ScheduleValues(0.0, 0.0, BETA, CLIP, 1.0, STEPS)
    return config, unrolling(config, now, np.zeros(0, np.uint64))


def moved(config: Config, rectified: bool) -> GaussianVAE:
    """A network in float64 whose parameters are not at their special initial values."""
    generator = torch.Generator().manual_seed(9)
    module = GaussianVAE(config.model, (3, 3), generator, rectified=rectified)
    for name, parameter in module.named_parameters():
        if name != "phi":
            parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module.double()


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("begins", [False, True])
def test_loss_and_gradient_are_those_of_automatic_differentiation(
    rectified: bool, frames: int, threads: int, begins: bool
) -> None:
    config, unroll = settings(threads=threads)
    module = moved(config, rectified)
    generator = torch.Generator().manual_seed(1)
    rows = 40 if threads > 1 else IMAGES  # threads share multiples of 16 rows
    shape = (rows, frames, PIXELS) if frames > 1 else (rows, PIXELS)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    eps = torch.randn(STEPS + 1, rows, NEURONS, generator=generator, dtype=torch.float64)
    state = 0.1 * torch.randn(2, rows, NEURONS, generator=generator, dtype=torch.float64)
    carried = Gaussian(*state) if begins else None

    def noise(_: Tensor, i: int) -> Tensor:
        return eps[i]

    def result(loss: Callable[..., Unrolled]) -> tuple[Unrolled, list[Tensor | None]]:
        view = module.view()
        model = view.latents(LatentSettings.of(config.model, CLIP, config.train))
        found = loss(model, view.dictionary, x, noise, BETA, unroll, carried=carried)
        learnt = list(module.parameters())
        return found, list(torch.autograd.grad(found.loss, learnt, allow_unused=True))

    wanted, gradients = result(unrolled_by_autodiff)
    found, ours = result(gaussian_loss)
    for name in ("loss", "nll", "kl", "rate", "max_rate"):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name), rtol=1e-10, atol=0)
    for part, whole in zip(found.state, wanted.state, strict=True):
        torch.testing.assert_close(part, whole, rtol=1e-10, atol=1e-12)
    for one, other in zip(ours, gradients, strict=True):
        if other is None:  # the first state's parameters, where a segment begins elsewhere
            assert begins
            continue
        assert one is not None
        largest = float(other.abs().max())
        assert largest > 0
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11 * largest)


def test_what_the_passes_do_not_have_goes_by_automatic_differentiation() -> None:
    config, unroll = settings()
    dictionary = moved(config, rectified=False).view().dictionary
    assert isinstance(dictionary, DenseDictionary)
    assert is_compiled(dictionary, unroll)
    for train in ({"samples": 2}, {"message_price": 1.0}, {"spike_price": 1.0}):
        assert not is_compiled(dictionary, settings(**train)[1])


def test_float32_is_enough() -> None:
    """The numbers that training uses: to a few rounding errors of the largest gradient."""
    config, unroll = settings()
    module = moved(config, rectified=True)
    x = torch.randn(IMAGES, PIXELS, generator=torch.Generator().manual_seed(1)).double()
    eps = torch.randn(STEPS + 1, IMAGES, NEURONS, generator=torch.Generator().manual_seed(2))

    def gradients(module: GaussianVAE, x: Tensor) -> list[Tensor]:
        view = module.view()
        model = view.latents(LatentSettings.of(config.model, CLIP, config.train))
        dictionary = view.dictionary
        assert isinstance(dictionary, DenseDictionary)
        noise = eps.to(x.dtype)
        found = gaussian_loss(model, dictionary, x, lambda _, i: noise[i], BETA, unroll)
        return list(torch.autograd.grad(found.loss, list(module.parameters())))

    exact = gradients(module, x)
    for one, other in zip(gradients(module.float(), x.float()), exact, strict=True):
        atol = 2e-5 * float(other.abs().max())
        torch.testing.assert_close(one.double(), other, rtol=0, atol=atol)
