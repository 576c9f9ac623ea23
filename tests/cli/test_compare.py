"""`ipvae-snn compare`: JSON, tables, pictures, and one line for every mistake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from circuits import circuit, replace
from PIL import Image

from ipvae_snn.config.settings import Config, ModelConfig, TrainConfig
from ipvae_snn.ir.files import load_network, save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.models.checkpoint import Origin, save_model
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.models.parameters import IterativePoissonVAE

Run = Callable[..., tuple[int, str, str]]
LOG2E = float(np.log2(np.e))
PICTURES = ("quality.png", "counts.png", "agreement.png", "state_error.png", "attribution.png")


@pytest.fixture(autouse=True)
def no_data_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty data root, no downloads, and a terminal wide enough for the tables."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("IPVAE_SNN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("IPVAE_SNN_DOWNLOAD", "0")
    monkeypatch.setenv("COLUMNS", "140")


def rounded(rows: np.ndarray) -> Synapses:
    """Rows as int8 at a scale each: 2**14 + something over a power of 2."""
    mantissa, exponent = np.frexp(np.abs(rows).max(axis=1) / 127)
    multiplier = np.ceil(mantissa * (1 << 15)).astype(np.int32) - 1
    shift = (15 - exponent).astype(np.int32)
    weights = np.rint(rows / (multiplier * 2.0**-shift)[:, None]).clip(-127, 127)
    return Synapses.dense(weights.astype(np.int8), multiplier, shift)


def make_integer(checkpoint: Path) -> IntegerNetwork:
    """Round a float network to 8 bits by plain rounding, so that no test depends on `convert`."""
    network = load_float_network(checkpoint)
    phi = network.phi.astype(float)
    forward = phi.T * np.exp(-2.0 * network.log_sigma.astype(float))
    octave = 1 << 12
    unit = np.exp(network.log_lr) * LOG2E * octave * 8  # 3 extra bits
    gram = forward @ phi * unit
    own = np.diagonal(gram).copy()
    scale = np.abs(phi).max(axis=1) / 32767
    group = PoissonNeurons(
        bias=np.rint(-unit * np.exp(network.log_bias)).astype(np.int32),
        self_inhibition=np.rint(own).astype(np.int32),
        initial_state=np.rint(network.u0 * LOG2E * octave).astype(np.int32),
        fraction_bits=12,
        extra_bits=3,
        state_min=round(-8 * LOG2E * octave),
        state_max=10 * octave,
        update_min=round(-8 * LOG2E * octave),
        excitation_max=10 * octave,
        max_count=400,
    )
    return circuit(
        input=InputCode(network.image_shape, network.input_kind, 1 / 255, 0),
        feedforward=rounded(forward * unit / 255),
        lateral=rounded(np.diag(own) - gram),
        neurons=group,
        decoder=Decoder.dense(
            np.rint(phi / scale[:, None]).astype(np.int16), scale.astype(np.float32)
        ),
        provenance={"checkpoint_sha256": network.source},
    )


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """The files of an untrained but active network for digits, and of its integer network."""
    config = Config(
        ModelConfig(n_latents=24, phi_std=0.1, u0_low=-2.0, u0_high=-1.0, log_lr=-2.0),
        TrainConfig(steps=6, kl="exact"),
    )
    model = IterativePoissonVAE(64, config.model, torch.Generator().manual_seed(0))
    checkpoint, network = tmp_path / "model.safetensors", tmp_path / "net.safetensors"
    save_model(checkpoint, model, config, Origin("digits", "unit", (8, 8)))
    save_network(make_integer(checkpoint), network)
    return checkpoint, network


COMPARED = {"float", "integer", "delta", "seeds_95", "images_95", "excluded_images"}
FIGURES = {"r2", "r2_mean", "r2_map", "mse", "zeros", "free_energy", "spikes"}
KEYS = FIGURES | {
    "checkpoint",
    "checkpoint_sha256",
    "network",
    "circuit",
    "fraction_bits",
    "neurons",
    "data",
    "citation",
    "images",
    "saturated_pixels",
    "steps",
    "seeds",
    "kl_form",
    "mean_steps",
    "marks",
    "histogram",
    "agreement",
    "state_error",
    "divergence",
    "saturations",
    "attribution",
    "plots",
    "seconds",
}


def compare(run: Run, pair: tuple[Path, Path], *more: object) -> tuple[int, str, str]:
    return run("compare", *pair, "--data", "digits", "--limit", 6, "--steps", 5, *more)


def found_of(run: Run, pair: tuple[Path, Path], *more: object) -> dict[str, Any]:
    code, text, error = compare(run, pair, "--json", *more)
    assert code == 0, error
    result: dict[str, Any] = json.loads(text)
    return result


def test_json_has_every_figure_under_a_stable_key(
    pair: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    result = found_of(run, pair, "--seeds", 3, "--seed", 7, "--out", tmp_path / "c.json")
    assert set(result) == KEYS
    assert json.loads((tmp_path / "c.json").read_text()) == result
    assert (result["images"], result["steps"], result["seeds"]) == (6, 5, [7, 8, 9])
    assert result["kl_form"] == "exact"
    for name in FIGURES:
        assert set(result[name]) == COMPARED
        value = result[name]
        assert value["integer"] - value["float"] == pytest.approx(value["delta"], abs=1e-9)
        for kind in ("seeds_95", "images_95"):
            low, high = value[kind]["float"]
            assert low <= value["float"] <= high
    assert [mark["step"] for mark in result["marks"]] == [1, 4, 5]
    assert result["marks"][-1] == {"step": 5, **{name: result[name] for name in FIGURES}}
    assert abs(result["r2"]["delta"]) < 0.05
    for kind in ("free_running", "one_step"):
        matched = result["agreement"][kind]
        assert 0.9 < matched["equal"] <= 1.0
        assert len(matched["by_step"]["equal"]) == len(matched["by_step"]["equal_active"]) == 5
        error = result["state_error"][kind]
        assert error["nats"] == pytest.approx(2 ** error["bits"] * np.log(2) / 4096, rel=0.01)
        assert error["neurons_bits"]["least"] <= error["neurons_bits"]["median"]
        assert len(error["by_step_bits"]) == 5
    for name in ("total_variation", "wasserstein"):
        distance = result["histogram"][name]
        assert 0 <= distance["pooled"] <= distance["largest_of_neurons"]
        assert distance["largest_between_float_seeds"] > 0
    assert set(result["divergence"]) == {"share", "median_step", "first"}
    tensors = result["attribution"]["tensors"]
    assert set(tensors) == {
        "pixel_levels",
        "feedforward",
        "lateral",
        "self_inhibition",
        "bias",
        "initial_state",
        "weights_and_bias",
        "state_rounding",
        "clamps",
        "sampler",
        "decoder",
        "together",
    }
    assert result["attribution"]["largest"] in tensors
    for cause in tensors.values():
        assert set(cause) == {"r2", "zeros", "state_error"}
        assert set(cause["r2"]) == {"delta", "delta_95"}
    # All changes together equal the integer network, except for rounding of the current.
    assert tensors["together"]["r2"]["delta"] == pytest.approx(result["r2"]["delta"], abs=2e-3)


def test_one_seed_has_no_interval_over_seeds(pair: tuple[Path, Path], run: Run) -> None:
    result = found_of(run, pair, "--seeds", 1, "--no-attribution")
    assert result["r2"]["seeds_95"] == {
        side: [None, None] for side in ("float", "integer", "delta")
    }
    assert result["r2"]["images_95"]["delta"][0] is not None
    assert result["histogram"]["wasserstein"]["largest_between_float_seeds"] is None
    assert result["attribution"] is None


def test_a_planted_fault_is_named(pair: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    """Neuron 11 gets 0.2 nats per step too much."""
    network = load_network(pair[1])
    bias = network.neurons.bias.copy()
    bias[11] += round(0.2 * LOG2E * (1 << 15))
    wrong = tmp_path / "wrong.safetensors"
    save_network(replace(network, neurons=replace(network.neurons, bias=bias)), wrong)
    result = found_of(run, (pair[0], wrong), "--seeds", 2)
    assert result["attribution"]["largest"] == "bias"
    assert result["attribution"]["tensors"]["bias"]["state_error"]["worst_neuron"] == 11
    assert result["state_error"]["one_step"]["neurons_bits"]["worst_neuron"] == 11
    code, text, _ = compare(run, (pair[0], wrong), "--seeds", 2)
    assert code == 0
    assert "largest state error: bias" in text


def test_tables_and_pictures(pair: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    code, text, error = compare(run, pair, "--seeds", 2, "--plots", tmp_path / "pictures")
    assert code == 0, error
    for part in (
        "6 images of digits, one-layer circuit, 2 seeds from 0",
        "counts equal, %",
        "one step",
        "total variation",
        "counts first differ at seed",
        "lateral weights",
        "all of these together",
        "the integer network itself",
        "F nats",
    ):
        assert part in text
    for name in PICTURES:
        assert f"picture: {tmp_path / 'pictures' / name}" in text
        with Image.open(tmp_path / "pictures" / name) as picture:
            shown = np.asarray(picture.convert("L"))
        assert min(shown.shape) > 300
        assert 0.005 < (shown < 200).mean() < 0.6  # neither empty nor filled


def test_pictures_of_a_network_that_never_differs(
    pair: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    """One step with one seed: no interval, no difference, and no tensor stands out."""
    folder = tmp_path / "pictures"
    code, text, error = run(
        "compare",
        *pair,
        "--data",
        "digits",
        "--limit",
        1,
        "--steps",
        1,
        "--seeds",
        1,
        "--plots",
        folder,
    )
    assert code == 0, error
    assert "every count of every seed equals the float run's" in text
    assert {path.name for path in folder.iterdir()} == set(PICTURES)


def test_one_line_for_every_mistake(pair: tuple[Path, Path], run: Run, tmp_path: Path) -> None:
    checkpoint, network = pair
    foreign, plain = tmp_path / "foreign.safetensors", tmp_path / "small.npy"
    save_network(
        replace(load_network(network), provenance={"checkpoint_sha256": "ab" * 32}), foreign
    )
    np.save(plain, np.zeros((3, 5, 5), np.uint8))
    digits = ("--data", "digits")
    for arguments, message in (
        ((network, network, *digits), "an integer network; give the float checkpoint that it"),
        ((checkpoint, checkpoint, *digits), "was another file meant?"),
        ((checkpoint, foreign, *digits), "converted from a checkpoint with SHA-256 abababababab"),
        ((*pair, "--data", "mnist"), "give the folder that holds mnist/"),
        ((*pair, "--data", plain), "images of 25 pixels, but the network takes 8x8 = 64"),
        ((*pair, *digits, "--steps", 2**21), "steps 2097152 are not in 1..1048576"),
        ((*pair, *digits, "--seed", 2**32 - 2, "--seeds", 3), "seed 4294967296 is not in"),
    ):
        code, _, error = run("compare", *arguments)
        assert code == 1
        assert error.startswith("ipvae-snn: error: ")
        assert error.count("\n") == 1
        assert message in error
    for wrong in (("--steps", 0), ("--seeds", 0), ("--limit", 0), ("--threads", 0)):
        assert run("compare", *pair, *digits, *wrong)[0] == 2
