"""`ipvae-snn map`: tables, JSON, files, exit codes and wrong input."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.interpreter import run as interpret
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def path(network: IntegerNetwork, tmp_path: Path) -> Path:
    """A small one-layer network's file."""
    save_network(network, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_tables(run: Run, path: Path) -> None:
    """Checks, totals, cores, and assumptions."""
    code, text, error = run("map", path, "--profile", "loihi2")
    assert (code, error) == (0, "")
    for part in (
        "net.safetensors on loihi2",
        "not public",
        "placement: one-layer circuit",
        "cores (at least 1 in any split)",
        "longest route",
        "spikes between cores",
        "this tool's",
        "assumed: every neuron sends one event per step",
    ):
        assert part in text
    assert "ypothetical" not in text


def test_json_and_files(run: Run, path: Path, tmp_path: Path) -> None:
    """The JSON has all numbers, the file also each neuron's core; the picture has content."""
    out, picture = tmp_path / "placement.json", tmp_path / "placement.png"
    code, text, _ = run(
        "map", path, "--profile", "generic", "--json", "--out", out, "--plot", picture
    )
    assert code == 0
    shown, kept = json.loads(text), json.loads(out.read_text())
    assert kept.pop("core_of") == {"neurons": [0] * 7}
    assert shown == kept
    assert shown["fits"] is True
    assert shown["hypothetical"] is False
    placement = shown["placement"]
    assert (placement["cores"], placement["least_cores"], placement["chips"]) == (1, 1, 1)
    (core,) = placement["core_list"]
    assert placement["synapse_words"] == core["words"]
    assert core["utilisation"] == max(core["shares"].values())
    with Image.open(picture) as image:
        assert min(image.size) > 200
        assert len(np.unique(np.asarray(image.convert("L")))) > 20


def test_loihi_1_fails_and_still_shows_where_it_would_lie(run: Run, path: Path) -> None:
    """Exit 1, the reasons on stderr in one line, the placement marked."""
    code, text, error = run("map", path, "--profile", "loihi1")
    assert code == 1
    assert "hypothetical placement: one-layer circuit" in text
    assert "Hypothetical placement: by cores, axons and memory alone" in text
    assert error.startswith(
        f"ipvae-snn: error: {path} does not fit loihi1: spike counts: needs gra"
    )
    assert error.count("\n") == 1
    code, text, _ = run("map", path, "--profile", "loihi1", "--json")
    assert (code, json.loads(text)["hypothetical"]) == (1, True)


def test_no_core_for_a_neuron(run: Run, path: Path, tmp_path: Path) -> None:
    """Then there is no placement, no picture and no list of cores."""
    out, picture = tmp_path / "p.json", tmp_path / "p.png"
    profile = tmp_path / "tiny.toml"
    profile.write_text(
        (Path(__file__).parents[2] / "hw/profiles/generic.toml")
        .read_text()
        .replace("axons_in_per_core = { value = 16384", "axons_in_per_core = { value = 3")
    )
    code, text, error = run("map", path, "--profile", profile, "--out", out, "--plot", picture)
    assert code == 1
    assert "No placement: a neuron alone is too large for any core." in text
    assert "axons, the chip has 3" in error
    assert json.loads(out.read_text())["placement"] is None
    assert not picture.exists()


def test_rates_from_a_result_and_from_data(
    run: Run, path: Path, network: IntegerNetwork, tmp_path: Path
) -> None:
    """Both count the same run: images of zero-mean noise, 5 steps, seed 3."""
    images = np.random.default_rng(0).normal(size=(6, 4, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    result = tmp_path / "r.npz"
    data = ("--data", tmp_path / "images.npy", "--limit", 6, "--steps", 5, "--seed", 3)
    code, _, error = run("run", path, *data, "--trace", "--out", result, "--backend", "reference")
    assert (code, error) == (0, "ipvae-snn: images: 6 of 4x3, levels standardised, -2.33..1.96\n")
    measured = {}
    for name, options in (("data", data), ("rates", ("--rates", result))):
        code, text, _ = run("map", path, *options, "--source", "bias", "--json")
        assert code == 0
        measured[name] = json.loads(text)
    assert measured["data"]["events"]["description"].startswith("counted in 6 images of")
    assert measured["rates"]["events"]["description"].startswith(
        "counted: 6 images of r.npz, 5 steps"
    )
    assert measured["data"]["placement"] == measured["rates"]["placement"]


def test_wrong_input(
    run: Run, path: Path, network_factory: Callable[..., IntegerNetwork], tmp_path: Path
) -> None:
    """One line each, with the remedy."""
    other = tmp_path / "other.npz"
    interpret(network_factory(neurons=9), np.zeros((1, 12), np.uint8), RunRequest(2)).save(other)
    not_ours = tmp_path / "text.safetensors"
    not_ours.write_text("hello")
    for arguments, message in (
        ((path, "--profile", "loihi3"), "no profile is called 'loihi3' (did you mean"),
        ((path, "--profile", "cpu-45nm"), "profile cpu-45nm has energies but no limits"),
        ((not_ours,), "not a readable safetensors file"),
        ((tmp_path / "absent.safetensors",), "no such file, nor a pretrained network"),
        (("digits",), "chips take integers; convert it first: ipvae-snn convert digits"),
        ((path, "--rates", other), "it has counts of 9 neurons, but the network has 7"),
        ((path, "--rates", other, "--data", "digits"), "--rates and --data both define the events"),
        ((path, "--out", not_ours / "x.json"), "text.safetensors is a file, not a folder"),
    ):
        code, _, error = run("map", *arguments)
        assert code == 1, error
        assert message in error
        assert error.count("\n") == 1
    code, _, error = run("map", path, "--chips", "0")
    assert code == 2


@pytest.mark.parametrize("how", ["spikes", "bias"])
def test_the_two_layer_circuit(
    run: Run, two_layer: IntegerNetwork, tmp_path: Path, how: str
) -> None:
    """Two populations, on cores of their own."""
    file = tmp_path / "two.safetensors"
    save_network(two_layer, file)
    code, text, _ = run("map", file, "--source", how, "--json")
    assert code == 0
    placement = json.loads(text)["placement"]
    assert {name: one["cores"] for name, one in placement["populations"].items()} == {
        "neurons": 1,
        "residual": 1,
    }
    assert [core["population"] for core in placement["core_list"]] == ["neurons", "residual"]
    assert placement["per_image"]["messages_from_host"] == (12 if how == "spikes" else 0)
