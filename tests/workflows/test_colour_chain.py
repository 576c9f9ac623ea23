"""Images in colour from `train` to the exports: the chain takes (height, width, channels)."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ipvae_snn as snn
from ipvae_snn.hw.lava.bundle.simulator import bundle_io
from ipvae_snn.ir.files import load_network
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.workflows import pictures

Run = Callable[..., tuple[int, str, str]]
SHAPE = (4, 5, 3)
SMALL = {
    "train.iterations": 3,
    "train.steps": 2,
    "model.n_latents": 6,
    "model.u0_low": -1.0,
    "model.u0_high": 0.0,
}
# Two hues, of which each image has its own share.
LEVELS = (
    np.random.default_rng(0).integers(0, 200, (30, 4, 5, 1)) * np.array([1.0, 0.5, 0.2])
).astype(np.uint8)
LEVELS[:, 0, 0] = 255


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colour")
    snn.train(LEVELS, colour=True, settings=SMALL, out=folder / "run")
    snn.convert(
        folder / "run" / "model.safetensors", calibrate=LEVELS, out=folder / "net.safetensors"
    )
    return folder


def test_networks_remember_the_shape_and_read_images_by_it(trained: Path) -> None:
    network = load_float_network(trained / "run" / "model.safetensors")
    integer = load_network(trained / "net.safetensors")
    assert network.image_shape == integer.input.image_shape == SHAPE
    assert "4x5x3" in repr(network)
    assert "4x5x3" in repr(integer)
    torch_order = np.moveaxis(LEVELS, 3, 1)
    for source in (network, integer):
        first, second = (snn.run(source, each, steps=3) for each in (LEVELS, torch_order))
        assert first.images.image_shape == SHAPE
        np.testing.assert_array_equal(first.trace.counts_sum, second.trace.counts_sum)


@pytest.mark.parametrize("source", ["run/model.safetensors", "net.safetensors"])
def test_dictionary_and_reconstructions_are_drawn_in_colour(trained: Path, source: str) -> None:
    axes = pictures.dictionary(str(trained / source))
    assert np.asarray(axes.images[0].get_array()).ndim == 3
    result = snn.run(trained / source, LEVELS, steps=4, trace=True)
    figure = pictures.reconstructions(str(trained / source), result.images, result.trace, (1, 4))
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert {picture.shape for picture in shown} == {SHAPE}


def test_every_command_takes_them(trained: Path, run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", LEVELS)
    (tmp_path / "folder").mkdir()
    for index in range(3):
        Image.fromarray(LEVELS[index]).save(tmp_path / "folder" / f"{index}.png")
    net, model = trained / "net.safetensors", trained / "run" / "model.safetensors"
    images = ("--data", tmp_path / "c.npy", "--limit", 3, "--steps", 3)
    commands: list[tuple[object, ...]] = [
        ("evaluate", model, *images, "--plots", tmp_path / "plots"),
        ("run", net, "--data", tmp_path / "folder", "--steps", 3, "--out", tmp_path / "r.npz"),
        ("verify", net, *images, "--backends", "compiled,torch,onnx"),
        ("compare", model, net, *images, "--no-attribution", "--seeds", 2),
        ("energy", net, *images),
        ("inspect", model),
        ("export", net, "--target", "onnx", "--out", tmp_path / "onnx"),
        ("export", model, "--target", "onnx", "--out", tmp_path / "floats"),
        ("export", net, "--target", "lava", "--no-check", "--out", tmp_path / "lava"),
        ("export", net, "--target", "snntorch", "--no-check", "--out", tmp_path / "snntorch"),
    ]
    for command in commands:
        code, _, error = run(*command)
        assert code == 0, (command, error)
    assert "4x5x3" in (tmp_path / "onnx" / "README.md").read_text()
    assert "(N, 4, 5, 3)" in (tmp_path / "snntorch" / "load.py").read_text()
    assert "4 x 5 x 3 pixels" in (tmp_path / "lava" / "README.md").read_text()
    bundle = bundle_io.read_network(tmp_path / "lava")
    assert len(bundle_io.read_images(tmp_path / "c.npy", bundle, 7)) == 7
    np.save(tmp_path / "torch.npy", np.moveaxis(LEVELS, 3, 1))
    with pytest.raises(bundle_io.InputError, match=r"\(N, 4, 5, 3\) with N >= 1"):
        bundle_io.read_images(tmp_path / "torch.npy", bundle, None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("grey.npy", "holds no colours"),
        ("digits", "a set of grey images, but colours are asked for"),
        ("large.npy", "images of 432 pixels, but the network takes 4x5x3 = 60"),
    ],
)
def test_images_that_do_not_fit_are_one_line(
    trained: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("grey.npy", LEVELS[..., 0])
    np.save("large.npy", np.full((2, 12, 12, 3), 200, np.uint8))
    code, out, error = run("run", trained / "net.safetensors", "--data", data, "--steps", 2)
    assert (code, out, error.count("\n")) == (1, "", 1)
    assert words in error
    assert not Path("result.npz").exists()


def test_the_option_is_recorded(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", LEVELS)
    settings = [f"--set={key}={value}" for key, value in SMALL.items()]
    out = tmp_path / "run"
    code, text, _ = run(
        "train", "--data", tmp_path / "c.npy", "--colour", *settings, "--out", out, "--json"
    )
    assert code == 0
    assert json.loads(text)["iterations"] == 3
    assert "colour = true" in (out / "config.toml").read_text()


@pytest.mark.parametrize("settings", [{"data.frames": 3, "data.motion": "drift"}])
def test_moving_images_in_colour_train(settings: dict[str, object]) -> None:
    trained = snn.train(LEVELS, colour=True, settings={**SMALL, **settings})
    assert trained.network.image_shape == SHAPE
