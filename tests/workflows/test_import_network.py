"""Imported networks are checkpoints like any other: they run, convert, verify and train."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ipvae_snn as snn
from foreign_files import (
    NEURONS,
    PIXELS,
    SIDE,
    blobs,
    ip_vae_state,
    patterns,
    write_ip_vae,
    write_p_vae,
)
from ipvae_snn.config.preparation import Constants, Preparation
from ipvae_snn.config.settings import Config, ModelConfig
from ipvae_snn.data import load
from ipvae_snn.errors import ConfigError, ConversionError, DataError, FileFormatError, OutputError
from ipvae_snn.metrics.quality import r2_per_image
from ipvae_snn.models.checkpoint import load_checkpoint_config
from ipvae_snn.training.warm_start import initial_parameters


def ip_vae(folder: Path) -> tuple[Path, dict[str, Any]]:
    return write_ip_vae(folder, dataset="MNIST"), {"image_shape": (SIDE, SIDE)}


def p_vae(folder: Path) -> tuple[Path, dict[str, Any]]:
    return write_p_vae(folder, dataset="", kl_beta=0.02), {}


def components(folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "components.npy"
    np.save(path, patterns())
    return path, {"format": "scikit-learn", "penalty": 0.02}


def lca(folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "lca.pt"
    weights = torch.from_numpy(patterns()[..., None]).float()
    torch.save({"weights": weights, "forward_pass": torch.tensor(1)}, path)
    return path, {"penalty": 0.02}


def lca_kernels(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Kernels that explain the images well enough: corners of the patterns."""
    path = folder / "lca.pt"
    weights = torch.from_numpy(patterns().reshape(NEURONS, 1, SIDE, SIDE)[..., :2, :2]).float()
    torch.save({"weights": weights + 0.01, "forward_pass": torch.tensor(1)}, path)
    return path, {"penalty": 0.02, "image_shape": (SIDE, SIDE), "stride": 1}


def arrays(folder: Path) -> tuple[Path, dict[str, Any]]:
    path = folder / "arrays.npz"
    phi = (patterns().T * 0.1).astype(np.float32)
    np.savez(path, phi=phi, log_sigma=np.full(PIXELS, -1.5), u0=np.full(NEURONS, -0.5))
    return path, {}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    path = tmp_path / "photos.npy"
    np.save(path, blobs())
    return path


@pytest.mark.parametrize("write", [ip_vae, p_vae, components, lca, lca_kernels, arrays])
def test_every_format_runs_converts_and_verifies(
    write: Callable[[Path], tuple[Path, dict[str, Any]]], tmp_path: Path, photos: Path
) -> None:
    file, options = write(tmp_path)
    out = tmp_path / "checkpoints" / "model.safetensors"
    done = snn.import_network(file, out, photos, **options)
    assert done.network.imported == {
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "format": done.network.imported["format"],
    }
    assert snn.load(out).image_shape == (SIDE, SIDE)
    calibrate = photos if write is ip_vae else None  # the file says that it was trained on MNIST
    converted = snn.convert(out, calibrate, images=40, steps=8).network
    assert converted.provenance["imported_sha256"] == done.network.imported["sha256"]
    checked = snn.verify(converted, photos, backends=["compiled", "torch"], steps=6, limit=5)
    checked.require_equal()
    assert checked.compared == 5 * 6 * done.network.n_neurons
    assert done.r2 is not None
    assert done.r2 <= 1.0
    if done.gain is not None:
        assert done.gain <= 1.0
    json.dumps(done.as_json(), allow_nan=False)
    assert done.document().blocks


def test_a_dictionary_reconstructs_almost_as_the_lasso(tmp_path: Path, photos: Path) -> None:
    file, options = components(tmp_path)
    done = snn.import_network(file, tmp_path / "m.safetensors", photos, **options)
    assert done.lasso_r2 is not None
    assert done.lasso_r2 > 0.95
    run = snn.run(done.network, photos, steps=128, trace=True, split="train")
    assert run.trace.counts is not None
    rates = run.trace.counts[:, 64:].mean(axis=1)  # one sample has Poisson noise
    r2 = np.nanmean(r2_per_image(run.images.pixels, rates @ done.network.phi.T))
    assert r2 > done.lasso_r2 - 0.05


