"""Float ONNX models against float inference in NumPy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import small
from ipvae_snn.errors import DivergedError
from ipvae_snn.export.onnx.files import (
    check_float_files,
    run_inference,
    run_steps,
    write_float_onnx,
)
from ipvae_snn.export.onnx.floats import Precision
from ipvae_snn.inference.reference import Dynamics, dynamics, run_float, soft_clip
from ipvae_snn.ir.float_sampler import poisson_from_uniforms
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork


def make_float_network(seed: int = 0, spread: float = 0.8, log_lr: float = -2.0) -> FloatNetwork:
    """Return a random network of 12 pixels and 7 neurons; a large `spread` makes it run away."""
    rng = np.random.default_rng(seed)
    return small.float_network(
        phi=rng.normal(0, spread, (12, 7)).astype(np.float32),
        log_sigma=rng.normal(0, 0.2, 12).astype(np.float32),
        u0=np.linspace(-4, 5, 7, dtype=np.float32),  # e^5 spikes take 32 parts
        log_bias=np.full(7, -3, np.float32),
        log_lr=log_lr,
        clip=6.0,
        image_shape=(4, 3),
        source="abc",
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_float64_models_give_float_inference(tmp_path: Path, seed: int) -> None:
    network = make_float_network(seed)
    write_float_onnx(network, tmp_path / "onnx")
    pixels = 2 * np.random.default_rng(seed).standard_normal((9, 12)).astype(np.float32)
    request = RunRequest(20, seed=2**32 - 1, first_image=2**32 - 9, trace=True)
    expected = run_float(network, pixels, request)
    assert expected.counts is not None
    assert expected.counts.max() > 40  # more than one part can count
    stepwise = run_steps(tmp_path / "onnx", pixels, request)
    np.testing.assert_array_equal(stepwise.counts, expected.counts)
    np.testing.assert_allclose(stepwise.states, expected.states, rtol=0, atol=1e-9)
    whole = run_inference(tmp_path / "onnx", pixels, request)
    np.testing.assert_array_equal(whole.counts_sum, expected.counts_sum)
    np.testing.assert_array_equal(whole.spikes_per_step, expected.spikes_per_step)
    np.testing.assert_allclose(whole.state, expected.state, rtol=0, atol=1e-9)
    np.testing.assert_allclose(whole.reconstruction, expected.reconstruction, rtol=1e-6)


def in_numpy(
    network: FloatNetwork, pixels: np.ndarray, request: RunRequest
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts and states (N, T, K) of each step's last update, and the spikes of all."""
    d, n = dynamics(network), network.updates_per_step
    b, u = pixels.astype(np.float64) @ d.feed_forward, np.tile(d.u0, (len(pixels), 1))
    image = request.first_image + np.arange(len(pixels))
    counts, states, spikes = [], [], []
    for t in range(request.steps):
        start, total = u, np.zeros(u.shape, np.int64)
        for j in range(n):
            z = poisson_from_uniforms(np.exp(u), request.seed, image, t * n + j)
            du = d.step_size * (b - z @ d.G - d.bias - network.leak * (u - start))
            u = soft_clip(u + soft_clip(du, d.clip, d.floor), d.clip, d.floor)
            total += z
        counts.append(z)
        states.append(u)
        spikes.append(total)
    return tuple(np.stack(a, axis=1) for a in (counts, states, spikes))


@pytest.mark.parametrize("leak", [0.0, 1.5])
def test_models_of_several_updates_per_step(tmp_path: Path, leak: float) -> None:
    """Against NumPy: a loop of updates inside each step, with a leak towards its start."""
    network = replace(make_float_network(spread=0.4), updates_per_step=3, leak=leak)
    write_float_onnx(network, tmp_path / "onnx")
    pixels = 2 * np.random.default_rng(0).standard_normal((9, 12)).astype(np.float32)
    request = RunRequest(8, seed=5, first_image=7, trace=True)
    counts, states, spikes = in_numpy(network, pixels, request)
    assert (spikes != counts).any()
    stepwise = run_steps(tmp_path / "onnx", pixels, request)
    np.testing.assert_array_equal(stepwise.counts, counts)
    np.testing.assert_allclose(stepwise.states, states, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(stepwise.spikes_per_step, spikes.sum(axis=2))
    whole = run_inference(tmp_path / "onnx", pixels, request)
    np.testing.assert_array_equal(whole.counts_sum, spikes.sum(axis=1))
    np.testing.assert_array_equal(whole.spikes_per_step, spikes.sum(axis=2))
    np.testing.assert_allclose(whole.state, states[:, -1], rtol=0, atol=1e-9)
    shown = counts[:, -1] @ network.phi.T.astype(np.float64)
    np.testing.assert_allclose(whole.reconstruction, shown, rtol=1e-6, atol=1e-6)
    model = onnx.load(tmp_path / "onnx" / "inference.onnx")
    result = {entry.key: entry.value for entry in model.metadata_props}
    assert result["ipvae_snn.updates_per_step"] == "3"
    assert result["ipvae_snn.leak"] == repr(leak)


@pytest.mark.skipif(
    "updates" not in Dynamics.__dataclass_fields__,
    reason="the float64 kernel has single updates; connect them in inference.reference.dynamics",
)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_files_of_several_updates_check_themselves(tmp_path: Path, precision: Precision) -> None:
    network = replace(make_float_network(spread=0.3), updates_per_step=3, leak=1.5)
    write_float_onnx(network, tmp_path / "onnx", precision)
    check_float_files(tmp_path / "onnx", network)


def test_float32_models_follow_step_by_step(tmp_path: Path) -> None:
    network = make_float_network(spread=0.3)
    write_float_onnx(network, tmp_path / "onnx", "float32")
    pixels = np.random.default_rng(0).standard_normal((9, 12)).astype(np.float32)
    request = RunRequest(20, trace=True)
    expected, result = (
        run_float(network, pixels, request),
        run_steps(tmp_path / "onnx", pixels, request),
    )
    assert result.state.dtype == np.float32
    assert (result.counts == expected.counts).mean() > 0.999
    same = (result.counts == expected.counts).all(axis=(1, 2))
    np.testing.assert_allclose(result.states[same], expected.states[same], rtol=0, atol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_files_check_themselves_and_find_an_altered_weight(
    tmp_path: Path, precision: Precision
) -> None:
    network = make_float_network(spread=0.3)
    out = tmp_path / "onnx"
    names = [path.name for path in write_float_onnx(network, out, precision)]
    assert names == ["encode.onnx", "step.onnx", "inference.onnx", "check.npz", "README.md"]
    check_float_files(out, network)
    model = onnx.load(out / "inference.onnx")
    result = {entry.key: entry.value for entry in model.metadata_props}
    assert result["ipvae_snn.arithmetic"] == precision
    assert result["ipvae_snn.provenance.source"] == "abc"
    tensor = next(t for t in model.graph.initializer if t.name.startswith("lateral"))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1.5, tensor.name))
    onnx.save(model, out / "inference.onnx")
    with pytest.raises(DivergedError, match=r"inference\.onnx does not give float inference's"):
        check_float_files(out, network)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_readmes_check_runs(
    tmp_path: Path, precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_float_onnx(make_float_network(spread=0.3), tmp_path / "onnx", precision)
    text = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
    code = text.split("```python\n")[2].split("```")[0]
    monkeypatch.chdir(tmp_path / "onnx")
    exec(code, {})
    check = dict(np.load("check.npz"))
    np.savez("check.npz", **{**check, "counts_sum": np.zeros_like(check["counts_sum"])})
    with pytest.raises(AssertionError, match="this runtime does not compute the network"):
        exec(code, {})
