"""`run --frames`: sequences through an integer network, and what it says about them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.result_files import read_result

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def file(network: IntegerNetwork, tmp_path: Path) -> Path:
    save_network(network, tmp_path / "net.safetensors")
    frames = np.random.default_rng(0).normal(0, 1, (5, 4, 4, 3)).astype(np.float32)
    frames[:, 2] = frames[:, 1]  # a frame that stays
    np.save(tmp_path / "films.npy", frames.reshape(20, 4, 3))
    return tmp_path / "net.safetensors"


def test_films_run_frame_by_frame(run: Run, file: Path) -> None:
    out = file.parent / "out.npz"
    options = ("--frames", 4, "--motion", "video", "--steps", 6, "--limit", 3, "--json")
    code, text, error = run(
        "run", file, "--data", file.parent / "films.npy", "--out", out, *options
    )
    assert code == 0, error
    result = json.loads(text)
    assert (result["sequences"], result["frames"], result["steps_per_frame"]) == (3, 4, 6)
    carried, restarted = result["carried"], result["restarted"]
    assert carried["r2"][0] == restarted["r2"][0]
    assert carried["operations"][0] == restarted["operations"][0]
    assert carried["r2"] != restarted["r2"]
    arrays = read_result(out)
    assert arrays["reconstruction"].shape == (3, 4, 12)
    assert arrays["spikes_per_step"].shape == (3, 24)
    assert "counts" not in arrays


def test_the_table_has_a_row_for_each_frame(run: Run, file: Path) -> None:
    options = ("--frames", 4, "--steps", 3, "--limit", 2)
    where = ("--data", file.parent / "films.npy", "--motion", "video")
    code, text, error = run("run", file, *where, "--out", file.parent / "o.npz", *options)
    assert code == 0, error
    assert "2 sequences of 4 frames of video" in text
    rows = [line.split()[0] for line in text.splitlines() if line.split()]
    assert [row for row in rows if row.isdecimal()][-4:] == ["1", "2", "3", "4"]


def test_wrong_requests(run: Run, file: Path) -> None:
    data = ("--data", file.parent / "films.npy")
    for options, message in (
        (("--motion", "drift"), "moves the frames of a sequence; give --frames too"),
        (("--frames", 4, "--motion", "walk"), "--motion 'walk' is not known"),
        (("--frames", 64, "--motion", "video"), "frames"),
    ):
        code, _, error = run("run", file, *data, *options, "--out", file.parent / "x.npz")
        assert code == 1
        assert message in error
        assert not (file.parent / "x.npz").exists()
    code, _, error = run("run", "digits", "--data", "digits", "--frames", 4)
    assert code == 1
    assert "is a float checkpoint; `ipvae-snn evaluate --frames` shows it moving images" in error


def test_conversion_is_calibrated_on_sequences(run: Run, tmp_path: Path) -> None:
    """Potentials carry over in calibration too; a read-out is trained on still images."""
    out = tmp_path / "net.safetensors"
    options = ("--limit", 40, "--frames", 4, "--steps", 6, "--json", "--out", out)
    code, text, error = run("convert", "digits", *options)
    assert code == 0, error
    assert json.loads(text)["report"]["calibration"].startswith("40 images of digits, 6 steps")
    code, _, error = run("convert", "digits", "--readout", *options)
    assert code == 1
    assert "--readout is trained on still images" in error
