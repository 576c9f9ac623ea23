"""Weights removed in blocks: which ones, and neurons in an order that changes nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.config.toml import from_toml
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.training.blocks import grouped, least, ordered
from ipvae_snn.training.train import train


def test_least_by_hand() -> None:
    saliency = torch.tensor([[1.0, 9.0], [1.0, 0.0], [3.0, 2.0]])
    # Groups of neurons (0, 1) and (2,): root mean squares 1, 6.4, 3 and 2.
    gone = torch.tensor([[True, False], [True, False], [False, False]])
    assert torch.equal(least(saliency, 2, 2), gone)
    gone[2, 1] = True
    assert torch.equal(least(saliency, 3, 2), gone)
    assert not least(saliency, 1, 2).any()
    assert torch.equal(least(saliency, 1, 1), saliency == 0)


@given(
    n_targets=st.integers(1, 12),
    n_sources=st.integers(1, 7),
    block=st.integers(1, 15),
    share=st.floats(0.0, 1.0),
    seed=st.integers(0, 5),
)
def test_no_more_than_asked_and_whole_blocks(
    n_targets: int, n_sources: int, block: int, share: float, seed: int
) -> None:
    saliency = torch.rand(n_targets, n_sources, generator=torch.Generator().manual_seed(seed))
    removed = int(share * saliency.numel())
    gone = least(saliency, removed, block)
    assert removed - min(block, n_targets) < gone.sum() <= removed
    for first in range(0, n_targets, block):
        group = gone[first : first + block]
        assert torch.equal(group.all(0), group.any(0))


def test_grouped_finds_what_competes() -> None:
    # Three groups of four that compete among themselves, in a shuffled order.
    member = torch.tensor([2, 0, 1, 1, 2, 0, 0, 2, 1, 0, 1, 2])
    lateral = (member.unsqueeze(1) == member).float() * 5 + torch.rand(12, 12)
    order = grouped(lateral, 4)
    assert sorted(order.tolist()) == list(range(12))
    assert all(len(set(group.tolist())) == 1 for group in member[order].split(4))
    uneven = grouped(lateral, 5)
    assert sorted(uneven.tolist()) == list(range(12))


def pixels(n: int) -> ImageSet:
    values = np.random.default_rng(n).standard_normal((n, 12)).astype(np.float32)
    return ImageSet("noise", "train", values, (3, 4), "standardised")


def test_training_removes_blocks_of_ordered_neurons(tmp_path: Path) -> None:
    config = Config(
        ModelConfig(n_latents=8),
        TrainConfig(
            steps=2,
            batch_size=8,
            iterations=30,
            learning_rate=1e-6,
            validation_interval=0,
            checkpoint_interval=30,
        ),
        DataConfig(name="noise"),
    )
    dense = train(config, pixels(40), pixels(8), tmp_path / "dense").checkpoint
    untied = replace(
        config,
        model=replace(config.model, dictionary="untied"),
        train=replace(
            config.train, lateral_sparsity=0.5, feedforward_sparsity=0.5, sparsity_block=4
        ),
    )
    sparse = train(untied, pixels(40), pixels(8), tmp_path / "sparse", start_from=dense).checkpoint
    network, before = load_float_network(sparse), load_float_network(dense)
    own = network.dictionary.own
    assert own is not None
    for matrix in (own.lateral, own.feedforward):
        groups = (matrix == 0).reshape(2, 4, -1)
        assert (groups.all(1) == groups.any(1)).all()
        assert (matrix == 0).sum() == matrix.size / 2
    assert (np.diagonal(own.lateral) != 0).all()
    # The same neurons, in another order.
    order = grouped(torch.from_numpy(before.phi.T @ before.phi), 4)
    assert np.allclose(network.phi, before.phi[:, order], atol=1e-4)
    again = train(untied, pixels(40), pixels(8), tmp_path / "more", start_from=sparse).checkpoint
    assert np.allclose(load_float_network(again).phi, network.phi, atol=1e-4)


def test_ordering_changes_nothing_else() -> None:
    K, M = 6, 5
    generator = torch.Generator().manual_seed(1)
    parts = {
        "phi": torch.randn(M, K, generator=generator),
        "psi": torch.randn(K, M, generator=generator),
        "lateral": torch.randn(K, K, generator=generator),
        "u0": torch.randn(K, generator=generator),
        "log_bias": torch.randn(1, K, generator=generator),
        "log_sigma": torch.randn(1, M, generator=generator),
    }
    made = ordered(parts, 3)
    order = grouped(parts["lateral"], 3)
    z = torch.rand(K, generator=generator)
    assert torch.allclose(made["phi"] @ z[order], parts["phi"] @ z, atol=1e-5)
    assert torch.allclose(made["lateral"] @ z[order], (parts["lateral"] @ z)[order], atol=1e-5)
    assert torch.equal(made["psi"], parts["psi"][order])
    assert torch.equal(made["u0"], parts["u0"][order])
    assert torch.equal(made["log_bias"], parts["log_bias"][:, order])
    assert made["log_sigma"] is parts["log_sigma"]
    sparse = parts | {"lateral": parts["lateral"].clone()}
    sparse["lateral"][2, 3] = 0.0
    assert ordered(sparse, 3)["phi"] is parts["phi"]
    assert ordered(parts, 1)["phi"] is parts["phi"]


def test_blocks_are_of_untied_dictionaries() -> None:
    with pytest.raises(ConfigError, match=r"train\.sparsity_block is 4, but the weights of a"):
        from_toml("[train]\nsparsity_block = 4", "x")
