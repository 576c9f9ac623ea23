"""Checkpoints of the iP-VAE's authors: every constant, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import softplus

from foreign_files import NEURONS, PIXELS, ip_vae_state, write_ip_vae
from ipvae_snn.config.preparation import Constants, Preparation
from ipvae_snn.errors import ConversionError, FileFormatError
from ipvae_snn.importers.draft import Draft, Source
from ipvae_snn.importers.formats import read
from ipvae_snn.models.poisson import update


def draft(path: Path) -> Draft:
    name, result = read(Source(path))
    assert name == "ip-vae"
    return result


def test_every_parameter(tmp_path: Path) -> None:
    result, state = draft(write_ip_vae(tmp_path)), ip_vae_state()
    np.testing.assert_array_equal(result.phi, state["layer.phi.weight"].numpy())
    raw = state["layer.dec_log_sigma"].numpy().astype(np.float64)[0]
    expected = (3.45 * np.tanh(raw / 3.45)).astype(np.float32)
    np.testing.assert_array_equal(result.log_sigma, expected)
    np.testing.assert_array_equal(result.u0, state["layer.u_init.0"].numpy()[0])
    np.testing.assert_array_equal(result.log_bias, state["layer.log_bias"].numpy()[0])
    assert (result.log_lr, result.clip, result.floor) == (-1.5, 10.0, -8.0)
    assert (result.updates_per_step, result.leak, result.training_steps) == (1, 0.0, 8)
    assert (result.beta, result.log_sigma_limit) == (24.0, 3.45)


@given(eps=st.floats(0.0, 1.0, width=32), clamp=st.floats(2.0, 10.0))
def test_the_clip_in_force(eps: float, clamp: float, tmp_path_factory: Any) -> None:
    """As of a file saved while the clip was still growing from 2."""
    state = ip_vae_state(eps=torch.tensor(eps))
    folder = tmp_path_factory.mktemp("clip")
    result = draft(write_ip_vae(folder, state, clamp_u=clamp, clamp_du=clamp))
    assert result.clip == 2.0 + eps * (clamp - 2.0)


def test_the_update_is_the_authors(tmp_path: Path) -> None:
    """Their update, written as in their layer, against ours with the imported parameters."""
    state, result = ip_vae_state(eps=torch.tensor(0.5)), None
    result = draft(write_ip_vae(tmp_path, state))
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(5, PIXELS, generator=generator).double()
    z = torch.poisson(torch.full((5, NEURONS), 2.0), generator=generator).double()
    u = torch.randn(5, NEURONS, generator=generator).double() * 3
    phi = state["layer.phi.weight"].double()

    def clamped(value: torch.Tensor) -> torch.Tensor:
        c = 2.0 + 0.5 * (10.0 - 2.0)
        return c - softplus(c - value.clamp(min=-8.0))

    bounded = (state["layer.dec_log_sigma"].double() / 3.45).tanh() * 3.45
    gradient = -(((x - z @ phi.T) / torch.exp(2.0 * bounded)) @ phi)
    gradient = gradient + state["layer.log_bias"].double().exp()
    theirs = clamped(u + clamped(state["layer.log_lr.0"].double().exp() * -gradient))
    precision = torch.exp(-2.0 * torch.from_numpy(result.log_sigma).double())
    drive = ((x - z @ phi.T) * precision) @ phi
    log_bias = torch.from_numpy(result.log_bias).double()
    assert result.log_lr is not None
    log_lr = torch.tensor(result.log_lr, dtype=torch.float64)
    ours = update(u, drive, log_bias, log_lr, result.clip, result.floor)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6, atol=1e-6)


def test_inner_updates_pull_back(tmp_path: Path) -> None:
    state = ip_vae_state(beta_inner=torch.tensor(0.7))
    result = draft(write_ip_vae(tmp_path, state, n_iters_inner=3))
    assert (result.updates_per_step, result.leak) == (3, float(np.float32(0.7)))
    state.pop("layer.beta_inner")
    assert draft(write_ip_vae(tmp_path, state, n_iters_inner=3, beta_inner=0.25)).leak == 0.25


@pytest.mark.parametrize(
    ("dataset", "pixels", "shape", "kind", "name"),
    [
        ("vH16-wht", 256, (16, 16), "standardised", "vanhateren"),
        ("Kyoto32-bw", 1024, (32, 32), "standardised", "Kyoto32-bw"),
        ("vH32+jitter", 256, None, "standardised", "vanhateren"),
        ("MNIST", 784, (28, 28), "unit", "mnist"),
        ("MNIST+rotate", 784, (28, 28), "unit", "mnist"),
        ("FashionMNIST", 784, (28, 28), "unit", "fashion-mnist"),
        ("SVHN", 1024, (32, 32), "unit", "SVHN"),
        ("BALLS16", 256, None, None, "BALLS16"),
        ("", 16, None, None, ""),
    ],
)
def test_the_images_that_a_data_set_has(
    tmp_path: Path, dataset: str, pixels: int, shape: object, kind: object, name: str
) -> None:
    state = ip_vae_state(
        phi__weight=torch.zeros(pixels, NEURONS), dec_log_sigma=torch.zeros(1, pixels)
    )
    result = draft(write_ip_vae(tmp_path, state, dataset=dataset))
    assert (result.image_shape, result.input_kind, result.trained_on) == (shape, kind, name)
    whitened = None if dataset != "vH16-wht" else Preparation(16, "vafaii", 0.0, Constants(0, 1, 0))
    assert result.preparation == whitened


def test_without_its_settings_the_file_says_what_is_assumed(tmp_path: Path) -> None:
    path = tmp_path / "bare.pt"
    torch.save(ip_vae_state(), path)
    result = draft(path)
    assert (result.clip, result.updates_per_step, result.image_shape) == (10.0, 1, None)
    assert result.remarks[0].startswith("No ConfigPoisVAE.json beside the file: a soft clip of 10")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"log_bias": None}, "holds no layer.log_bias; it holds 'layer.dec_log_sigma'"),
        (
            {"log_biases": torch.zeros(1, 6)},
            "holds 'layer.log_biases', .* did you mean layer.log_b",
        ),
        ({"u_init__0": torch.zeros(1, 5)}, r"layer.u_init.0 has shape \(1, 5\), but \(1, 6\) is"),
        ({"phi__weight": torch.zeros(16)}, r"phi.weight has shape \(16,\), but \(any, any\)"),
        ({"phi__weight": torch.zeros(0, 6)}, r"phi.weight has shape \(0, 6\), but"),
        ({"log_lr__0": torch.zeros(2)}, r"layer.log_lr.0 has shape \(2,\), but one number"),
        ({"log_bias": torch.full((1, 6), torch.nan)}, "layer.log_bias holds 6 values that are NaN"),
        ({"eps": torch.tensor(1.5)}, "layer.eps is 1.5, but it grows from 0 to 1"),
        ({"log_bias": torch.zeros(1, 6, dtype=torch.bool)}, "log_bias is of type bool; real num"),
    ],
)
def test_a_damaged_part_is_one_line(
    tmp_path: Path, changed: dict[str, torch.Tensor | None], message: str
) -> None:
    path = write_ip_vae(tmp_path, ip_vae_state(**changed))
    with pytest.raises(FileFormatError, match=message) as caught:
        read(Source(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dec_type": "conv"}, "dec_type is 'conv', but only 'lin' is imported"),
        ({"inf_type": "leapfrog"}, "inf_type is 'leapfrog', but only 'grad' is imported"),
        ({"clamp_du": 7.0}, "clamp_u is 10 and clamp_du 7, but an imported network has one"),
    ],
)
def test_other_models_are_refused_by_name(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConversionError, match=message):
        read(Source(write_ip_vae(tmp_path, **settings)))


@pytest.mark.parametrize("part", ["u_init__1", "log_lr__1", "activation__log_gain"])
def test_gaussian_networks_are_refused_by_name(tmp_path: Path, part: str) -> None:
    path = write_ip_vae(tmp_path, ip_vae_state(**{part: torch.zeros(1, NEURONS)}))
    with pytest.raises(ConversionError, match=r"an iG-VAE .* with Gaussian latents, which send no"):
        read(Source(path))


def test_gaussian_settings_are_enough_to_refuse(tmp_path: Path) -> None:
    path = write_ip_vae(tmp_path)
    (tmp_path / "ConfigGausVAE.json").write_text("{}")
    with pytest.raises(ConversionError, match="an iG-VAE, a network with Gaussian latents"):
        read(Source(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ("[1]", "holds no settings by name"),
        (json.dumps({"n_iters_inner": "many"}), "n_iters_inner is 'many', but a number from 1"),
        (json.dumps({"n_iters_inner": True}), "n_iters_inner is 'True', but a number"),
        (json.dumps({"clamp_u": float("nan")}), "clamp_u is 'nan', but a number from 0.1 to 10"),
        (json.dumps({"dataset": 7}), "dataset is '7', but a text is needed"),
        ("x" * (1 << 21), "it has more than 1048576 bytes"),
    ],
)
def test_damaged_settings_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = write_ip_vae(tmp_path)
    (tmp_path / "ConfigPoisVAE.json").write_text(text)
    with pytest.raises(FileFormatError, match=message) as caught:
        read(Source(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
