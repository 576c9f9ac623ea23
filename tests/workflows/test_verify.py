"""Verification from Python: rows, the place of a divergence, and the default back ends."""

import inspect
from collections.abc import Callable

import numpy as np
import pytest

from ipvae_snn.backends import registry
from ipvae_snn.cli import verify as command
from ipvae_snn.data import ImageSet
from ipvae_snn.errors import BackendError, DivergedError
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, Trace
from ipvae_snn.workflows import verify as workflow
from ipvae_snn.workflows.images import Images


@pytest.fixture
def images(network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]) -> Images:
    pixels = pixels_factory(network, 2)
    floats = pixels.astype(np.float32)
    return Images(ImageSet("noise", "test", floats, (4, 3), "standardised"), pixels, 0)


def test_equal_back_ends(network: IntegerNetwork, images: Images) -> None:
    seen: list[tuple[str, int, int]] = []
    result = workflow.verify(
        network,
        images,
        RunRequest(4, seed=1),
        ["reference", "compiled", "compiled"],
        lambda *new: seen.append(new),
    )
    assert [each.backend for each in result.backends] == ["reference", "compiled"]
    assert all(each.equal for each in result.backends)
    first, second = "reference: 2 images, 4 steps", "compiled: 2 images, 4 steps"
    steps = [(first, done, 8) for done in (2, 4, 6, 8)]
    assert seen == [(first, 0, 0), *steps, (second, 0, 0), (second, 2, 2)]
    assert result.compared == 2 * 4 * 7
    result.require_equal()
    shown = result.as_json()
    assert shown["network"] is None
    assert "divergence" not in shown["backends"][0]
    assert shown["backends"][1]["divergence"] is None


def test_a_divergence_is_data_first_and_an_error_when_asked(
    network: IntegerNetwork, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(integer: IntegerNetwork, pixels: np.ndarray, request: RunRequest) -> Trace:
        trace = interpreter.run(integer, pixels, request)
        assert trace.counts is not None
        trace.counts[1, 2, 3] += 1
        return trace

    load = registry.load_backend
    monkeypatch.setattr(
        registry, "load_backend", lambda name: broken if name == "onnx" else load(name)
    )
    result = workflow.verify(network, images, RunRequest(4), ["onnx"])
    assert [each.equal for each in result.backends] == [True, False]
    with pytest.raises(DivergedError, match="onnx: counts differs first at image 1, step 2, neuro"):
        result.require_equal()


def test_an_unknown_name_costs_no_run(network: IntegerNetwork, images: Images) -> None:
    seen: list[tuple[str, int, int]] = []
    with pytest.raises(BackendError, match="no back end is called 'loihi3'"):
        workflow.verify(network, images, RunRequest(4), ["loihi3"], lambda *new: seen.append(new))
    assert seen == []


def test_the_command_line_has_the_same_default() -> None:
    default = inspect.signature(command.verify).parameters["backends"].default
    assert tuple(default.split(",")) == workflow.BACKENDS
