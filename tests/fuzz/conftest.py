"""The files that are mutated: one of each kind that the toolkit reads."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ipvae_snn.config.settings import Config, ModelConfig
from ipvae_snn.config.toml import to_toml
from ipvae_snn.hw.chips import profile
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.interpreter import run
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.checkpoint import Origin, save_model
from ipvae_snn.models.parameters import IterativePoissonVAE
from ipvae_snn.models.registry import new_module
from ipvae_snn.models.trainable import trainable
from ipvae_snn.training.state import MOMENTS, TrainingState, save_state

CONFIG = Config(ModelConfig(n_latents=5))
SHARED = Config(
    ModelConfig(n_latents=0, dictionary="convolutional", features=3, kernel=2, stride=1)
)
GAUSSIAN = Config(ModelConfig(n_latents=5, kind="gaussian", decoder_width=3))
SHAPE = (4, 3)


@pytest.fixture(scope="session")
def parameters() -> IterativePoissonVAE:
    return IterativePoissonVAE(12, CONFIG.model, torch.Generator().manual_seed(0))


@pytest.fixture
def originals(
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
    parameters: IterativePoissonVAE,
    pixels_factory: Callable[..., np.ndarray],
    tmp_path: Path,
) -> dict[str, bytes]:
    """Return sound files by name; the suffix is the one under which they are read."""
    folder = tmp_path / "originals"
    folder.mkdir()
    save_network(network, folder / "one-layer.safetensors")
    save_network(two_layer, folder / "two-layer.safetensors")
    save_model(folder / "model.safetensors", parameters, CONFIG, Origin("digits", "unit", SHAPE))
    origin = Origin("digits", "unit", (5, 4, 2))
    shared = trainable(SHARED.model, origin.image_shape, torch.Generator().manual_seed(0))
    save_model(folder / "convolutional.safetensors", shared, SHARED, origin)
    for dictionary in ("dense", "mlp"):
        config = Config(replace(GAUSSIAN.model, dictionary=dictionary))
        module = new_module(config.model, SHAPE, torch.Generator().manual_seed(0))
        origin = Origin("digits", "unit", SHAPE)
        save_model(folder / f"gaussian-{dictionary}.safetensors", module, config, origin)
    named = dict(parameters.named_parameters())
    moments = {
        f"{name}.{moment}": torch.zeros(() if moment == "step" else value.shape)
        for name, value in named.items()
        for moment in MOMENTS
    }
    state = TrainingState(7, named, moments, CONFIG, "abc")
    save_state(folder / "state.safetensors", state)
    run(network, pixels_factory(network, 3), RunRequest(4, trace=True)).save(folder / "result.npz")
    images = np.random.default_rng(0).random((6, *SHAPE)).astype(np.float32)
    np.save(folder / "images.npy", images)
    np.save(folder / "bytes.npy", (images * 255).astype(np.uint8))
    np.savez_compressed(folder / "images.npz", images=images, labels=np.arange(6))
    result = {path.name: path.read_bytes() for path in folder.iterdir()}
    sizes = b"".join(n.to_bytes(4, "big") for n in (6, *SHAPE))
    result["images.idx"] = bytes((0, 0, 8, 3)) + sizes + (images * 255).astype(np.uint8).tobytes()
    result["images.gz"] = gzip.compress(result["images.idx"])
    result["config.toml"] = to_toml(CONFIG).encode()
    result["profile.toml"] = (
        Path(profile.__file__).parents[1] / "profiles/loihi2.toml"
    ).read_bytes()
    records = [{"iteration": i, "kind": "train", "loss": float("inf")} for i in range(1, 5)]
    result["metrics.jsonl"] = "".join(json.dumps(one) + "\n" for one in records).encode()
    picture = BytesIO()
    Image.fromarray((images[0] * 255).astype(np.uint8)).save(picture, "PNG")
    result["picture.png"] = picture.getvalue()
    return result
