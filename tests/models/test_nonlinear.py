"""Nonlinear decoders: the drive, its gradient, and the loss, against plain formulas in float64."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import small
from ipvae_snn.config.settings import ModelConfig, NonlinearKind
from ipvae_snn.models.decoders import decoder_network, hidden_units
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.layers import fan_in
from ipvae_snn.models.likelihood import drive_at
from ipvae_snn.models.nonlinear import NonlinearDecoder
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentSettings, drive, negative_log_likelihood
from ipvae_snn.training.objective import Unrolled, unrolled_by_autodiff

M, K, B = 12, 5, 3
KINDS: tuple[NonlinearKind, ...] = ("mlp", "deconvolutional")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(
        *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape) + seed)
    )


def network(kind: NonlinearKind) -> nn.Sequential:
    """Return a decoder of 3x4 pixels with weights of size 1, so that it is far from linear."""
    config = ModelConfig(n_latents=K, dictionary=kind, decoder_width=6)
    result = decoder_network(config, (3, 4), kind, torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        result[-1 if kind == "mlp" else -2].weight.mul_(5.0)
        for parameter in result.parameters():
            if parameter.ndim == 1:
                parameter.copy_(0.3 * normal(*parameter.shape))
    return result


def decoder(kind: NonlinearKind) -> NonlinearDecoder:
    return NonlinearDecoder(network(kind), 0.2 * normal(1, M))


def test_without_a_nonlinearity_the_drive_is_the_dictionarys() -> None:
    phi, log_sigma = normal(M, K), 0.2 * normal(1, M)
    linear = DenseDictionary(phi, log_sigma)
    through_pixels = NonlinearDecoder(lambda z: z @ phi.T, log_sigma)
    x, z = normal(2, B, M), normal(B, K)
    gram, pixels = linear.likelihood(x), through_pixels.likelihood(x)
    for frame in range(2):
        expected = drive(linear, x[frame], z)
        for likelihood in (gram, pixels):
            result = drive_at(likelihood, frame, z)
            torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(
            pixels.misfit(pixels.explain(z), frame),
            gram.misfit(gram.explain(z), frame),
            rtol=1e-10,
            atol=1e-10,
        )


def unrolled(phi: Tensor, through_pixels: bool, samples: int) -> Unrolled:
    """Return the loss of three steps of two frames, by either likelihood of one dictionary."""
    rows = (torch.zeros(1, K, dtype=torch.float64) for _ in range(2))
    model = PoissonLatents(*rows, torch.tensor(-1.0), LatentSettings(5.0, -8.0))
    log_sigma = 0.2 * normal(1, M)
    decode = NonlinearDecoder(lambda z: z @ phi.T, log_sigma)
    return unrolled_by_autodiff(
        model,
        decode if through_pixels else DenseDictionary(phi, log_sigma),
        normal(B, 2, M),
        lambda u, _: torch.exp(u),  # counts with a gradient
        2.0,
        small.small_unrolling(3, clip=5.0, samples=samples),
    )


@pytest.mark.parametrize("samples", [1, 2])
def test_without_a_nonlinearity_loss_and_gradient_are_the_dictionarys(samples: int) -> None:
    phi = (0.3 * normal(M, K)).requires_grad_()
    gram, pixels = (unrolled(phi, through, samples) for through in (False, True))
    torch.testing.assert_close(pixels.loss, gram.loss, rtol=1e-10, atol=0)
    torch.testing.assert_close(pixels.nll, gram.nll, rtol=1e-10, atol=0)
    result, expected = (torch.autograd.grad(one.loss, phi)[0] for one in (pixels, gram))
    torch.testing.assert_close(result, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_the_drive_is_minus_the_gradient_of_the_negative_log_likelihood(
    kind: NonlinearKind,
) -> None:
    d, x, z = decoder(kind), normal(1, B, M), normal(B, K)
    likelihood, step = d.likelihood(x), 1e-6
    with torch.no_grad():  # as inference runs
        result = drive_at(likelihood, 0, z)
    assert not result.requires_grad
    for k in range(K):
        moved = torch.zeros(K, dtype=torch.float64)
        moved[k] = step
        up, down = (negative_log_likelihood(d, x[0], z + sign * moved) for sign in (1, -1))
        torch.testing.assert_close(result[:, k], (down - up) / (2 * step), rtol=1e-6, atol=1e-6)
    # Less its value at f(z) = 0: |x|^2 / (2 sigma^2) and the normaliser.
    misfit = likelihood.misfit(likelihood.explain(z))
    rest = 0.5 * (x[0] ** 2 * torch.exp(-2 * d.log_sigma)).sum(-1)
    rest = rest + d.log_sigma.sum() + 0.5 * M * math.log(2 * math.pi)
    torch.testing.assert_close(misfit + rest, negative_log_likelihood(d, x[0], z))


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_of_the_drive(kind: NonlinearKind) -> None:
    """Training differentiates the drive with respect to latents, weights and noise."""
    f, x = network(kind), normal(1, B, M)
    names = list(dict(f.named_parameters()))

    def drive_of(z: Tensor, log_sigma: Tensor, *weights: Tensor) -> Tensor:
        named = dict(zip(names, weights, strict=True))
        d = NonlinearDecoder(partial(torch.func.functional_call, f, named), log_sigma)
        return drive_at(d.likelihood(x), 0, z)

    given = [normal(B, K), 0.2 * normal(1, M), *(p.detach() for p in f.parameters())]
    assert torch.autograd.gradcheck(drive_of, [values.requires_grad_() for values in given])


def test_latents_of_any_shape_are_decoded() -> None:
    d, z = decoder("mlp"), normal(2, B, K)
    torch.testing.assert_close(d.decode(z)[1], d.decode(z[1]))


@pytest.mark.parametrize(
    ("shape", "grid"), [((16, 16), (4, 4)), ((7, 10, 3), (2, 3)), ((3, 3), (1, 1))]
)
def test_deconvolutions_make_images_of_any_shape(
    shape: tuple[int, ...], grid: tuple[int, int]
) -> None:
    config = ModelConfig(n_latents=K, dictionary="deconvolutional", decoder_width=6)
    f = decoder_network(config, shape, "deconvolutional", torch.Generator())
    assert f(torch.zeros(B, K)).shape == (B, math.prod(shape))
    assert f[0].out_features == 6 * math.prod(grid)
    # 6 channels on the grid, and 3 on one of twice its sides.
    assert hidden_units(config, shape, "deconvolutional") == (6 + 3 * 4) * math.prod(grid)


def test_an_output_of_a_deconvolution_sees_four_positions() -> None:
    """4x4 kernels at every second pixel: 2x2 of them reach each pixel."""
    assert fan_in(nn.ConvTranspose2d(7, 3, 4, 2, 1)) == 4 * 7
    assert fan_in(nn.Conv2d(7, 3, 3)) == 9 * 7
    assert fan_in(nn.Linear(7, 3)) == 7
