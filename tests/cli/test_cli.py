"""The command line: from training to verification, JSON, and one line for every mistake."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from circuits import circuit
from safetensors.numpy import save_file

from ipvae_snn import __version__
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.ir import trace

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a briefly trained network on digits (run/) and its conversion."""
    folder = tmp_path_factory.mktemp("example")
    arguments = (
        [
            "train",
            "--data",
            "digits",
            "--out",
            "run",
            "--set",
            "train.iterations=60",
            "--set",
            "model.n_latents=24",
            "--set",
            "train.steps=6",
            "--set",
            "train.batch_size=64",
        ],
        [
            "convert",
            "run/model.safetensors",
            "--calibrate",
            "digits",
            "--limit",
            "64",
            "--steps",
            "16",
        ],
    )
    for part in arguments:
        command = [sys.executable, "-c", "from ipvae_snn.cli.app import main; main()", *part]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return folder


def test_training_and_conversion_leave_their_files(example: Path) -> None:
    """The files of a training run, and the report beside the network."""
    assert {p.name for p in (example / "run").iterdir()} >= {
        "model.safetensors",
        "config.toml",
        "metrics.jsonl",
    }
    assert {p.name for p in example.iterdir()} == {"run", "net.safetensors", "net.report.json"}
    report = json.loads((example / "net.report.json").read_text())
    assert all(bound["worst"] <= bound["limit"] for bound in report["bounds"])


def test_run_writes_what_it_promises(example: Path, run: Run, tmp_path: Path) -> None:
    """Shapes of result.npz with and without the trace, on two back ends, with equal numbers."""
    shapes = {
        "counts_sum": (5, 24),
        "state": (5, 24),
        "spikes_per_step": (5, 7),
        "reconstruction": (5, 64),
        "saturated": (5, 7, 5),
    }
    results = []
    for backend in ("reference", "onnx"):
        out = tmp_path / f"{backend}.npz"
        code, text, error = run(
            "run",
            example / "net.safetensors",
            "--backend",
            backend,
            "--data",
            "digits",
            "--limit",
            5,
            "--steps",
            7,
            "--seed",
            3,
            "--out",
            out,
            "--json",
        )
        assert (code, error) == (0, "")
        summary = json.loads(text)
        assert summary["backend"] == backend
        assert summary["images"] == 5
        with np.load(out, allow_pickle=False) as arrays:
            results.append({name: arrays[name] for name in arrays.files})
        assert {name: array.shape for name, array in results[-1].items()} == shapes
    for name, array in results[0].items():
        np.testing.assert_array_equal(array, results[1][name])
    out = tmp_path / "traced.npz"
    code, _, _ = run(
        "run",
        example / "net.safetensors",
        "--data",
        "digits",
        "--limit",
        5,
        "--steps",
        7,
        "--seed",
        3,
        "--out",
        out,
        "--trace",
    )
    assert code == 0
    with np.load(out) as arrays:
        assert arrays["counts"].shape == arrays["states"].shape == (5, 7, 24)
        np.testing.assert_array_equal(arrays["counts"].sum(axis=1), results[0]["counts_sum"])


def test_float_checkpoint_runs_too(example: Path, run: Run, tmp_path: Path) -> None:
    """`--backend float`, and a clear refusal of the others."""
    out = tmp_path / "float.npz"
    common = ("--data", "digits", "--limit", 4, "--steps", 5, "--out", out)
    code, text, _ = run(
        "run", example / "run/model.safetensors", "--backend", "float", *common, "--json"
    )
    assert code == 0
    assert json.loads(text)["backend"] == "float"
    code, _, error = run("run", example / "run/model.safetensors", "--backend", "onnx", *common)
    assert code == 1
    assert "is a float checkpoint, which the back end 'onnx' does not run" in error
    code, _, error = run("run", example / "net.safetensors", "--backend", "float", *common)
    assert code == 1
    assert "is an integer network; --backend float runs a checkpoint" in error


def test_verify_says_equal(example: Path, run: Run) -> None:
    """Interpreter, ONNX Runtime and the ONNX reference evaluator."""
    code, text, _ = run(
        "verify",
        example / "net.safetensors",
        "--backends",
        "reference,onnx,onnx-reference",
        "--data",
        "digits",
        "--limit",
        4,
        "--steps",
        6,
        "--json",
    )
    assert code == 0
    result = json.loads(text)
    assert result["compared"] == 4 * 6 * 24
    assert [row["equal"] for row in result["backends"]] == [True, True, True]


@pytest.mark.skipif(find() is None, reason="no Lava environment: run `ipvae-snn lava setup`")
def test_verify_lava(example: Path, run: Run) -> None:
    """Loihi's simulator gives the reference's counts."""
    code, text, error = run(
        "verify",
        example / "net.safetensors",
        "--backends",
        "lava",
        "--data",
        "digits",
        "--limit",
        3,
        "--steps",
        5,
    )
    assert code == 0, error
    assert "all 360 counts and states are equal" in " ".join(text.split())


