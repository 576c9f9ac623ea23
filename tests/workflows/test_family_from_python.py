"""Models other than the iP-VAE from Python: train, evaluate, and what refuses them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ipvae_snn as snn
from ipvae_snn.errors import ConversionError, DataError
from ipvae_snn.models.latent_network import LatentNetwork

IMAGES = np.random.default_rng(0).random((60, 4, 4)).astype(np.float32)
SMALL = {"train.iterations": 3, "train.steps": 2, "train.batch_size": 10, "model.n_latents": 8}


@pytest.fixture(scope="module")
def gaussian() -> LatentNetwork:
    settings = {**SMALL, "model.kind": "gaussian", "model.clip": 7.0}
    network = snn.train(IMAGES, preset="digits", settings=settings).network
    assert isinstance(network, LatentNetwork)
    return network


def test_a_sibling_trains_and_is_judged(gaussian: LatentNetwork, tmp_path: Path) -> None:
    assert repr(gaussian).startswith("LatentNetwork(iG-VAE, 4x4 unit pixels, 8 neurons")
    result = snn.evaluate(gaussian, IMAGES, steps=3, limit=20)
    assert np.isfinite(result.report.evaluation.last.r2.mean)
    settings = {**SMALL, "model.kind": "predictive-coding", "model.log_lr": -2.0}
    kept = snn.train(IMAGES, preset="digits", settings=settings, out=tmp_path / "run")
    assert kept.checkpoint is not None
    again = snn.evaluate(kept.checkpoint, IMAGES, steps=3, limit=20)
    assert (
        again.report.evaluation.last.r2
        == snn.evaluate(kept.network, IMAGES, steps=3, limit=20).report.evaluation.last.r2
    )


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda one: snn.convert(one), "convert"),
        (lambda one: snn.run(one, IMAGES), "this"),
        (lambda one: snn.load(one), "this"),
        (lambda one: snn.compare(one, one, IMAGES), "compare"),
        (lambda one: snn.verify(one, IMAGES), "verify"),
    ],
)
def test_what_needs_integers_refuses_it(
    gaussian: LatentNetwork, call: Callable[[LatentNetwork], object], what: str
) -> None:
    with pytest.raises(ConversionError) as caught:
        call(gaussian)
    message = str(caught.value)
    assert message.startswith(f"{what} needs a linear iP-VAE, but this is a LatentNetwork(iG-VAE")
    assert message.endswith("which has no integer form; evaluate and probe take it")


def test_named_sets_are_looked_for_under_data_root(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        snn.train("kmnist", settings=SMALL, data_root=tmp_path)
