"""A start on every back end: equal to the reference, or refused in one line."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hand_made import chain, with_read_out
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from started import started, with_start

from ipvae_snn.arrays import UInt8
from ipvae_snn.backends import compiled, torch_module, triton_circuit
from ipvae_snn.backends.torch_module import IntegerTorch
from ipvae_snn.errors import BackendError
from ipvae_snn.export.onnx import backend
from ipvae_snn.frameworks.layers import IntegerLayer
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.stop import Stop, change_of
from ipvae_snn.ir.trace import RunRequest, Trace

Run = Callable[[IntegerNetwork, UInt8, RunRequest], Trace]
EQUAL: dict[str, Run] = {
    "compiled": compiled.run,
    "torch": torch_module.run,
    "onnx": backend.run,
    "onnx-reference": backend.run_reference,
}


def images(network: IntegerNetwork, shape: tuple[int, ...], seed: int) -> UInt8:
    """Return random images (*shape, M)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*shape, network.n_pixels)).astype(np.uint8)


@pytest.mark.parametrize("back_end", EQUAL)
@pytest.mark.parametrize("circuit", ["network", "two_layer"])
@pytest.mark.parametrize("shape", [(3,), (2, 2)])
def test_circuits(
    back_end: str, circuit: str, shape: tuple[int, ...], request: pytest.FixtureRequest
) -> None:
    """Both circuits, still and moving images; the start changes what follows."""
    plain: IntegerNetwork = request.getfixturevalue(circuit)
    network = with_start(plain)
    pixels, asked = images(network, shape, 3), RunRequest(4, 2, 5, trace=True)
    expected = interpreter.run(network, pixels, asked)
    assert first_divergence(expected, EQUAL[back_end](network, pixels, asked)) is None
    assert first_divergence(expected, interpreter.run(plain, pixels, asked)) is not None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=started(), seed=st.integers(0, 2**32 - 1), shape=st.sampled_from(((3,), (2, 2))))
def test_any_graph_in_compiled_code_and_torch(
    network: IntegerNetwork, seed: int, shape: tuple[int, ...]
) -> None:
    pixels, request = images(network, shape, seed), RunRequest(3, seed, trace=True)
    expected = interpreter.run(network, pixels, request)
    for run in (compiled.run, torch_module.run):
        assert first_divergence(expected, run(network, pixels, request)) is None


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(network=started(), seed=st.integers(0, 2**32 - 1))
def test_any_graph_in_onnx(network: IntegerNetwork, seed: int) -> None:
    pixels, request = images(network, (2,), seed), RunRequest(3, seed, trace=True)
    expected = interpreter.run(network, pixels, request)
    assert first_divergence(expected, backend.run(network, pixels, request)) is None


def test_with_a_read_out_and_threads(network: IntegerNetwork) -> None:
    read = with_start(with_read_out(network))
    pixels, request = images(read, (130,), 1), RunRequest(3, 1)
    expected = interpreter.run(read, pixels, request)
    for threads in (1, 3):
        assert first_divergence(expected, compiled.run(read, pixels, request, threads)) is None


@pytest.mark.parametrize("make", [chain, None])
def test_a_stop_sees_the_change_from_the_start(
    make: Callable[[], IntegerNetwork] | None, network: IntegerNetwork
) -> None:
    """Of the first step: from the first potentials, by the least change that ends some images."""
    started = with_start(network if make is None else make())
    pixels = images(started, (6,), 2)
    whole = interpreter.run(started, pixels, RunRequest(4, 1, trace=True))
    assert whole.counts is not None
    assert whole.states is not None
    states = interpreter.appear(started, pixels)
    before = np.concatenate([states[one.name] for one in started.computing], axis=1)
    change = change_of(before, whole.states[:, 0], whole.counts[:, 0])
    means = change.total / np.maximum(change.senders, 1)
    stop = Stop(int(np.median(means[change.senders > 0])) + 1)
    request = RunRequest(4, 1, stop=stop)
    expected = interpreter.run(started, pixels, request)
    assert expected.steps_taken is not None
    assert ((expected.steps_taken == 1) == stop.done(1, change)).all()
    assert len(set(expected.steps_taken.tolist())) > 1
    for run in (compiled.run, torch_module.run, backend.run):
        assert first_divergence(expected, run(started, pixels, request)) is None


def test_a_run_that_goes_on_does_not_start_again(network: IntegerNetwork) -> None:
    started = with_start(network)
    prepared, pixels = compiled.prepare(started), images(started, (3,), 4)
    before = compiled.start(prepared, pixels, 6)
    parts = compiled.advance(prepared, compiled.advance(prepared, before, 2), 3)
    whole = interpreter.run(started, pixels, RunRequest(5, 6))
    np.testing.assert_array_equal(parts.state, whole.state)


def test_triton_in_its_interpreter(network: IntegerNetwork) -> None:
    """Where it is installed and interprets; tests/backends/test_triton.py says how it is run."""
    started = with_start(network)
    if triton_circuit.advice():
        with pytest.raises(BackendError, match="triton: "):
            triton_circuit.run(started, images(started, (2,), 1), RunRequest(2))
        return
    request = RunRequest(3, 1)
    expected = interpreter.run(started, images(started, (2,), 1), request)
    result = triton_circuit.run(started, images(started, (2,), 1), request)
    assert first_divergence(expected, result) is None


def test_layers_say_that_they_cannot_start(network: IntegerNetwork) -> None:
    """A layer also where a state dict brings a start."""
    started = with_start(network)
    with pytest.raises(BackendError, match=r"^the layers of snnTorch and Norse begin every image"):
        IntegerLayer(started)
    with pytest.raises(RuntimeError, match="neurons, one-layer, with a start, but the layer"):
        IntegerLayer(network).load_state_dict(
            {f"integer.{name}": one for name, one in IntegerTorch(started).state_dict().items()}
        )
    with torch.no_grad():
        module = IntegerTorch(started)
        module.load_state_dict(IntegerTorch(with_start(network, 9)).state_dict())
    assert (
        first_divergence(
            interpreter.run(with_start(network, 9), images(started, (2,), 1), RunRequest(2)),
            torch_module.run(module.network, images(started, (2,), 1), RunRequest(2)),
        )
        is None
    )
