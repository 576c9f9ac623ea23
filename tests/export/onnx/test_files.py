"""The folder of ONNX models: its files, its self-check, and the detection of faults."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from ipvae_snn.errors import DivergedError, FileFormatError
from ipvae_snn.export.onnx.backend import run_reference
from ipvae_snn.export.onnx.files import check_files, run_inference, run_steps, write_onnx
from ipvae_snn.export.onnx.readme import RUNTIMES
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

REQUEST = RunRequest(8, seed=3, first_image=5)


@pytest.fixture
def pixels(network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]) -> np.ndarray:
    """Four random images."""
    return pixels_factory(network, 4)


def alter(path: Path, shape: tuple[int, ...], change: int) -> None:
    """Change the first entry of the first integer initialiser of this shape."""
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if tuple(t.dims) == shape)
    array = numpy_helper.to_array(tensor).copy()
    array.flat[1] += change
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, path)


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_the_folder_holds_the_models_and_agrees_with_the_interpreter(
    circuit: str, request: pytest.FixtureRequest, pixels: np.ndarray, tmp_path: Path
) -> None:
    network: IntegerNetwork = request.getfixturevalue(circuit)
    out = tmp_path / "onnx"
    names = ["encode.onnx", "step.onnx", "inference.onnx", "check.npz", "README.md"]
    assert write_onnx(network, out) == [out / name for name in names]
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    assert [p.name for p in tmp_path.iterdir()] == ["onnx"]
    check_files(out, network, pixels, REQUEST)
    expected = interpreter.run(network, pixels, RunRequest(8, 3, 5, trace=True))
    for result in (run_steps(out, pixels, REQUEST), run_inference(out, pixels, REQUEST)):
        np.testing.assert_array_equal(result.state, expected.state)
        np.testing.assert_array_equal(result.spikes_per_step, expected.spikes_per_step)
        np.testing.assert_array_equal(result.saturated, expected.saturated, strict=True)
    assert expected.saturated.any()
    np.testing.assert_array_equal(result.reconstruction, expected.reconstruction)


def test_an_older_folder_is_replaced_whole(network: IntegerNetwork, tmp_path: Path) -> None:
    out = tmp_path / "onnx"
    out.mkdir()
    (out / "stale.onnx").write_text("old")
    write_onnx(network, out)
    assert not (out / "stale.onnx").exists()


@pytest.mark.parametrize("name", ["step.onnx", "inference.onnx"])
def test_one_altered_lateral_weight_is_found(
    network: IntegerNetwork, pixels: np.ndarray, tmp_path: Path, name: str
) -> None:
    write_onnx(network, tmp_path / "onnx")
    path = tmp_path / "onnx" / name
    alter(path, (7, 7), 1)
    with pytest.raises(DivergedError) as caught:
        check_files(tmp_path / "onnx", network, pixels, REQUEST)
    place = r"image \d+, step \d+, neuron \d+: expected -?[\d.]+, found -?[\d.]+"
    assert re.fullmatch(
        re.escape(str(path)) + r" does not give the interpreter's result: \w+ differs first at "
        rf"{place}; it was altered or this runtime is not exact: export it again",
        str(caught.value),
    )


def test_one_altered_input_weight_is_found(
    network: IntegerNetwork, pixels: np.ndarray, tmp_path: Path
) -> None:
    write_onnx(network, tmp_path / "onnx")
    alter(tmp_path / "onnx" / "encode.onnx", (12, 7), 1)
    # weight (0 to neuron 1) of every image with a pixel other than the zero point is now wrong
    with pytest.raises(DivergedError, match=r"states differs first at image \d+, step 0, neuron 1"):
        check_files(tmp_path / "onnx", network, pixels, REQUEST)


@pytest.mark.parametrize("name", ["step.onnx", "inference.onnx"])
@pytest.mark.parametrize("shape", [(7, 12), (12, 7)], ids=["prediction", "feed-forward"])
def test_one_altered_weight_of_two_layers_is_found(
    two_layer: IntegerNetwork, pixels: np.ndarray, tmp_path: Path, name: str, shape: tuple[int, int]
) -> None:
    write_onnx(two_layer, tmp_path / "onnx")
    alter(tmp_path / "onnx" / name, shape, 1)
    with pytest.raises(DivergedError, match=rf"{name} does not give the interpreter's result: "):
        check_files(tmp_path / "onnx", two_layer, pixels, REQUEST)


def test_a_wrong_number_of_saturations_is_found(
    network: IntegerNetwork, pixels: np.ndarray, tmp_path: Path
) -> None:
    write_onnx(network, tmp_path / "onnx")
    path = tmp_path / "onnx" / "step.onnx"
    model = onnx.load(path)
    node = next(n for n in model.graph.node if n.op_type == "Concat" and len(n.input) == 5)
    node.input[:] = [*node.input[1:], node.input[0]]
    onnx.save(model, path)
    place = r"saturated differs first at image \d, step \d: expected \d+\.0, found \d+\.0;"
    with pytest.raises(DivergedError, match=rf"step\.onnx .* {place}"):
        check_files(tmp_path / "onnx", network, pixels, REQUEST)


def test_an_altered_decoder_is_found(
    network: IntegerNetwork, pixels: np.ndarray, tmp_path: Path
) -> None:
    write_onnx(network, tmp_path / "onnx")
    model = onnx.load(tmp_path / "onnx" / "inference.onnx")
    tensor = next(t for t in model.graph.initializer if t.name.startswith("decoder_scale"))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 2, tensor.name))
    onnx.save(model, tmp_path / "onnx" / "inference.onnx")
    with pytest.raises(DivergedError, match=r"inference\.onnx .* reconstruction differs first at"):
        check_files(tmp_path / "onnx", network, pixels, REQUEST)


@pytest.mark.parametrize("name", ["encode.onnx", "step.onnx", "inference.onnx"])
def test_missing_and_truncated_files_are_named(
    network: IntegerNetwork, pixels: np.ndarray, tmp_path: Path, name: str
) -> None:
    write_onnx(network, tmp_path / "onnx")
    path = tmp_path / "onnx" / name
    path.write_bytes(path.read_bytes()[:1000])
    message = re.escape(str(path)) + r": ONNX Runtime .* cannot load it \(.*\); export it again"
    with pytest.raises(FileFormatError, match=f"^{message}$"):
        check_files(tmp_path / "onnx", network, pixels, REQUEST)
    path.unlink()
    with pytest.raises(FileFormatError, match=f"^{message}$"):
        check_files(tmp_path / "onnx", network, pixels, REQUEST)


@pytest.mark.parametrize(
    ("circuit", "words"),
    [("network", "held int32 (N, K), state"), ("two_layer", "held int32 (N, M), state")],
)
def test_the_readmes_code_runs(
    circuit: str,
    words: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network: IntegerNetwork = request.getfixturevalue(circuit)
    write_onnx(network, tmp_path / "onnx")
    text = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
    assert words in text
    assert f"(4x3, {network.circuit} circuit), K = 7 neurons" in text
    assert "by count, excitation, inhibition, potential, residual" in text
    code = text.split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path / "onnx")
    names: dict[str, np.ndarray] = {}
    exec(code, names)
    expected = interpreter.run(network, np.zeros((1, 12), np.uint8), RunRequest(64))
    np.testing.assert_array_equal(names["counts_sum"], expected.counts_sum)
    np.testing.assert_array_equal(names["state"], expected.state)


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_the_readmes_check_finds_an_inexact_runtime(
    circuit: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network: IntegerNetwork = request.getfixturevalue(circuit)
    write_onnx(network, tmp_path / "onnx")
    text = (tmp_path / "onnx" / "README.md").read_text(encoding="utf-8")
    assert "everywhere" not in text
    code = text.split("```python\n")[2].split("```")[0]
    monkeypatch.chdir(tmp_path / "onnx")
    names: dict[str, np.ndarray] = {}
    exec(code, names)
    assert names["counts"].any()
    check = np.load("check.npz")
    expected = interpreter.run(network, check["pixels"], RunRequest(12, seed=1))
    for name in ("counts_sum", "spikes_per_step", "state"):
        np.testing.assert_array_equal(check[name], getattr(expected, name), strict=True)
    reference = run_reference(network, check["pixels"], RunRequest(12, seed=1))
    np.testing.assert_array_equal(check["counts_sum"], reference.counts_sum)
    wrong = names["counts"].copy()
    wrong[0, 0] += 1  # as little as possible
    np.savez("check.npz", **{**check, "counts_sum": wrong})
    with pytest.raises(AssertionError, match="this runtime does not compute the network"):
        exec(code, {})


def test_the_readme_names_the_runtimes_of_the_pins() -> None:
    """A new pin is a runtime that nobody checked: run check.npz there, and name it."""
    pins = Path(__file__).parents[3].joinpath("constraints.txt").read_text(encoding="utf-8")
    versions = re.findall(r"^(?:onnx|onnxruntime)==(\S+)", pins, re.MULTILINE)
    assert len(versions) == 3
    assert all(version in RUNTIMES for version in versions)
