"""A run with a trained network's parameters starts from them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.training.train import train
from ipvae_snn.training.warm_start import initial_parameters

CONFIG = Config(
    ModelConfig(n_latents=5, phi_std=0.1, log_lr=-1.0, u0_low=-3.0, u0_high=-2.0),
    TrainConfig(steps=3, batch_size=8, iterations=20, learning_rate=0.05, validation_interval=0),
    DataConfig(name="noise"),
)


def noise(n: int) -> ImageSet:
    pixels = np.random.default_rng(0).standard_normal((n, 6)).astype(np.float32)
    return ImageSet("noise", "train", pixels, (2, 3), "standardised")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("warm") / "run"
    return train(CONFIG, noise(40), noise(8), out).checkpoint


def test_the_parameters_are_those_of_the_checkpoint(trained: Path) -> None:
    model = IterativePoissonVAE(6, CONFIG.model, torch.Generator().manual_seed(1))
    state = initial_parameters(trained, CONFIG, (2, 3))
    model.load_state_dict(
        {k: v.reshape(dict(model.named_parameters())[k].shape) for k, v in state.items()}
    )
    network, view = load_float_network(trained), model.view()
    assert np.array_equal(view.phi.detach().numpy(), network.phi)
    assert np.array_equal(view.u0.detach().numpy()[0], network.u0)
    # Back through the bound and forth again: within rounding.
    assert np.allclose(view.log_sigma.detach().numpy()[0], network.log_sigma, atol=1e-6)


def test_a_run_starts_from_them_and_resumes_as_an_unbroken_one(
    trained: Path, tmp_path: Path
) -> None:
    slow = replace(CONFIG, train=replace(CONFIG.train, iterations=4, learning_rate=1e-6))
    near = train(slow, noise(40), noise(8), tmp_path / "near", start_from=trained)
    phi = load_float_network(near.checkpoint).phi
    assert np.abs(phi - load_float_network(trained).phi).max() < 1e-4
    again = train(slow, noise(40), noise(8), tmp_path / "near", resume=True)
    assert again.checkpoint.read_bytes() == near.checkpoint.read_bytes()


def test_another_size_is_refused(trained: Path, tmp_path: Path) -> None:
    wide = replace(CONFIG, model=replace(CONFIG.model, n_latents=7))
    with pytest.raises(ConfigError, match=r"its dictionary is \(6, 5\), but this run needs \(6, 7"):
        train(wide, noise(40), noise(8), tmp_path / "wide", start_from=trained)