def test_training_starts_from_an_imported_network(tmp_path: Path) -> None:
    """The bound of the authors' log sigma is inverted, so that the raw values come back."""
    file, options = ip_vae(tmp_path)
    out = tmp_path / "m.safetensors"
    snn.import_network(file, out, **options)
    config = load_checkpoint_config(out)
    assert config == Config(
        ModelConfig(n_latents=NEURONS, clip=10.0, floor=-8.0, log_sigma_limit=3.45),
        config.train,
        config.data,
    )
    assert (config.train.steps, config.train.beta, config.train.kl) == (8, 24.0, "code")
    first = initial_parameters(out, config, (SIDE, SIDE))
    raw = ip_vae_state()["layer.dec_log_sigma"].reshape(-1)
    torch.testing.assert_close(first["log_sigma"], raw, rtol=1e-5, atol=1e-5)


def test_training_starts_from_imported_kernels(tmp_path: Path, photos: Path) -> None:
    file, options = lca_kernels(tmp_path)
    out = tmp_path / "m.safetensors"
    done = snn.import_network(file, out, photos, **options)
    assert done.network.dictionary.population == (NEURONS, 3, 3)
    config = load_checkpoint_config(out)
    model = config.model
    assert (model.dictionary, model.features, model.kernel) == ("convolutional", NEURONS, 2)
    first = initial_parameters(out, config, (SIDE, SIDE))
    kernels = torch.from_numpy(done.network.stored["kernels"])
    assert torch.equal(first["kernels"], kernels)


