"""Latents through a softplus, against numbers by hand and the rectified ones."""

import math

import pytest
import torch
from torch import Tensor

from ipvae_snn.models.gaussian import Gaussian, GaussianLatents
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.models.soft_rectified import SoftRectified

SETTINGS = LatentSettings(7.0, -8.0)


def row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def latents(amplitude: float, sharpness: float, neurons: int = 3) -> SoftRectified:
    zero = torch.zeros(1, neurons, dtype=torch.float64)
    inner = GaussianLatents(zero, zero, zero, zero[0, 0], zero[0, 0], None, SETTINGS)
    return SoftRectified(
        inner,
        torch.full_like(zero, math.log(amplitude)),
        torch.full_like(zero, math.log(sharpness)),
    )


def test_values_by_hand() -> None:
    """ln(1 + e^0) = ln 2; of amplitude 3 and sharpness 2 at 1: 3 ln(1 + e^2) / 2."""
    state = Gaussian(row(0.0, 1.0, -1.0), row(0.0, 0.0, 0.0))
    plain = latents(1.0, 1.0).rates(state)[0].tolist()
    assert plain == pytest.approx([math.log(2), math.log1p(math.e), math.log1p(1 / math.e)])
    assert latents(3.0, 2.0).rates(state)[0, 1].item() == pytest.approx(
        1.5 * math.log1p(math.exp(2))
    )


def test_a_sample_is_that_of_the_gaussian_through_it() -> None:
    state = Gaussian(row(0.5, -2.0, 0.0), row(0.0, math.log(2.0), 0.0))
    z = latents(1.0, 1.0).sample(state, lambda like: row(1.0, 1.5, 0.0))
    assert z[0].tolist() == pytest.approx([math.log1p(math.exp(v)) for v in (1.5, 1.0, 0.0)])
    assert (z > 0).all()
    assert latents(1.0, 1.0).messages(state).tolist() == [[1.0, 1.0, 1.0]]


def test_a_sharp_one_is_rectified() -> None:
    state = Gaussian(row(-3.0, 0.5, 4.0), row(0.0, 0.0, 0.0))
    assert latents(2.0, 1e4).rates(state)[0].tolist() == pytest.approx([0.0, 1.0, 8.0], abs=1e-3)


def test_nothing_refines_it() -> None:
    state = Gaussian(row(1.0, 2.0, 3.0), row(0.0, 0.0, 0.0))
    assert latents(1.0, 1.0).update(state, state, row(9, 9, 9), row(1, 1, 1)) is state
