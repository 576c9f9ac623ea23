"""A training run of seconds: settings, images of bars, and a kill in the middle."""

from pathlib import Path
from typing import Any

import numpy as np

from ipvae_snn.config.settings import Config, DataConfig, ModelConfig, TrainConfig
from ipvae_snn.data.base import ImageSet
from ipvae_snn.training import trainer as training
from ipvae_snn.training.trainer import TrainProgress

CONFIG = Config(
    ModelConfig(n_latents=16, phi_std=0.1, log_lr=-1.0, u0_low=-4.0, u0_high=-2.0),
    TrainConfig(
        steps=4,
        batch_size=20,
        iterations=40,
        learning_rate=0.02,
        beta=1.0,
        log_interval=1,
        checkpoint_interval=10,
        validation_interval=10,
    ),
    DataConfig(name="bars"),
)

# Settings of [model] by the way that a loss is computed.
DECODERS: dict[str, dict[str, Any]] = {
    "compiled": {"kind": "poisson"},
    "shared": {
        "kind": "poisson",
        "dictionary": "convolutional",
        "n_latents": 0,
        "features": 4,
        "kernel": 2,
        "stride": 1,
    },
    "nonlinear": {"kind": "poisson", "dictionary": "mlp", "decoder_width": 8},
    "gaussian": {"kind": "gaussian"},
    "encoder": {"kind": "semi-amortised-poisson"},
}


class KilledError(Exception):
    """Stands for a kill."""


def bars(n: int, seed: int) -> ImageSet:
    """Return images that are sums of a few of eight bars, standardised."""
    rng = np.random.default_rng(seed)
    on = rng.random((n, 8)) < 0.25
    images = on[:, :4, None] * np.ones((1, 1, 4)) + on[:, None, 4:] * np.ones((1, 4, 1))
    pixels = (images.reshape(n, 16) - 0.5) / 0.7
    return ImageSet("bars", "train", pixels.astype(np.float32), (4, 4), "standardised")


TRAIN, TEST = bars(200, 0), bars(50, 1)


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def killer(at: int) -> training.Progress:
    def progress(event: TrainProgress) -> None:
        if event.iteration == at:
            raise KilledError

    return progress
