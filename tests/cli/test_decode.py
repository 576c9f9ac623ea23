"""`--decode`: in place of what a network's file says, on every command that reconstructs."""

from pathlib import Path

import numpy as np
import pytest
from answers import Run, shown

from ipvae_snn.cli import options
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.decoding import MAX_DECODING_STEPS
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.plain_files import read_plain
from ipvae_snn.ir.trace import RunRequest

STEPS = 5


@pytest.fixture
def example(tmp_path: Path, network: IntegerNetwork) -> Path:
    """Return a folder with a network that decodes a mean, and images that it takes."""
    save_network(network.with_decoding("mean:3"), tmp_path / "net.safetensors")
    rng = np.random.default_rng(0)
    np.save(tmp_path / "images.npy", rng.normal(0, 1, (4, 4, 3)).astype(np.float32))
    return tmp_path


def given(example: Path, command: str, *more: object) -> tuple[object, ...]:
    data = ("--data", example / "images.npy", "--steps", STEPS)
    return (command, example / "net.safetensors", *data, *more)


@pytest.mark.parametrize(("asked", "used"), [((), "mean:3"), (("--decode", "map"), "map")])
def test_runs_checks_and_costs_name_it(
    example: Path, network: IntegerNetwork, run: Run, asked: tuple[str, ...], used: str
) -> None:
    """And the reconstructions are the interpreter's."""
    out = example / "r.npz"
    assert shown(run, *given(example, "run", "--out", out, *asked))["decoding"] == used
    images = np.load(example / "images.npy").reshape(4, 12)
    pixels, _ = encode(network.input, images, "standardised", "x")
    wanted = interpreter.run(network.with_decoding(used), pixels, RunRequest(STEPS))
    with np.load(out) as arrays:
        np.testing.assert_array_equal(arrays["reconstruction"], wanted.reconstruction)
    verified = shown(run, *given(example, "verify", "--backends", "compiled,onnx", *asked))
    assert verified["decoding"] == used
    assert all(one["equal"] for one in verified["backends"])
    assert shown(run, *given(example, "energy", *asked))["decoding"] == used
    _, table, _ = run(*given(example, "energy", *asked))
    assert f"decoded by {used}" in " ".join(table.split())
    assert shown(run, "inspect", example / "net.safetensors")["decoding"] == "mean:3"


def test_a_folder_goes_on_only_with_the_same_decoding(example: Path, run: Run) -> None:
    folder = example / "folder"
    first = shown(run, *given(example, "run", "--out", folder))
    assert first["decoding"] == "mean:3"
    more = ("--out", folder, "--resume", "--decode", "sample")
    code, _, error = run(*given(example, "run", *more))
    assert code == 1
    assert "its run was started with another network" in error


def test_an_export_holds_it(example: Path, run: Run) -> None:
    """A bundle is not run here: its files hold the decoding, and the reader of bundles finds it."""
    out = example / "bundle"
    arguments = ("--target", "lava", "--out", out, "--no-check", "--decode", "map")
    code, _, error = run("export", example / "net.safetensors", *arguments)
    assert code == 0, error
    assert str(read_plain(out).decoder.decoding) == "map"
    code, _, error = run(
        "export", "digits", "--target", "onnx", "--out", example / "o", "--decode", "map"
    )
    assert code == 1
    assert error.rstrip().endswith(
        "is a float checkpoint, whose export decodes a sample; convert it first, or leave --decode "
        "out"
    )
    assert not (example / "o").exists()


@pytest.mark.parametrize("command", ["run", "verify", "energy"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mean", "decoding 'mean' needs its number of last steps, 1 to 4096; give mean:4"),
        ("rates", "no decoding is called 'rates'; there are sample, mean:N, map"),
    ],
)
def test_mistakes_are_one_line(
    example: Path, run: Run, command: str, text: str, words: str
) -> None:
    """And nothing is written."""
    before = {*example.iterdir()}
    more = ("--out", example / "r.npz") if command == "run" else ()
    code, _, error = run(*given(example, command, "--decode", text, *more))
    assert code == 1
    assert words in error
    assert error.count("\n") == 1
    assert {*example.iterdir()} == before


def test_the_limit_of_the_options_is_the_networks() -> None:
    assert options.MAX_MEAN_STEPS == MAX_DECODING_STEPS
