"""P-VAE decoders: the bias is the gradient of the P-VAE's own loss; others are refused by name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from foreign_files import NEURONS, PIXELS, p_vae_state, write_p_vae
from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.importers.draft import Draft, Source
from ipvae_snn.importers.formats import read


def draft(path: Path) -> Draft:
    name, result = read(Source(path))
    assert name == "poisson-vae"
    return result


def test_drive_and_bias_are_the_gradient_of_the_loss(tmp_path: Path) -> None:
    """Its exact loss over Poisson counts: |x - W rate|^2 + sum_k rate_k |W_k|^2, plus beta KL."""
    result = draft(write_p_vae(tmp_path, kl_beta=0.3))
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, PIXELS, generator=generator).double()
    rate = (torch.rand(4, NEURONS, generator=generator).double() * 3).requires_grad_()
    weights = p_vae_state()["fc_dec.weight"].double()
    error = ((x - rate @ weights.T) ** 2).sum() + (rate @ (weights**2).sum(0)).sum()
    (gradient,) = torch.autograd.grad(error / 0.3, rate)
    precision = torch.exp(-2.0 * torch.from_numpy(result.log_sigma).double())
    drive = ((x - rate @ weights.T) * precision) @ weights
    bias = torch.from_numpy(result.log_bias).double().exp()
    np.testing.assert_allclose((bias - drive).detach(), gradient, rtol=1e-5, atol=1e-5)


def test_the_prior_and_the_step(tmp_path: Path) -> None:
    result = draft(write_p_vae(tmp_path))
    np.testing.assert_array_equal(result.u0, p_vae_state()["log_rate"].numpy()[0])
    assert result.log_lr is None  # chosen on images
    assert result.remarks == (
        "The encoder is left out: inference follows the gradient of the same loss.",
    )


def test_normalised_weights(tmp_path: Path) -> None:
    result = draft(write_p_vae(tmp_path, dec_norm=True))
    np.testing.assert_allclose(np.linalg.norm(result.phi, axis=0), 1.0, rtol=1e-6)


def test_a_neuron_without_weights_stays_finite(tmp_path: Path) -> None:
    weights = p_vae_state()["fc_dec.weight"].clone()
    weights[:, 2] = 0.0
    result = draft(write_p_vae(tmp_path, p_vae_state(fc_dec__weight=weights)))
    assert result.log_bias[2] == -20.0


def test_without_training_settings_the_assumption_is_reported(tmp_path: Path) -> None:
    path = write_p_vae(tmp_path)
    (tmp_path / "ConfigTrainVAE.json").unlink()
    result = draft(path)
    assert result.remarks[1] == "No ConfigTrainVAE.json beside the file: kl_beta 1 is assumed."
    np.testing.assert_array_equal(result.log_sigma, np.float32(0.5 * np.log(0.5)))


@pytest.mark.parametrize(
    ("changed", "settings", "message"),
    [
        ({"loc": torch.zeros(1, 6)}, {}, "a VAE with Gaussian or Laplace latents, which send no"),
        ({"logits": torch.zeros(1, 6)}, {}, "a VAE with categorical latents"),
        ({}, {"dec_type": "conv"}, r"decoder is not linear \(dec_type 'conv'\)"),
        ({"dec__0__weight": torch.zeros(1)}, {}, r"not linear \(it holds dec.0.weight\)"),
        ({"fc_dec__bias": torch.ones(16)}, {}, r"the decoder adds a bias \(fc_dec.bias\)"),
    ],
)
def test_others_are_refused_by_name(
    tmp_path: Path, changed: dict[str, torch.Tensor], settings: dict[str, object], message: str
) -> None:
    path = write_p_vae(tmp_path, p_vae_state(**changed), **settings)
    with pytest.raises(ConversionError, match=message):
        read(Source(path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"log_rate": None}, "holds no log_rate"),
        ({"log_rate": torch.zeros(1, 5)}, r"log_rate has shape \(1, 5\), but \(1, 6\)"),
        ({"mystery": torch.zeros(1)}, "holds 'mystery', which a P-VAE does not have"),
        ({"fc_dec__weight": torch.full((16, 6), torch.inf)}, "holds 96 values that are NaN, inf"),
    ],
)
def test_a_damaged_part_is_one_line(
    tmp_path: Path, changed: dict[str, torch.Tensor | None], message: str
) -> None:
    path = write_p_vae(tmp_path, p_vae_state(**changed))
    with pytest.raises(FileFormatError, match=message):
        read(Source(path))


def test_a_zero_bias_is_no_bias(tmp_path: Path) -> None:
    draft(write_p_vae(tmp_path, p_vae_state(fc_dec__bias=torch.zeros(16))))