def test_verify_names_the_first_divergence(
    example: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back end that adds one spike at image 1, step 2, neuron 5 is caught there."""
    from ipvae_snn.ir import back_ends, interpreter
    from ipvae_snn.ir.session import FromFunction

    load = back_ends.load_backend

    def broken(network: object, pixels: object, request: object) -> trace.Trace:
        result = interpreter.run(network, pixels, request)  # type: ignore[arg-type]  # passed on
        assert result.counts is not None
        result.counts[1, 2, 5] += 1
        return result

    monkeypatch.setattr(
        back_ends,
        "load_backend",
        lambda name: FromFunction(broken) if name == "onnx" else load(name),
    )
    code, text, error = run(
        "verify",
        example / "net.safetensors",
        "--backends",
        "onnx",
        "--data",
        "digits",
        "--limit",
        3,
        "--steps",
        4,
    )
    assert code == 1
    assert "DIFFERENT" in text
    assert "onnx: counts differs first at image 1, step 2, neuron 5: expected" in error


def test_export_onnx_checks_itself(example: Path, run: Run, tmp_path: Path) -> None:
    """Integer and float; a second export replaces the first, a foreign folder is left alone."""
    out = tmp_path / "onnx"
    for source in ("net.safetensors", "run/model.safetensors", "net.safetensors"):
        code, text, error = run(
            "export", example / source, "--target", "onnx", "--out", out, "--json"
        )
        assert code == 0, error
        assert json.loads(text)["checked"] is True
        assert "inference.onnx" in json.loads(text)["files"]
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("do not lose me")
    code, _, error = run(
        "export", example / "net.safetensors", "--target", "onnx", "--out", foreign
    )
    assert code == 1
    assert "holds 'thesis.tex', which no onnx export wrote, and would be replaced" in error
    assert (foreign / "thesis.tex").read_text() == "do not lose me"


def test_inspect_reads_all_three_kinds(example: Path, run: Run, tmp_path: Path) -> None:
    """A checkpoint, a network, a result."""
    out = tmp_path / "r.npz"
    run(
        "run",
        example / "net.safetensors",
        "--data",
        "digits",
        "--limit",
        2,
        "--steps",
        2,
        "--out",
        out,
    )
    for file, what in (
        (example / "run/model.safetensors", "float checkpoint"),
        (example / "net.safetensors", "integer network, version 3"),
        (out, "result of a run"),
    ):
        code, text, _ = run("inspect", file, "--json")
        assert code == 0
        assert what in json.loads(text)["what"]
        code, text, _ = run("inspect", file)
        assert code == 0
        assert what in " ".join(text.split())


def test_bench_compares_and_names_its_source(example: Path, run: Run, tmp_path: Path) -> None:
    """Rows for float, reference and ONNX; the energy profile names its sources."""
    code, text, error = run(
        "bench",
        example / "net.safetensors",
        "--checkpoint",
        example / "run/model.safetensors",
        "--data",
        "digits",
        "--limit",
        6,
        "--steps",
        8,
        "--json",
        "--out",
        tmp_path / "b.json",
    )
    assert code == 0, error
    result = json.loads(text)
    assert [row["backend"] for row in result["rows"]] == ["float", "reference", "onnx"]
    assert [row["equal"] for row in result["rows"]] == [None, True, True]
    assert "Horowitz" in result["energy_source"]
    assert json.loads((tmp_path / "b.json").read_text()) == result
    assert result["rows"][1]["energy_nj_per_image"] == result["rows"][2]["energy_nj_per_image"] > 0


def test_bench_refuses_a_foreign_checkpoint(example: Path, run: Run, tmp_path: Path) -> None:
    """The pair is checked by SHA-256."""
    from ipvae_snn.ir.files import load_network, save_network

    network = load_network(example / "net.safetensors")
    other = circuit(
        input=network.input,
        feedforward=network.feedforward,
        lateral=network.lateral,
        neurons=network.neurons,
        decoder=network.decoder,
        provenance={"checkpoint_sha256": "ab" * 32},
    )
    save_network(other, tmp_path / "other.safetensors")
    code, _, error = run(
        "bench",
        tmp_path / "other.safetensors",
        "--checkpoint",
        example / "run/model.safetensors",
        "--data",
        "digits",
    )
    assert code == 1
    assert "was converted from a checkpoint with SHA-256 abababababab" in error


def bad_images(folder: Path) -> dict[str, Path]:
    """Write images that must be rejected."""
    files = {name: folder / f"{name}.npy" for name in ("nan", "range", "size", "empty")}
    pixels = np.full((3, 8, 8), 0.5, np.float32)
    pixels[1, 2, 3] = np.nan
    np.save(files["nan"], pixels)
    np.save(files["range"], np.full((3, 8, 8), 300.0, np.float32))
    np.save(files["size"], np.zeros((3, 9, 9), np.uint8))
    np.save(files["empty"], np.zeros((0, 8, 8), np.uint8))
    return files


def test_bad_input_gets_one_line_and_leaves_nothing(
    example: Path, run: Run, tmp_path: Path
) -> None:
    """Missing, truncated, foreign files; wrong size, NaN, out of range; impossible bits."""
    whole = (example / "net.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    save_file({"x": np.zeros(2)}, tmp_path / "foreign.safetensors")
    (tmp_path / "bad.toml").write_text("[train]\nlearning_rat = 0.1\n")
    images = bad_images(tmp_path)
    net, model = example / "net.safetensors", example / "run/model.safetensors"
    digits = ("--data", "digits")
    cases = {
        "no such file": ("run", tmp_path / "absent.safetensors", *digits),
        "not a readable safetensors file": ("run", tmp_path / "cut.safetensors", *digits),
        "neither an ipvae-snn checkpoint nor": ("run", tmp_path / "foreign.safetensors", *digits),
        "NaN": ("run", net, "--data", images["nan"]),
        "range": ("run", net, "--data", images["range"]),
        "81 pixels, but the network takes 8x8": ("run", net, "--data", images["size"]),
        "no image": ("run", net, "--data", images["empty"]),
        "neither a data set nor an existing path": ("run", net, "--data", "digist"),
        "split 'dev' is not known": ("run", net, *digits, "--split", "dev"),
        "no back end is called 'loihi3'": ("run", net, *digits, "--backend", "loihi3"),
        "weights of 9 bits are not possible": (
            "convert",
            model,
            "--calibrate",
            "digits",
            "--weight-bits",
            9,
        ),
        "99 fraction bits are not possible": (
            "convert",
            model,
            "--calibrate",
            "digits",
            "--fraction-bits",
            99,
        ),
        "not 'ipvae-snn/checkpoint'": ("convert", net, "--calibrate", "digits"),
        "is a float checkpoint; Lava runs integers only": ("export", model, "--target", "lava"),
        "learning_rat": ("train", *digits, "--config", tmp_path / "bad.toml"),
        "no profile is called 'loihi9'": (
            "bench",
            net,
            "--checkpoint",
            model,
            *digits,
            "--profile",
            "loihi9",
        ),
    }
    before = {path.name for path in tmp_path.iterdir()}
    for message, arguments in cases.items():
        code, text, error = run(*arguments, *(("--out", tmp_path / "made.out")))
        assert code == 1, message
        assert text == ""
        assert message in error
        assert error.startswith("ipvae-snn: error: ")
        assert error.count("\n") == 1
        assert {path.name for path in tmp_path.iterdir()} == before, message


def test_no_lava_is_reported_with_its_remedy(
    example: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without Lava, neither run nor export hangs or writes incomplete files."""
    monkeypatch.setenv("IPVAE_SNN_LAVA_ENV", str(tmp_path / "nowhere"))
    monkeypatch.delenv("IPVAE_SNN_LAVA_PYTHON", raising=False)
    if find() is not None:
        pytest.skip("this interpreter imports lava itself")
    out = tmp_path / "out"
    for arguments in (
        ("run", example / "net.safetensors", "--backend", "lava", "--data", "digits"),
        ("export", example / "net.safetensors", "--target", "lava"),
    ):
        code, _, error = run(*arguments, "--out", out)
        assert code == 1
        assert "ipvae-snn lava setup" in error
        assert not out.exists()


def test_a_full_disk_gets_one_line(
    example: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is written to a temporary file; a full disk leaves neither it nor half of it."""

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as handle:
            handle.write(bytes(data)[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    out = tmp_path / "r.npz"
    code, _, error = run(
        "run",
        example / "net.safetensors",
        "--data",
        "digits",
        "--limit",
        2,
        "--steps",
        2,
        "--out",
        out,
    )
    assert code == 1
    assert error == (
        f"ipvae-snn: error: {out}: No space left on device; free some space or choose another "
        "folder (no file is incomplete)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_doctor_knows_this_place(run: Run) -> None:
    """Embedded data and two back ends always work."""
    code, text, _ = run("doctor", "--json")
    assert code == 0
    result = json.loads(text)
    assert result["backends"]["reference"]["works"]
    assert result["backends"]["onnx"]["works"]
    assert {row["name"] for row in result["data"] if row["here"]} >= {"natural", "digits"}
    code, text, _ = run("doctor")
    assert code == 0
    assert "Back ends" in text


def test_version_and_unknown_options(run: Run) -> None:
    """--version, and usage errors with exit code 2."""
    assert run("--version")[:2] == (0, f"ipvae-snn {__version__}\n")
    assert run("run", "x", "--no-such-option")[0] == 2
    assert run("nonsense")[0] == 2
