"""Each neuron keeps the feed-forward weights of the square of pixels that matters most to it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.config.toml import with_overrides
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.training import pruning
from ipvae_snn.training.receptive_fields import outside, side_at
from ipvae_snn.training.train import train


def test_the_square_is_where_the_power_is() -> None:
    """Neuron 0 has its weights at the lower right of 4x5, neuron 1 twice, first at the top."""
    saliency = torch.zeros(2, 4, 5)
    saliency[0, 2:, 3:] = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    saliency[0, 0, 0] = 3.5  # less power than the four together
    saliency[1, 0, 1] = saliency[1, 3, 4] = 1.0
    inside = ~outside(saliency.reshape(2, -1), (4, 5), 2).reshape(2, 4, 5)
    assert inside[0].nonzero().tolist() == [[2, 3], [2, 4], [3, 3], [3, 4]]
    assert inside[1].nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_colours_of_a_pixel_stay_together() -> None:
    saliency = torch.zeros(1, 3, 3, 3)
    saliency[0, 1, 2, 1] = 1.0
    inside = ~outside(saliency.reshape(1, -1), (3, 3, 3), 1).reshape(3, 3, 3)
    assert inside.nonzero().tolist() == [[1, 2, 0], [1, 2, 1], [1, 2, 2]]


def test_squares_shrink_to_their_goal() -> None:
    settings = TrainConfig(iterations=1000, sparsity_fraction=0.5, receptive_field=8)
    sides = [side_at(settings, (16, 16), iteration) for iteration in range(0, 1000, 25)]
    assert (sides[0], sides[20], sides[-1]) == (16, 8, 8)
    assert sides == sorted(sides, reverse=True)
    # Half way the share outside is .75 (1 - .5^3) = .656, and 16 sqrt(.344) = 9.4.
    assert sides[10] == 10
    assert side_at(replace(settings, receptive_field=40), (16, 16), 900) == 40


def test_other_sparsity_is_taken_within_the_square() -> None:
    """Of 16 weights, 12 lie outside of the square of 2x2; a goal of .875 removes two more."""
    settings = TrainConfig(
        receptive_field=2, feedforward_sparsity=0.875, sparsity_fraction=0.0, iterations=10
    )
    weights = torch.full((1, 16), 0.1)
    weights[0, [5, 6, 9, 10]] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    kept = pruning.masks(
        {pruning.FEEDFORWARD: weights}, torch.ones(16), torch.ones(1), settings, 0, (4, 4)
    )[pruning.FEEDFORWARD]
    assert kept.nonzero()[:, 1].tolist() == [9, 10]


def test_a_trained_network_sees_squares(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal(size=(60, 36)).astype(np.float32)
    images = ImageSet("noise", "train", pixels, (6, 6), "standardised")
    model = ModelConfig(
        n_latents=12, dictionary="untied", phi_std=0.3, u0_low=-2.0, u0_high=-1.0, log_lr=-2.0
    )
    settings = TrainConfig(
        steps=3, batch_size=20, iterations=60, learning_rate=0.01, receptive_field=3
    )
    result = train(Config(model, settings, DataConfig("noise")), images, images, tmp_path / "run")
    own = load_float_network(result.checkpoint).dictionary.own
    assert own is not None
    for row in (own.feedforward != 0).reshape(-1, 6, 6):
        at = np.argwhere(row)
        assert len(at) == 9
        assert (np.ptp(at, axis=0) == 2).all()


def test_weights_that_follow_from_a_decoder_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"train.receptive_field is 8, but the weights of a dense"
    ):
        with_overrides(Config(), ["train.receptive_field=8"])
