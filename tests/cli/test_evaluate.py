"""`ipvae-snn evaluate`: JSON, tables, pictures, and one line for every mistake."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ipvae_snn.config.settings import Config, ModelConfig, TrainConfig
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.checkpoint import Origin, save_model
from ipvae_snn.models.parameters import IterativePoissonVAE

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_data_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty data root, no downloads, and a terminal wide enough for the tables."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("IPVAE_SNN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("IPVAE_SNN_DOWNLOAD", "0")
    monkeypatch.setenv("COLUMNS", "120")


def make_checkpoint(folder: Path, side: int, name: str) -> Path:
    """Write an untrained network with a dictionary large enough to spike."""
    config = Config(
        ModelConfig(n_latents=24, phi_std=0.1, u0_low=-2.0, u0_high=-1.0, log_lr=-2.0),
        TrainConfig(steps=6, kl="exact"),
    )
    model = IterativePoissonVAE(side * side, config.model, torch.Generator().manual_seed(0))
    save_model(folder / "model.safetensors", model, config, Origin(name, "unit", (side, side)))
    return folder / "model.safetensors"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return make_checkpoint(tmp_path, 8, "digits")


ESTIMATE = {"mean", "low", "high", "n", "excluded"}
MOMENT = {
    "step",
    "r2",
    "r2_mean",
    "r2_map",
    "mse",
    "mse_map",
    "zeros",
    "spikes",
    "corner",
    "nll",
    "kl",
    "free_energy",
    "du_norm",
    "worst_r2",
    "r2_median",
    "r2_pooled",
}
KEYS = {
    "checkpoint",
    "checkpoint_sha256",
    "trained_on",
    "data",
    "citation",
    "images",
    "steps",
    "seed",
    "kl_form",
    "training_steps",
    "mean_steps",
    "moments",
    "spikes_per_image",
    "lifetime_sparseness",
    "population_sparseness",
    "neurons",
    "silent_neurons",
    "reached_clip",
    "largest_rate",
    "worst_image",
    "final",
    "readout",
    "generalisation",
    "plots",
    "seconds",
    "us_per_image_step",
}


def test_json_has_every_figure_under_a_stable_key(
    checkpoint: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "result.json"
    code, text, error = run(
        "evaluate",
        checkpoint,
        "--data",
        "digits",
        "--limit",
        40,
        "--steps",
        10,
        "--seed",
        3,
        "--readout-train",
        100,
        "--plots",
        tmp_path / "pictures",
        "--out",
        out,
        "--json",
    )
    assert code == 0, error
    result = json.loads(text)
    assert result == json.loads(out.read_text())
    assert set(result) == KEYS
    assert [m["step"] for m in result["moments"]] == [0, 1, 2, 4, 6, 8, 10]
    assert all(set(m) == MOMENT for m in result["moments"])
    assert result["final"] == result["moments"][-1]
    assert set(result["final"]["r2"]) == set(result["final"]["du_norm"]) == ESTIMATE
    assert result["moments"][0]["kl"] is None
    assert (result["kl_form"], result["training_steps"], result["trained_on"]) == (
        "exact",
        6,
        "digits",
    )
    assert (result["images"], result["steps"], result["seed"]) == (40, 10, 3)
    one = {"accuracy", "fitted_on", "converged", "c"}
    assert set(result["readout"]) == {"skipped", "paper"} | one
    paper = result["readout"]["paper"]
    assert set(paper) == one
    assert (paper["fitted_on"], paper["accuracy"]["n"], paper["c"]) == (100, 40, 1.0)
    assert result["readout"]["skipped"] is None
    assert result["readout"]["fitted_on"] == 100
    assert result["readout"]["accuracy"]["n"] == 40
    assert result["generalisation"] is None
    names = ["convergence.png", "reconstructions.png", "dictionary.png"]
    assert result["plots"] == [str(tmp_path / "pictures" / name) for name in names]
    assert all(Path(path).stat().st_size > 5000 for path in result["plots"])


def test_a_seed_gives_its_figures_again(checkpoint: Path, run: Run) -> None:
    def final(*more: object) -> object:
        _, text, _ = run(
            "evaluate",
            checkpoint,
            "--data",
            "digits",
            "--limit",
            12,
            "--steps",
            9,
            "--readout-train",
            0,
            "--json",
            *more,
        )
        return json.loads(text)["final"]

    assert final() == final("--threads", 2)
    assert final() != final("--seed", 1)


def test_tables_for_people(checkpoint: Path, run: Run) -> None:
    code, text, _ = run(
        "evaluate",
        checkpoint,
        "--data",
        "digits",
        "--limit",
        10,
        "--steps",
        6,
        "--readout-train",
        60,
    )
    assert code == 0
    for part in (
        "10 images of digits, seed 0",
        "6*",
        "After 6 steps",
        "distance to the ideal corner",
        "free energy (KL as in 'exact'), nats",
        "accuracy, linear read-out of 60",
        "accuracy, read-out of the paper, 60",
        "silent neurons",
        "us per image and step",
        "Alpaydin & Kaynak (1998)",
    ):
        assert part in text, part


def own_images(folder: Path, labels: bool = True) -> Path:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 28, 28)).astype(np.uint8)
    more = {"labels": np.arange(60) % 2} if labels else {}
    np.savez(folder / "own.npz", images=images, **more)
    return folder / "own.npz"


def test_generalisation_says_what_it_could_not_find(run: Run, tmp_path: Path) -> None:
    """A user's 28x28 images: rotated ones are evaluated, the public sets have no files here."""
    checkpoint, own = make_checkpoint(tmp_path, 28, "own"), own_images(tmp_path)
    common = ("evaluate", checkpoint, "--data", own, "--steps", 3, "--generalise")
    code, text, error = run(*common, "--json")
    assert code == 0, error
    result = json.loads(text)
    assert result["images"] == 6  # every tenth of a user's images is held out
    assert result["readout"]["fitted_on"] == 54
    name, natural = result["generalisation"]["sets"]
    assert name.startswith("rotated ")
    judged = result["generalisation"]["sets"][name]
    assert set(judged["final"]) == MOMENT
    assert (judged["images"], judged["category"]) == (6, "within")
    grey = result["generalisation"]["sets"][natural]
    assert (natural, grey["images"], grey["category"]) == ("natural", 1000, "between")
    by_angle = result["generalisation"]["by_angle"]
    assert [one["angle"] for one in by_angle] == [*range(0, 181, 15)]
    assert all(set(one) == MOMENT | {"angle", "images"} for one in by_angle)
    assert by_angle[0]["r2"] == result["final"]["r2"]  # the images as they are, all six
    left_out = result["generalisation"]["left_out"]
    assert set(left_out) == {"mnist", "fashion-mnist", "kmnist", "omniglot", "vanhateren"}
    assert left_out["kmnist"].startswith("kmnist (test): t10k-images-idx3-ubyte.gz or ")
    pictures = tmp_path / "pictures"
    code, text, _ = run(*common, "--limit", 4, "--per-angle", 2, "--plots", pictures)
    assert code == 0
    assert (pictures / "rotation.png").stat().st_size > 5000
    assert "The first 2 images of own.npz, turned counter-clockwise" in text
    assert "Out-of-distribution images" in text
    assert "omniglot is left out: omniglot (test): " in text


