"""Checkpoints of convolutional networks: what is in them, and files that no training gives."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

from ipvae_snn.config.settings import Config, ModelConfig
from ipvae_snn.errors import FileFormatError
from ipvae_snn.models.checkpoint import Origin, load_checkpoint_config, save_model
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.half_precision import save_half
from ipvae_snn.models.trainable import trainable
from ipvae_snn.workflows.inspect import inspect_file

CONFIG = Config(
    ModelConfig(n_latents=0, dictionary="convolutional", features=4, kernel=3, stride=2)
)
ORIGIN = Origin("digits", "unit", (7, 5, 2))
Tensors = dict[str, np.ndarray]
Details = dict[str, object]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    model = trainable(CONFIG.model, ORIGIN.image_shape, torch.Generator().manual_seed(0))
    path = tmp_path / "model.safetensors"
    save_model(path, model, CONFIG, ORIGIN)
    return path


def edited(file: Path, edit: Callable[[Tensors, Details], None]) -> FloatNetwork:
    """Return the network of the file after `edit` changed its tensors and details."""
    with safe_open(file, framework="numpy") as handle:
        metadata = handle.metadata()
        tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (no mapping)
    details = json.loads(metadata["network"])
    edit(tensors, details)
    file.write_bytes(to_bytes(tensors, metadata=metadata | {"network": json.dumps(details)}))
    return load_float_network(file)


def test_one_value_per_feature_and_channel(file: Path) -> None:
    network = load_float_network(file)
    assert load_checkpoint_config(file) == CONFIG
    with safe_open(file, framework="numpy") as handle:
        assert handle.metadata()["version"] == "3"
        shapes = {name: handle.get_tensor(name).shape for name in handle.keys()}  # noqa: SIM118 (no mapping)
    assert shapes == {
        "kernels": (4, 3, 3, 2),
        "log_sigma": (1, 2),
        "u0": (1, 4),
        "log_bias": (1, 4),
        "log_lr": (),
    }
    assert network.n_parameters == 4 * 3 * 3 * 2 + 2 + 4 + 4 + 1
    assert (network.n_pixels, network.n_neurons) == (70, 4 * 3 * 2)
    assert network.dictionary.population == (4, 3, 2)
    assert network.phi.shape == (70, 24)
    assert (network.log_sigma.shape, network.u0.shape) == ((70,), (24,))
    np.testing.assert_array_equal(network.stored["u0"], network.u0[::6])
    assert repr(network) == "FloatNetwork(7x5x2 unit pixels, 24 neurons, trained on digits)"


def test_inspection_states_the_parameters_and_pictures_show_kernels(file: Path) -> None:
    network = load_float_network(file)
    contents = inspect_file(file).as_json()
    assert contents["parameters"] == network.n_parameters
    assert contents["dictionary"] == (
        "convolutional: 4 kernels of 3x3 pixels moved by 2 in 7x5x2 images"
    )
    assert contents["tensors"]["kernels"]["shape"] == [4, 3, 3, 2]
    elements, shape = network.dictionary.elements(network.image_shape)
    assert (elements.shape, shape) == ((18, 4), (3, 3, 2))
    np.testing.assert_array_equal(elements[:, 1], network.stored["kernels"][1].reshape(-1))
    np.testing.assert_array_equal(
        network.dictionary.by_element(np.arange(24)), np.arange(24).reshape(4, 6).sum(1)
    )


def test_half_precision(file: Path, tmp_path: Path) -> None:
    save_half(file, tmp_path / "half.safetensors")
    before, after = (load_float_network(p) for p in (file, tmp_path / "half.safetensors"))
    halved = before.stored["kernels"].astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(after.stored["kernels"], halved)
    np.testing.assert_array_equal(after.u0, before.u0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dictionary", {"kind": "sparse"}, "dictionary of kind 'sparse' is not known"),
        ("dictionary", {"kind": ["convolutional"]}, "a missing or malformed part"),
        ("dictionary", {"kind": "convolutional"}, "'stride' is missing"),
        ("dictionary", {"kind": "convolutional", "stride": 2.0}, "stride is 2.0, not a whole num"),
        ("dictionary", {"kind": "convolutional", "stride": 0}, "must be 1 or more"),
        ("dictionary", {"kind": "convolutional", "stride": -2}, "must be 1 or more"),
        ("dictionary", {"kind": "convolutional", "stride": 10**9}, "do not end at the edges"),
        ("dictionary", "convolutional", "a missing or malformed part"),
        ("dictionary", {"kind": "dense"}, "'phi' is missing"),
        ("image_shape", [7, 5], "kernels have shape (4, 3, 3, 2), but (4, 3, 3, 1) is needed"),
        ("image_shape", [8, 5, 2], "in 8x5x2 images do not end at the edges"),
        ("image_shape", [2_000_001, 5, 2], "make 8000000 neurons for 20000010 pixels; at"),
    ],
)
def test_details_that_do_not_fit(file: Path, name: str, value: object, message: str) -> None:
    def edit(_: Tensors, details: Details) -> None:
        details[name] = value

    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        edited(file, edit)
    assert "model.safetensors: a checkpoint with a missing or malformed part" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kernels", np.zeros((4, 3, 3), np.float32), "kernels have shape (4, 3, 3), not (feat"),
        ("kernels", np.zeros((0, 3, 3, 2), np.float32), "must be 1 or more"),
        ("kernels", np.zeros((4, 3, 3, 2), np.int8), "kernels holds int8, not floats"),
        ("kernels", np.full((4, 3, 3, 2), np.nan, np.float32), "kernels holds values that are no"),
        ("kernels", np.full((4, 3, 3, 2), 1e20, np.float32), "kernels reaches 1e+20..1e+20"),
        ("kernels", np.full((4, 3, 3, 2), 1e8, np.float32), "step size x phi^2 / sigma^2 reaches"),
        ("u0", np.zeros((1, 24), np.float32), "24 values for 4 features"),
        ("u0", np.full((1, 4), np.nan, np.float32), "u0 holds values that are not finite"),
        ("log_sigma", np.zeros((1, 70), np.float32), "70 values for 2 channels"),
        ("log_sigma", np.full((1, 2), -50, np.float32), "log_sigma reaches -50..-50"),
    ],
)
def test_tensors_that_do_not_fit(file: Path, name: str, value: np.ndarray, message: str) -> None:
    def edit(tensors: Tensors, _: Details) -> None:
        tensors[name] = value

    with pytest.raises(FileFormatError, match=re.escape(message)):
        edited(file, edit)


def test_a_dense_file_of_grey_images_has_the_version_of_its_readers(tmp_path: Path) -> None:
    config = Config(ModelConfig(n_latents=3))
    for shape, version in (((4, 3), "2"), ((2, 2, 3), "3")):
        path = tmp_path / f"{version}.safetensors"
        model = trainable(config.model, shape, torch.Generator().manual_seed(0))
        save_model(path, model, config, Origin("digits", "unit", shape))
        with safe_open(path, framework="numpy") as handle:
            assert handle.metadata()["version"] == version
        assert load_float_network(path).image_shape == shape
