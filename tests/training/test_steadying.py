"""Lateral weights are brought to ones by which activity cannot sustain itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.config.toml import with_overrides
from ipvae_snn.conversion.stability import smallest_eigenvalue, steadied
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.training.steadying import due, steady
from ipvae_snn.training.train import train


def least(weights: torch.Tensor) -> float:
    return smallest_eigenvalue(((weights + weights.T) / 2).double().numpy())


def test_two_neurons_by_hand() -> None:
    """Eigenvalues of (1 2; 2 1) are 3 and -1, of (1, -1) / sqrt 2: 1/2 (1 -1; -1 1) is added."""
    lateral = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    steady(lateral, rounds=1)
    torch.testing.assert_close(lateral, torch.tensor([[1.5, 1.5], [1.5, 1.5]]))


def test_a_one_sided_entry_carries_the_whole_change() -> None:
    """(1 4; 0 1) has the symmetrised (1 2; 2 1); the entry that is 0 stays 0."""
    lateral = torch.tensor([[1.0, 4.0], [0.0, 1.0]])
    steady(lateral, rounds=1)
    torch.testing.assert_close(lateral, torch.tensor([[1.5, 3.0], [0.0, 1.5]]))


def test_rounds_approach_and_equal_the_conversions() -> None:
    """Without thresholds a conversion takes away the same, and zeros stay zeros."""
    g = torch.Generator().manual_seed(3)
    lateral = torch.randn(20, 20, generator=g, dtype=torch.float64)
    lateral *= (torch.rand(20, 20, generator=g) < 0.4) | torch.eye(20, dtype=torch.bool)
    absent, before = lateral == 0, least(lateral)
    expected = steadied(lateral.numpy(), np.zeros(20), np.ones(20), rounds=5)
    steady(lateral, rounds=5)
    np.testing.assert_allclose(lateral.numpy(), expected, atol=1e-12)
    assert torch.equal(lateral == 0, absent)
    assert before < 10 * least(lateral) < 0
    steady(lateral, rounds=300)
    assert least(lateral) > 1e-2 * before


def test_it_is_due_at_intervals_and_at_the_end() -> None:
    settings = TrainConfig(iterations=60, steady_interval=25)
    assert [done for done in range(1, 61) if due(settings, done)] == [25, 50, 60]
    assert not any(due(replace(settings, steady_interval=0), done) for done in range(1, 61))


@pytest.mark.parametrize("interval", [0, 5])
def test_a_trained_network_is_steady(interval: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(60, 16)).astype(np.float32)
    images = ImageSet("noise", "train", pixels, (4, 4), "standardised")
    config = Config(
        ModelConfig(
            n_latents=12, dictionary="untied", phi_std=0.3, log_lr=-1.0, u0_low=-2.0, u0_high=-1.0
        ),
        TrainConfig(
            steps=4,
            batch_size=20,
            iterations=60,
            learning_rate=0.02,
            lateral_sparsity=0.5,
            steady_interval=interval,
        ),
        DataConfig(name="noise"),
    )
    result = train(config, images, images, tmp_path / "run")
    own = load_float_network(result.checkpoint).dictionary.own
    assert own is not None
    smallest = least(torch.from_numpy(own.lateral))
    scale = float(np.abs(own.lateral).max())
    assert (smallest < -0.02 * scale) is (interval == 0)
    assert (own.lateral == 0).mean() == pytest.approx(0.5, abs=0.01)


def test_weights_that_follow_from_a_decoder_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"train.steady_interval is 25, but the weights of a dense"
    ):
        with_overrides(Config(), ["train.steady_interval=25"])