@pytest.mark.parametrize(
    ("labels", "arguments", "reason"),
    [
        (False, (), "own.npz has no labels"),
        (True, ("--readout-train", "0"), "not requested (--readout-train 0)"),
        (
            True,
            ("--split", "train"),
            "the evaluated images are training images; give --split test",
        ),
    ],
)
def test_no_readout_without_its_reason(
    run: Run, tmp_path: Path, labels: bool, arguments: tuple[str, ...], reason: str
) -> None:
    checkpoint, own = make_checkpoint(tmp_path, 28, "own"), own_images(tmp_path, labels)
    common = ("evaluate", checkpoint, "--data", own, "--steps", 2, *arguments)
    code, text, error = run(*common, "--json")
    assert code == 0, error
    assert json.loads(text)["readout"]["skipped"].endswith(reason)
    code, text, _ = run(*common)
    assert "no linear read-out: " in text
    assert reason in text


def test_an_integer_network_is_sent_to_bench(
    network: IntegerNetwork, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "net.safetensors"
    save_network(network, path)
    code, text, error = run("evaluate", path, "--data", "digits")
    assert (code, text) == (1, "")
    assert error == (
        f"ipvae-snn: error: {path}: an integer network, but evaluate needs a float checkpoint "
        "(model.safetensors); use ipvae-snn bench for the integer network\n"
    )


def test_images_of_another_size_are_refused(run: Run, tmp_path: Path) -> None:
    code, _, error = run("evaluate", make_checkpoint(tmp_path, 28, "mnist"), "--data", "digits")
    assert code == 1
    assert error == (
        "ipvae-snn: error: digits: images of 64 pixels, but the network takes 28x28 = 784; choose "
        "the data that it was trained on, or resize\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--data", "digits", "--steps", "0"), 2, "--steps is '0', but should be greater"),
        (("--data", "digits", "--steps", "2000000"), 1, "steps is 2000000; give 1 to 1048575"),
        (("--data", "digits", "--split", "both"), 1, "split 'both' is not known"),
        (("--data", "nothing"), 1, "'nothing' is neither a data set nor an existing path"),
        (("--data", "digits", "--generalise"), 1, "leave out --generalise"),
    ],
)
def test_mistakes_are_one_line(
    checkpoint: Path, run: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result, text, error = run("evaluate", checkpoint, *arguments)
    assert (result, text) == (code, "")
    assert message in error
    assert "Traceback" not in error
