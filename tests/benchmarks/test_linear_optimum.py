"""The best linear Gaussian VAE: by hand on two axes, against a trained one, and its page."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from short_runs import CONFIG, TRAIN

from benchmarks.paper.linear_optimum import (
    PAGE,
    RESULT,
    best_r2,
    each_standardised,
    spectrum,
    with_results,
)
from ipvae_snn.data import ImageSet
from ipvae_snn.training.train import train

NOISE = 0.7


def test_the_page_is_that_of_the_result() -> None:
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert with_results(text, result) == text
    for row in result["rows"]:  # what the page says of them
        assert row["ours"] == pytest.approx(row["published"], abs=0.012)


@pytest.mark.parametrize(
    ("distortion", "features", "r2"),
    [(2.0, 2, 0.25), (2.0, 1, 0.25), (0.5, 2, 0.75), (0.5, 1, 0.625), (5.0, 2, 0.0)],
)
def test_error_is_the_smaller_of_both(distortion: float, features: int, r2: float) -> None:
    """Powers 3 and 1: errors 2 + 1; 2 + 1; .5 + .5; .5 + 1; 3 + 1 of 4 in all."""
    assert best_r2(np.array([3.0, 1.0]), distortion, features) == r2


def test_the_spectrum_is_along_principal_axes() -> None:
    """Axes (1, 1) and (1, -1) with deviations 3 and 1: powers 9 and 1, of which the mean is 5."""
    axes = np.random.default_rng(0).normal(size=(200_000, 2)) * (3.0, 1.0)
    turned = axes @ np.array([[1.0, 1.0], [1.0, -1.0]]) / np.sqrt(2)
    assert spectrum(turned) == pytest.approx([9 / 5, 1 / 5], rel=0.02)
    alone = each_standardised(np.array([[1.0, 2.0, 3.0], [10.0, 40.0, 10.0]]))
    np.testing.assert_allclose(alone.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(alone.var(axis=1), 1)


def test_a_trained_network_is_near_the_optimum(tmp_path: Path) -> None:
    """Gaussian images of 16 pixels, whose axes have powers 3, 2.5 .. down to 0."""
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    deviations = np.sqrt(np.maximum(3.0 - 0.5 * np.arange(16), 0.0))
    pixels = ((rng.normal(size=(4000, 16)) * deviations) @ axes).astype(np.float32)
    images: ImageSet = replace(TRAIN, pixels=pixels, labels=None)
    model = replace(CONFIG.model, kind="amortised-gaussian", n_latents=24, noise=NOISE, clip=7.0)
    settings = replace(
        CONFIG.train,
        steps=1,
        beta=1.0,
        iterations=1500,
        batch_size=200,
        learning_rate=0.02,
        clip_start=7.0,
        validation_interval=0,
        checkpoint_interval=1500,
    )
    config = replace(CONFIG, model=model, train=settings)
    result = train(config, images, images.first(1000), tmp_path / "run")
    power = np.mean((pixels @ axes.T).astype(np.float64) ** 2, axis=0)
    best = best_r2(np.sort(power)[::-1], NOISE**2, 16)
    assert result.validation.r2_pooled == pytest.approx(best, abs=0.03)
    assert 0.5 < best < 0.95
