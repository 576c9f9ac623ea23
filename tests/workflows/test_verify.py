"""Verification from Python: rows, the place of a divergence, and the default back ends."""

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn.cli import verify as command
from ipvae_snn.data import ImageSet
from ipvae_snn.data.sequences import Moving
from ipvae_snn.errors import BackendError, DivergedError
from ipvae_snn.ir import back_ends, interpreter
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import FromFunction
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

    load = back_ends.load_backend
    monkeypatch.setattr(
        back_ends,
        "load_backend",
        lambda name: FromFunction(broken) if name == "onnx" else load(name),
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


FRAMES, STEPS = 3, 4


@pytest.fixture
def sequences(network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]) -> Images:
    """Two sequences of three frames."""
    pixels = pixels_factory(network, 2 * FRAMES)
    floats = ImageSet("noise", "test", pixels.astype(np.float32), (4, 3), "standardised")
    return Images(floats, pixels.reshape(2, FRAMES, -1), 0)


def test_sequences_are_verified_in_every_step_of_every_frame(
    network: IntegerNetwork, sequences: Images
) -> None:
    backends = ["compiled", "torch", "onnx", "onnx-reference"]
    moving = Moving(FRAMES, "video")
    result = workflow.verify(network, sequences, RunRequest(STEPS), backends, moving=moving)
    result.require_equal()
    assert result.compared == 2 * FRAMES * STEPS * 7
    shown = result.as_json()
    assert (shown["sequences"], shown["frames"], shown["steps_per_frame"]) == (2, 3, 4)
    assert shown["motion"] == "video"


def test_a_divergence_of_sequences_names_its_frame(
    network: IntegerNetwork, sequences: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back end that forgets the potentials at the second frame."""

    def forgetful(integer: IntegerNetwork, pixels: np.ndarray, request: RunRequest) -> Trace:
        trace, alone = (interpreter.run(integer, p, request) for p in (pixels, pixels[:, 1]))
        assert trace.states is not None
        assert alone.states is not None
        trace.states[:, STEPS : 2 * STEPS] = alone.states
        return trace

    load = back_ends.load_backend
    monkeypatch.setattr(
        back_ends,
        "load_backend",
        lambda name: FromFunction(forgetful) if name == "onnx" else load(name),
    )
    moving = Moving(FRAMES, "video")
    result = workflow.verify(network, sequences, RunRequest(STEPS), ["onnx"], moving=moving)
    with pytest.raises(DivergedError, match="states differs first at image 0, frame 1, step 4, n"):
        result.require_equal()


@pytest.mark.slow
def test_lava_runs_sequences_as_the_reference_does(
    network: IntegerNetwork, sequences: Images, lava_python: Path
) -> None:
    moving = Moving(FRAMES, "video")
    backends = ["lava", "lava-fused"]
    workflow.verify(network, sequences, RunRequest(STEPS), backends, moving=moving).require_equal()
