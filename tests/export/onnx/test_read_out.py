"""Models of a network with a read-out give scores and the class; those of convolutions share."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from variants import LABELS, with_read_out, with_shared_weights

from ipvae_snn.errors import DivergedError
from ipvae_snn.export.onnx import backend
from ipvae_snn.export.onnx.files import check_files, write_onnx
from ipvae_snn.export.onnx.integer import IntegerCircuit
from ipvae_snn.export.onnx.models import inference_model, step_model
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest

REQUEST = RunRequest(6, seed=3)


@pytest.fixture(params=["network", "two_layer"])
def read_out(request: pytest.FixtureRequest) -> IntegerNetwork:
    """Either circuit with a read-out."""
    return with_read_out(request.getfixturevalue(request.param))


def outputs_of(model: onnx.ModelProto, network: IntegerNetwork, pixels: np.ndarray) -> dict:
    """Return the outputs of an inference model by name."""
    run = backend.runtime(model.SerializeToString())
    return run(backend.inference_feed(pixels, REQUEST))


def test_the_class_is_the_label_of_the_largest_score(
    read_out: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    pixels = pixels_factory(read_out, 9)
    result = outputs_of(inference_model(IntegerCircuit(read_out)), read_out, pixels)
    expected = interpreter.run(read_out, pixels, REQUEST)
    assert expected.scores is not None
    np.testing.assert_array_equal(result["scores"], expected.scores, strict=True)
    wanted = np.array(LABELS)[expected.scores[:, -1].argmax(axis=1)]
    np.testing.assert_array_equal(result["class"], wanted, strict=True)
    assert len(set(wanted)) > 1


def test_the_first_of_equal_scores_gives_the_class(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    silent = with_read_out(network, (-4, 2, 2))
    (readout,) = (one for one in silent.connections if one.name == "readout")
    nothing = replace(readout.synapses, multiplier=np.zeros(3, np.int32))
    connections = (*silent.connections[:-1], replace(readout, synapses=nothing))
    silent = replace(silent, connections=connections)
    result = outputs_of(inference_model(IntegerCircuit(silent)), silent, pixels_factory(silent, 2))
    assert result["scores"][:, -1].tolist() == [[-24, 12, 12]] * 2
    assert result["class"].tolist() == [7, 7]


def test_the_exported_folder_gives_scores_in_every_model(
    read_out: IntegerNetwork,
    pixels_factory: Callable[..., np.ndarray],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "onnx"
    write_onnx(read_out, out)
    check_files(out, read_out, pixels_factory(read_out, 4), REQUEST)
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "scores int32 (N, T, 3)" in text
    monkeypatch.chdir(out)
    for code in text.split("```python\n")[1:]:
        names: dict[str, np.ndarray] = {}
        exec(code.split("```")[0], names)
        if "scores" in names:
            blank = np.zeros((1, read_out.n_pixels), np.uint8)
            expected = interpreter.run(read_out, blank, RunRequest(64))
            assert expected.scores is not None
            np.testing.assert_array_equal(names["scores"], expected.scores[:, -1])
    wanted = interpreter.run(read_out, np.load("check.npz")["pixels"], RunRequest(12, 1))
    np.testing.assert_array_equal(np.load("check.npz")["scores"], wanted.scores)


@pytest.mark.parametrize("name", ["step.onnx", "inference.onnx"])
def test_one_altered_weight_of_the_read_out_is_found(
    network: IntegerNetwork,
    pixels_factory: Callable[..., np.ndarray],
    tmp_path: Path,
    name: str,
) -> None:
    read_out = with_read_out(network)
    write_onnx(read_out, tmp_path / "onnx")
    model = onnx.load(tmp_path / "onnx" / name)
    tensor = next(t for t in model.graph.initializer if tuple(t.dims) == (7, 3))
    array = numpy_helper.to_array(tensor).copy()
    array[:, 1] += 40
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, tmp_path / "onnx" / name)
    with pytest.raises(DivergedError, match=rf"{name} .*: scores differs first at image"):
        check_files(tmp_path / "onnx", read_out, pixels_factory(read_out, 4), REQUEST)


def test_a_convolution_is_stored_as_its_kernel(
    network_factory: Callable[..., IntegerNetwork], pixels_factory: Callable[..., np.ndarray]
) -> None:
    """A circuit whose three kinds of weights are shared: no matrix is in the model."""
    network = with_shared_weights(network_factory)
    assert network.is_circuit
    model = step_model(IntegerCircuit(network))
    sizes = [int(np.prod(tensor.dims)) for tensor in model.graph.initializer]
    assert 27 * 64 not in sizes
    assert 27 * 27 not in sizes
    pixels = pixels_factory(network, 5)
    expected = interpreter.run(network, pixels, REQUEST)
    assert expected.counts_sum.any()
    result = backend.run(network, pixels, REQUEST)
    for name, want in expected.arrays().items():
        np.testing.assert_array_equal(result.arrays()[name], want, err_msg=name, strict=True)
