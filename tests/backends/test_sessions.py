"""A session keeps what does not depend on images, and no run of it changes another."""

from collections.abc import Callable
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from ipvae_snn.backends import compiled, compiled_graph, torch_module
from ipvae_snn.errors import BackendError
from ipvae_snn.export.onnx import backend as onnx
from ipvae_snn.ir import back_ends, interpreter
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.session import FromFunction
from ipvae_snn.ir.trace import RunRequest

NAMES = ("reference", "compiled", "torch", "onnx", "onnx-reference")
REQUESTS = (RunRequest(4, 1), RunRequest(3, 2, 5, trace=True), RunRequest(4, 1))

Pixels = Callable[..., np.ndarray]


@pytest.mark.parametrize("name", NAMES)
def test_runs_of_one_session_are_those_of_new_ones(
    name: str, network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    """Other requests, other numbers of images and sequences in between leave no trace."""
    session = network.prepare(name)
    assert session.network is network
    shown = pixels_factory(network, 5)
    moving = np.stack([shown, shown[::-1]], axis=1)
    for pixels in (shown, moving, shown[:2]):
        for request in REQUESTS:
            expected = interpreter.run(network, pixels, request)
            result = session.run(pixels, request)
            assert first_divergence(expected, result) is None
            np.testing.assert_array_equal(result.reconstruction, expected.reconstruction)


def counted(function: Callable[..., object], seen: list[object]) -> Callable[..., object]:
    def call(*given: object, **named: object) -> object:
        seen.append(given)
        return function(*given, **named)

    return call


@pytest.mark.parametrize(
    ("name", "module", "function", "times"),
    [
        ("compiled", compiled, "prepare", 1),
        ("torch", torch_module, "IntegerTorch", 1),
        ("onnx", onnx, "runtime", 2),  # with and without a trace
    ],
)
def test_what_is_slow_is_done_once(
    name: str,
    module: object,
    function: str,
    times: int,
    network: IntegerNetwork,
    pixels_factory: Pixels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(module, function, counted(getattr(module, function), seen))
    session = network.prepare(name)
    for request in REQUESTS:
        session.run(pixels_factory(network, 3), request)
    assert len(seen) == times


def test_a_graph_is_prepared_once_too(
    network: IntegerNetwork, pixels_factory: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(compiled_graph, "prepare", counted(compiled_graph.prepare, seen))
    session = network.prepare()
    for request in REQUESTS:
        session.run(pixels_factory(network, 3)[:, None], request)
    assert len(seen) == 1


def test_a_back_end_may_be_given_as_an_object(
    network: IntegerNetwork, pixels_factory: Pixels
) -> None:
    pixels, request = pixels_factory(network, 2), RunRequest(3)
    session = network.prepare(FromFunction(interpreter.run))
    assert (
        first_divergence(interpreter.run(network, pixels, request), session.run(pixels, request))
        is None
    )


def test_an_entry_point_that_is_no_back_end_is_one_line(
    network: IntegerNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("theirs", "ipvae_snn.ir.interpreter:run", back_ends.GROUP)
    monkeypatch.setattr(back_ends, "registered", lambda: {"theirs": point})
    with pytest.raises(
        BackendError, match=r"^the back end 'theirs' \(ipvae_snn.ir.interpreter:run\) h"
    ):
        network.prepare("theirs")