def test_leaks_come_along(tmp_path: Path) -> None:
    file = write_ip_vae(tmp_path, dataset="MNIST", n_iters_inner=2)
    done = snn.import_network(file, tmp_path / "m.safetensors", image_shape=(SIDE, SIDE))
    assert (done.network.updates_per_step, done.network.leak) == (2, 1.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ConfigError, "does not say how its 16 pixels form an image; give --image-shape, such"),
        (
            {"image_shape": (4, 4)},
            ConfigError,
            "does not say which pixels it takes; give --input un",
        ),
        ({"image_shape": (5, 4)}, ConfigError, "of 16 pixels, but --image-shape 5x4 has 20; give"),
        ({"input_kind": "grey"}, ConfigError, "an input of 'grey' is not known; give unit"),
        (
            {"image_shape": (4, 4), "input_kind": "unit"},
            DataError,
            "a stable step size needs images like those that it was made for; name them with",
        ),
    ],
)
def test_what_neither_file_nor_user_says(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    file, _ = arrays(tmp_path)
    out = tmp_path / "out" / "m.safetensors"
    with pytest.raises(error, match=message):
        snn.import_network(file, out, **options)
    assert not out.parent.exists()


def test_the_user_may_not_contradict_the_file(tmp_path: Path, photos: Path) -> None:
    state = ip_vae_state(phi__weight=torch.ones(784, 6), dec_log_sigma=torch.zeros(1, 784))
    file, out = write_ip_vae(tmp_path, state, dataset="MNIST"), tmp_path / "m.safetensors"
    with pytest.raises(ConfigError, match="is for images of 28x28, but --image-shape is 14x56; le"):
        snn.import_network(file, out, image_shape=(14, 56))
    with pytest.raises(ConfigError, match="takes unit pixels, but --input is standardised; leave"):
        snn.import_network(file, out, input_kind="standardised")
    with pytest.raises(
        DataError, match=r"photos\.npy: images of 4x4 pixels, but .* is for 784 pix"
    ):
        snn.import_network(file, out, photos)
    assert not out.exists()


def test_images_of_another_size_are_refused_before_writing(tmp_path: Path) -> None:
    """Also where the file does not state a shape, which the images would then give."""
    path, out = tmp_path / "bare.pt", tmp_path / "m.safetensors"
    torch.save(ip_vae_state(), path)
    with pytest.raises(DataError, match=r"images of 3x3 pixels, but .* is for 16 pixels; name im"):
        snn.import_network(path, out, blobs()[:, :3, :3])
    assert not out.exists()


def test_nothing_is_written_over_the_file(tmp_path: Path, photos: Path) -> None:
    file, _ = arrays(tmp_path)
    before = file.read_bytes()
    with pytest.raises(FileFormatError, match="is the file to import; write the checkpoint to ano"):
        snn.import_network(file, tmp_path / "." / file.name, photos)
    assert file.read_bytes() == before


def test_a_foreign_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    file, _ = arrays(tmp_path)
    out = tmp_path / "notes.safetensors"
    out.write_text("mine")
    with pytest.raises(OutputError, match="overwrite"):
        snn.import_network(file, out, image_shape=(SIDE, SIDE), input_kind="unit")
    assert out.read_text() == "mine"
    for overwrite in (True, False):  # the second replaces an imported checkpoint
        snn.import_network(
            file, out, blobs(), image_shape=(SIDE, SIDE), input_kind="unit", overwrite=overwrite
        )
        assert snn.load(out).imported["file"] == file.name


def test_a_dictionary_of_zeros(tmp_path: Path, photos: Path) -> None:
    file = tmp_path / "phi.npy"
    np.save(file, np.zeros((PIXELS, 3)))
    with pytest.raises(ConversionError, match="the dictionary is 0, so that no image drives any"):
        snn.import_network(file, tmp_path / "m.safetensors", photos, format="arrays")


def test_too_steep_a_start_is_reduced_until_it_is_stable(tmp_path: Path, photos: Path) -> None:
    """Expected rates far below the real ones ask for a step size that overshoots."""
    file = tmp_path / "steep.npz"
    np.savez(file, phi=patterns().T * 0.1, log_sigma=np.full(PIXELS, -3.0), u0=np.full(6, -8.0))
    done = snn.import_network(file, tmp_path / "m.safetensors", photos)
    assert done.gain is not None
    assert done.gain <= 1.0
    snn.convert(tmp_path / "m.safetensors", images=40, steps=8)


def test_images_of_a_set_that_is_known_here_are_used(tmp_path: Path, photos: Path) -> None:
    """A data set's name that only the authors know is no help to convert; the images are."""
    state = ip_vae_state()
    file = write_ip_vae(tmp_path, state, dataset="BALLS4")
    done = snn.import_network(file, tmp_path / "m.safetensors", photos)
    assert (done.network.trained_on, done.network.data_paths[0]) == ("photos.npy", str(photos))
    alone = snn.import_network(
        file, tmp_path / "n.safetensors", image_shape=(SIDE, SIDE), input_kind="unit"
    )
    assert (alone.network.trained_on, alone.network.data_paths) == ("BALLS4", ())


def test_unknown_training_images_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bare.pt"
    torch.save(ip_vae_state(), path)
    out = tmp_path / "m.safetensors"
    done = snn.import_network(path, out, image_shape=(SIDE, SIDE), input_kind="unit")
    assert "trained on unknown images" in repr(done.network)
    with pytest.raises(DataError, match="does not say on which images it was trained; name images"):
        snn.convert(out)


def test_the_authors_patches_are_cut_as_their_code_does(tmp_path: Path) -> None:
    """The set is read in the authors' way, and so are later images; ready patches stay whole."""
    state = ip_vae_state(
        phi__weight=0.1 * torch.randn(256, 6, generator=torch.Generator().manual_seed(0)),
        dec_log_sigma=torch.zeros(1, 256),
    )
    file = write_ip_vae(tmp_path, state, dataset="vH16-wht")
    out = tmp_path / "m.safetensors"
    done = snn.import_network(file, out, "natural")
    assert done.remarks[0].endswith("of the same collection, whitened as their code does.")
    network = snn.load(out)
    assert network.preparation == Preparation(16, "vafaii", 0.0, Constants(0.0, 1.0, 0.0))
    used = snn.run(network, "natural", steps=2, limit=5).images
    wanted = load("natural", "test", preparation=network.preparation)
    np.testing.assert_array_equal(used.pixels, wanted.pixels[:5])
    ready = wanted.pixels[:7].reshape(-1, 16, 16)
    np.testing.assert_array_equal(snn.run(network, ready, steps=2).images.pixels, wanted.pixels[:7])
