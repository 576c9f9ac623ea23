"""The first dictionary by sparse coding: it finds what images are made of, always the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.config.settings import Config, ModelConfig, TrainConfig
from ipvae_snn.data import ImageSet
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.training import dictionary_start
from ipvae_snn.training.dictionary_start import sparse_dictionary
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress
from ipvae_snn.watcher import Watcher, watched

SIDE = 6


def bars(n: int) -> np.ndarray:
    """Return images (n, 36) that are sums of random bars, and noise (Foldiak 1990)."""
    rng = np.random.default_rng(2)
    images = np.zeros((n, SIDE, SIDE))
    for image, shown in zip(images, rng.random((n, 2 * SIDE)) < 1 / SIDE, strict=True):
        for bar in np.flatnonzero(shown):
            (image if bar < SIDE else image.T)[bar % SIDE] += rng.uniform(0.5, 1.5)
    return (images.reshape(n, -1) + 0.01 * rng.standard_normal((n, SIDE**2))).astype(np.float32)


def test_every_bar_becomes_an_element(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve elements for twelve bars: each bar has an element that is nearly it alone."""
    monkeypatch.setattr(dictionary_start, "BATCHES", 60)
    monkeypatch.setattr(dictionary_start, "PENALTY", 0.5)
    phi = sparse_dictionary(bars(2000), 12, 0.05, 1)
    assert (phi.shape, phi.dtype) == ((SIDE**2, 12), np.float32)
    np.testing.assert_allclose(np.sqrt((phi**2).mean(axis=0)), 0.05, rtol=1e-5)
    single = np.zeros((2 * SIDE, SIDE, SIDE))
    for bar, image in enumerate(single):
        (image if bar < SIDE else image.T)[bar % SIDE] = 1 / np.sqrt(SIDE)
    cosines = single.reshape(2 * SIDE, -1) @ (phi / np.linalg.norm(phi, axis=0))
    assert cosines.max(axis=1).min() > 0.9


def test_it_is_the_same_for_a_seed_and_reports_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another seed gives another dictionary; few images serve again."""
    monkeypatch.setattr(dictionary_start, "BATCHES", 3)
    monkeypatch.setattr(dictionary_start, "BATCH_SIZE", 40)
    seen: list[tuple[int, int]] = []
    images = bars(50)
    with watched(Watcher(progress=lambda done, total: seen.append((done, total)))):
        first = sparse_dictionary(images, 5, 0.1, 3)
    assert seen == [(0, 3), (1, 3), (2, 3)]
    np.testing.assert_array_equal(first, sparse_dictionary(images, 5, 0.1, 3))
    assert not np.array_equal(first, sparse_dictionary(images, 5, 0.1, 4))


def test_elements_without_use_are_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """More elements than images can use: none is 0, so that training can use all."""
    monkeypatch.setattr(dictionary_start, "BATCHES", 2)
    images = np.zeros((30, 9), np.float32)
    images[:, 4] = np.linspace(1, 2, 30)
    phi = sparse_dictionary(images, 8, 0.1, 0)
    np.testing.assert_allclose(np.sqrt((phi**2).mean(axis=0)), 0.1, rtol=1e-5)


def test_a_run_starts_from_it_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cut off goes on from its checkpoint, not from a new dictionary."""
    monkeypatch.setattr(dictionary_start, "BATCHES", 2)
    images = ImageSet("bars", "train", bars(60), (SIDE, SIDE), "standardised")
    config = Config(
        ModelConfig(n_latents=8, phi_start="sparse-coding", phi_std=0.1, log_lr=-2.0),
        TrainConfig(steps=2, batch_size=10, iterations=4, checkpoint_interval=2),
    )

    def cut_off(now: TrainProgress) -> None:
        if now.iteration == 3:
            raise KeyboardInterrupt

    whole = train(config, images, images, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, images, images, tmp_path / "parts", progress=cut_off)
    parts = train(config, images, images, tmp_path / "parts", resume=True)
    one, other = (load_float_network(result.checkpoint).phi for result in (whole, parts))
    np.testing.assert_array_equal(one, other)
    noise = replace(config, model=replace(config.model, phi_start="noise"))
    from_noise = train(noise, images, images, tmp_path / "noise").checkpoint
    assert np.abs(one - load_float_network(from_noise).phi).max() > 0.05
