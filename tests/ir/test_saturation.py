"""Saturation is reported by kind, layer and step; `run --on-overflow error` forbids it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from circuits import replace

from ipvae_snn.errors import SaturatedError
from ipvae_snn.ir import saturation
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import SATURATIONS, Trace
from ipvae_snn.ir.weights import Dense

Run = Callable[..., tuple[int, str, str]]


def trace_of(*hits: tuple[int, int, str, int]) -> Trace:
    """Return a trace of 3 images and 4 steps with (image, step, kind, number) saturations."""
    saturated = np.zeros((3, 4, 5), np.int32)
    for image, step, kind, number in hits:
        saturated[image, step, SATURATIONS.index(kind)] = number
    nothing = np.zeros((3, 1), np.int64)
    return Trace(
        counts_sum=nothing,
        state=nothing.astype(np.int32),
        spikes_per_step=np.zeros((3, 4), np.int64),
        reconstruction=nothing.astype(np.float32),
        saturated=saturated,
    )


def test_saturations_are_added_up_by_kind_and_step() -> None:
    """First in step, then in image: step 1 comes before step 2 of an earlier image."""
    trace = trace_of((0, 2, "count", 4), (2, 1, "count", 3), (1, 1, "count", 2))
    result = saturation.saturations(trace)
    assert result is not None
    assert [one.kind for one in result] == list(SATURATIONS)
    assert result[0] == saturation.Saturation("count", 9, 1, 1, {1: 5, 2: 4})
    assert result[1] == saturation.Saturation("excitation", 0, None, None, {})
    assert result[0].as_json() == {
        "layer": "neurons",
        "kind": "count",
        "total": 9,
        "first_image": 1,
        "first_step": 1,
        "by_step": {1: 5, 2: 4},
    }
    assert [one.layer for one in result] == ["neurons"] * 4 + ["residual neurons"]
    assert saturation.summary(result) == "count 9 (neurons, from step 1)"


def test_every_kind_has_a_description() -> None:
    assert tuple(saturation.MEANING) == SATURATIONS


def test_a_run_without_saturation_counts_is_refused() -> None:
    trace = replace(trace_of(), saturated=None)
    assert saturation.saturations(trace) is None
    with pytest.raises(SaturatedError) as caught:
        saturation.require_none(trace, "theirs")
    assert str(caught.value) == (
        "the back end 'theirs' does not count what saturates, so that --on-overflow error cannot "
        "be kept; use --backend reference"
    )


def test_a_run_that_saturates_is_refused_with_its_first_places() -> None:
    saturation.require_none(trace_of(), "reference")
    trace = trace_of((2, 0, "excitation", 1200), (1, 3, "residual", 1))
    with pytest.raises(SaturatedError) as caught:
        saturation.require_none(trace, "reference")
    assert str(caught.value) == (
        "the run saturated: excitation of neurons (excitation above its bound) 1,200 times, first "
        "in image 2, step 0; residual of residual neurons (differences between image and "
        "prediction beyond the limit) 1 times, first in image 1, step 3; convert again, "
        "calibrated on images like these and as many steps, or run with --on-overflow saturate"
    )


@pytest.fixture
def files(two_layer: IntegerNetwork, tmp_path: Path) -> tuple[Path, Path]:
    """A lively two-layer network and four images for it."""
    network = replace(two_layer, input=replace(two_layer.input, kind="unit", scale=1 / 255))
    network = replace(network, input=replace(network.input, zero_point=0))
    save_network(network, tmp_path / "net.safetensors")
    images = np.random.default_rng(0).random((4, 4, 3)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    return tmp_path / "net.safetensors", tmp_path / "images.npy"


@pytest.mark.parametrize("backend", ["reference", "onnx"])
def test_run_reports_saturations_by_step(
    files: tuple[Path, Path], run: Run, tmp_path: Path, backend: str
) -> None:
    net, images = files
    common = (
        "run",
        net,
        "--data",
        images,
        "--backend",
        backend,
        "--steps",
        12,
        "--out",
        tmp_path / "r.npz",
    )
    code, text, error = run(*common, "--json")
    assert (code, error) == (0, "")
    result = json.loads(text)["saturations"]
    with np.load(tmp_path / "r.npz") as arrays:
        per_step = arrays["saturated"].sum(axis=0)
    for index, kind in enumerate(SATURATIONS):
        steps = {str(t): int(n) for t, n in enumerate(per_step[:, index]) if n}
        assert result[kind]["by_step"] == steps
        assert result[kind]["total"] == per_step[:, index].sum()
    assert result["residual"]["total"] > 0
    code, text, _ = run(*common)
    assert code == 0
    total = f"{result['residual']['total']:,}"
    words = f"residual {total} (residual neurons, from step {result['residual']['first_step']})"
    assert words in " ".join(text.split())


def test_on_overflow_error_fails_and_writes_nothing(
    files: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    net, images = files
    out = tmp_path / "r.npz"
    code, text, error = run(
        "run", net, "--data", images, "--steps", 12, "--out", out, "--on-overflow", "error", "-q"
    )
    assert (code, text) == (1, "")
    assert error.startswith("ipvae-snn: error: the run saturated: ")
    assert "residual of residual neurons" in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_on_overflow_error_passes_a_run_within_its_limits(
    network: IntegerNetwork, run: Run, tmp_path: Path
) -> None:
    feedforward = replace(network.feedforward, weights=Dense(np.zeros((7, 12), np.int8)))
    zeros, low = np.zeros(7, np.int32), np.full(7, -4096, np.int32)
    neurons = replace(network.neurons, bias=zeros, self_inhibition=zeros, initial_state=low)
    quiet = replace(network, feedforward=feedforward, neurons=neurons)
    save_network(quiet, tmp_path / "net.safetensors")
    np.save(tmp_path / "images.npy", np.random.default_rng(0).standard_normal((2, 4, 3)))
    code, _, error = run(
        "run",
        tmp_path / "net.safetensors",
        "--data",
        tmp_path / "images.npy",
        "--steps",
        4,
        "--out",
        tmp_path / "r.npz",
        "--on-overflow",
        "error",
        "--quiet",
    )
    assert (code, error) == (0, "")
    assert (tmp_path / "r.npz").exists()


def test_a_back_end_that_counts_nothing_is_refused_before_it_runs(
    files: tuple[Path, Path], run: Run, tmp_path: Path
) -> None:
    net, images = files
    code, text, error = run(
        "run",
        net,
        "--data",
        images,
        "--backend",
        "float",
        "--out",
        tmp_path / "r.npz",
        "--on-overflow",
        "error",
    )
    assert (code, text) == (1, "")
    head, _, names = error.rstrip().partition("these do, with an integer network: ")
    assert head == (
        "ipvae-snn: error: the back end 'float' does not count what saturates, so that "
        "--on-overflow error cannot be kept; "
    )
    assert {"lava", "lava-fused", "onnx", "onnx-reference", "reference"} <= set(names.split(", "))
    assert "float" not in names.split(", ")
    assert run("run", net, "--data", images, "--on-overflow", "sometimes")[0] == 2
