"""`import` on the command line, and what other commands say to files that are only for it."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from photographs import folder_of

from foreign_files import blobs, patterns, write_ip_vae
from ipvae_snn.models.float_network import load_float_network

Run = Callable[..., tuple[int, str, str]]


def test_from_a_dictionary_to_equal_counts(run: Run, tmp_path: Path) -> None:
    photos, file = tmp_path / "photos.npy", tmp_path / "components.npy"
    np.save(photos, blobs())
    np.save(file, patterns())
    model, net = tmp_path / "model.safetensors", tmp_path / "net.safetensors"
    given = ("--format", "scikit-learn", "--penalty", 0.02, "--positive", "--data", photos)
    code, out, err = run("import", file, "--out", model, *given)
    assert (code, err) == (0, "ipvae-snn: images: 48 of 4x4, levels 0.000395..1 of 1\n")
    assert "next: ipvae-snn convert" in out.replace("\n", " ")
    code, out, _ = run("convert", model, "--limit", 40, "--steps", 8, "--out", net, "--json")
    assert code == 0
    assert json.loads(out)["network"] == str(net)
    verify = ("--backends", "compiled,torch", "--limit", 4, "--steps", 6, "--json")
    code, out, _ = run("verify", net, "--data", photos, *verify)
    assert code == 0
    code, out, _ = run("inspect", model)
    assert code == 0
    assert "imported.format" in out
    assert "imported.sha256" in out


def test_facts_that_the_file_leaves_out(run: Run, tmp_path: Path) -> None:
    file, out = write_ip_vae(tmp_path, dataset=""), tmp_path / "m.safetensors"
    for given, message in (
        ((), "does not say how its 16 pixels form an image; give --image-shape, such as 4x4"),
        (("--image-shape", "4by4"), "an image shape of '4by4' is not known; give HEIGHTxWIDTH"),
        (("--image-shape", "0x16"), "an image shape of '0x16' is not known"),
        (("--image-shape", "4x4", "--input", "grey"), "an input of 'grey' is not known; give uni"),
        (("--format", "onnx"), "no format is called 'onnx'; there are ip-vae, "),
    ):
        code, printed, err = run("import", file, "--out", out, *given)
        assert (code, printed) == (1, "")
        assert err.count("\n") == 1
        assert message in err
        assert not out.exists()
    facts = ("--image-shape", "4x4", "--input", "unit", "--json")
    code, printed, _ = run("import", file, "--out", out, *facts)
    assert code == 0
    result = json.loads(printed)
    assert (result["image_shape"], result["input"], result["loop_gain"]) == ([4, 4], "unit", None)


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--data", "digits"),
        ("convert",),
        ("evaluate", "--data", "digits"),
        ("inspect",),
        ("verify", "--data", "digits"),
        ("map",),
        ("energy", "--data", "digits"),
        ("export", "--target", "onnx", "--out", "out"),
    ],
)
def test_other_commands_point_to_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_ip_vae(tmp_path / "theirs")
    code, out, err = run(command[0], path, *command[1:])
    assert (code, out) == (1, "")
    assert err == (
        f"ipvae-snn: error: {path}: a PyTorch file, which this command does not read; if it holds "
        f"a network, make a checkpoint of it: ipvae-snn import {path} --out model.safetensors\n"
    )
    path.write_bytes(pickle.dumps({"a": 1}))
    code, out, err = run(command[0], path, *command[1:])
    assert (code, out) == (1, "")
    assert "a pickle of Python objects, which is never loaded" in err
    assert err.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["theirs"]


def test_patches_of_photographs_are_remembered(run: Run, tmp_path: Path) -> None:
    """A dictionary of whitened patches: later commands cut photographs by themselves."""
    photos, file = folder_of(tmp_path / "photos", 5), tmp_path / "model.safetensors"
    rng = np.random.default_rng(0)
    np.save(tmp_path / "components.npy", rng.standard_normal((10, 64)).astype(np.float32) / 8)
    given = ("import", tmp_path / "components.npy", "--format", "scikit-learn", "--penalty", "0.5")
    given += ("--data", photos, "--limit", "60", "--out", file)
    code, _, error = run(*given, "--patches", "8", "--whiten", "none", "--quiet")
    assert (code, error) == (0, "")
    prepared = load_float_network(file).preparation
    assert prepared is not None
    assert (prepared.patches, prepared.whiten) == (8, "none")
    shown = ("run", file, "--data", photos, "--limit", "3", "--steps", "2")
    code, out, _ = run(*shown, "--out", tmp_path / "r.npz", "--json")
    assert code == 0, out
    assert json.loads(out)["images"] == 3
    for more, message in (
        (("--whiten", "none"), "--whiten is for photographs of which patches are cut; give"),
        (("--patches", "8", "--whiten", "nothing"), "data.whiten is 'nothing'"),
        (("--patches", "9"), "images of 9x9 pixels, but"),
    ):
        code, _, error = run(*given, *more, "--quiet", "--overwrite")
        assert code == 1
        assert message in error
