"""Back ends stop images that are done where the reference does, by equality of all arrays."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from graphs import networks
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from variants import with_read_out, with_shared_weights

from ipvae_snn.arrays import UInt8
from ipvae_snn.backends import compiled, torch_module, triton_circuit
from ipvae_snn.errors import BackendError
from ipvae_snn.export.onnx import backend
from ipvae_snn.hw.lava import backend as lava
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.decoding import MAP, SAMPLE, Decoding
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.prng import MAX_SEED
from ipvae_snn.ir.stop import MAX_THRESHOLD, Stop, change_of, fraction_bits
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of, states_of

Run = Callable[[IntegerNetwork, UInt8, RunRequest], Trace]
Factory = Callable[..., IntegerNetwork]
FAST: dict[str, Run] = {
    "compiled": compiled.run,
    "torch": torch_module.run,
    "onnx": backend.run,
}
LAVA: dict[str, Run] = {"lava": lava.run, "lava-fused": lava.run_fused}
DECODINGS = (SAMPLE, MAP, Decoding("mean", 2), Decoding("mean", 5), Decoding("mean", 100))


def can_stop(network: IntegerNetwork) -> bool:
    """Return whether the changes of a network's potentials have a common unit."""
    try:
        return fraction_bits(network) > 0
    except BackendError:
        return False


# Graphs are drawn until one can stop, which most of them cannot: now and then that takes long.
UNLIKELY = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def changes(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> np.ndarray:
    """Return the mean change of every image and step (N, T), from a run of all steps."""
    whole = interpreter.run(network, pixels, replace(request, stop=None, trace=True))
    states, counts = states_of(whole), counts_of(whole)
    start = interpreter.initial(network, len(pixels))
    before = np.concatenate([start[one.name] for one in network.computing], axis=1)
    result = []
    for step in range(request.steps):
        change = change_of(before, states[:, step], counts[:, step])
        # Rounded down: at one unit more, the step is below the threshold.
        result.append(change.total // np.maximum(change.senders, 1))
        before = states[:, step]
    return np.stack(result, axis=1)


def assert_equal(run: Run, network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Compare all arrays of a run, and their types, with the reference's; return these."""
    expected = interpreter.run(network, pixels, request)
    result = run(network, pixels, request)
    assert first_divergence(expected, result) is None
    assert result.arrays().keys() == expected.arrays().keys()
    for name, want in expected.arrays().items():
        np.testing.assert_array_equal(result.arrays()[name], want, err_msg=name, strict=True)
    return expected


def drawn(data: st.DataObject) -> tuple[IntegerNetwork, UInt8, RunRequest]:
    """Draw a graph, images and a request: at a threshold that some step just meets, or at none."""
    network = data.draw(networks())
    assume(can_stop(network))
    seed, n = data.draw(st.integers(0, MAX_SEED)), data.draw(st.integers(1, 4))
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, network.n_pixels)).astype(np.uint8)
    request = RunRequest(6, seed, MAX_SEED - 3, data.draw(st.booleans()))
    seen = changes(network, pixels, request).ravel().tolist()
    threshold = data.draw(st.sampled_from([0, MAX_THRESHOLD, *(each + 1 for each in seen)]))
    stop = Stop(threshold, data.draw(st.integers(1, 7)))
    return network, pixels, replace(request, stop=stop)


@settings(max_examples=25, deadline=None, suppress_health_check=UNLIKELY)
@given(data=st.data())
def test_any_graph_stops_as_the_reference(data: st.DataObject) -> None:
    """The whole, and all images but the first."""
    network, pixels, request = drawn(data)
    later = replace(request, first_image=request.first_image + 1)
    for run in (compiled.run, torch_module.run):
        expected = assert_equal(run, network, pixels, request)
        rest = run(network, pixels[1:], later).arrays() if len(pixels) > 1 else {}
        for name, array in rest.items():
            np.testing.assert_array_equal(array, expected.arrays()[name][1:], err_msg=name)


@settings(max_examples=5, deadline=None, suppress_health_check=UNLIKELY)
@given(data=st.data())
def test_any_graph_in_onnx_is_cut_as_the_reference(data: st.DataObject) -> None:
    """A graph takes ONNX Runtime a third of a second to load."""
    assert_equal(backend.run, *drawn(data))


@pytest.mark.parametrize("decoding", DECODINGS, ids=str)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("read_out", [False, True])
def test_circuits_stop_at_different_steps(
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
    decoding: Decoding,
    layers: int,
    read_out: bool,
) -> None:
    """Compiled code has a loop for circuits without a read-out, and one for all graphs."""
    plain = (network if layers == 1 else two_layer).with_decoding(decoding)
    judged = with_read_out(plain) if read_out else plain
    pixels = np.random.default_rng(2).integers(0, 256, (67, plain.n_pixels)).astype(np.uint8)
    request = RunRequest(12, 5, trace=True)
    least = changes(judged, pixels[:9], request)[:, 1:].min(axis=1)
    request = replace(request, stop=Stop(int(np.median(least)) + 1, 2))
    # Loading a graph takes ONNX Runtime longer than all the rest; the host cuts all alike.
    names = tuple(FAST) if decoding == Decoding("mean", 5) else ("compiled", "torch")
    for name in names:
        expected = assert_equal(FAST[name], judged, pixels, request)
    assert expected.steps_taken is not None
    assert len(set(expected.steps_taken.tolist())) > 2
    untraced = replace(request, trace=False)
    for threads in (1, 2):
        result = compiled.run(judged, pixels, untraced, threads)
        assert first_divergence(expected, result) is None
        assert result.counts is None


def test_shared_weights_stop(network_factory: Factory) -> None:
    network = with_shared_weights(network_factory)
    pixels = np.random.default_rng(2).integers(0, 256, (5, network.n_pixels)).astype(np.uint8)
    request = RunRequest(8, 5, trace=True)
    least = changes(network, pixels, request)[:, 1:].min(axis=1)
    for run in FAST.values():
        assert_equal(run, network, pixels, replace(request, stop=Stop(int(np.median(least)) + 1)))


@pytest.mark.parametrize("name", LAVA)
def test_lava_drops_what_follows_a_stop(
    network: IntegerNetwork, two_layer: IntegerNetwork, name: str
) -> None:
    if find() is None:
        pytest.skip("no Lava environment here; make one by `ipvae-snn lava setup`")
    one = with_read_out(network if name == "lava" else two_layer)
    pixels = np.random.default_rng(2).integers(0, 256, (3, one.n_pixels)).astype(np.uint8)
    request = RunRequest(8, 5)
    least = changes(one, pixels, request)[:, 1:].min(axis=1)
    request = replace(request, stop=Stop(int(np.median(least)) + 1, 2))
    expected = assert_equal(LAVA[name], one, pixels, request)
    assert expected.steps_taken is not None
    assert expected.steps_taken.min() < 8


def test_a_stop_that_never_comes_changes_nothing_else(two_layer: IntegerNetwork) -> None:
    """Old requests give what they gave, without the number of steps."""
    pixels = np.random.default_rng(2).integers(0, 256, (3, two_layer.n_pixels)).astype(np.uint8)
    request = RunRequest(7, 5, trace=True)
    for run in (interpreter.run, *FAST.values()):
        plain = run(two_layer, pixels, request)
        never = run(two_layer, pixels, replace(request, stop=Stop(0)))
        assert plain.steps_taken is None
        assert never.steps_taken is not None
        assert never.steps_taken.tolist() == [7, 7, 7]
        for name, array in plain.arrays().items():
            np.testing.assert_array_equal(array, never.arrays()[name], err_msg=name, strict=True)


def test_no_runs_share_potentials(network: IntegerNetwork) -> None:
    """A session gives the same again: the compiled loop changes rows of its own run only."""
    pixels = np.random.default_rng(2).integers(0, 256, (3, network.n_pixels)).astype(np.uint8)
    session, request = network.prepare("compiled"), RunRequest(7, 5, stop=Stop(1 << 12))
    assert first_divergence(session.run(pixels, request), session.run(pixels, request)) is None


def test_triton_refuses_in_one_line(network: IntegerNetwork) -> None:
    pixels = np.zeros((1, network.n_pixels), np.uint8)
    with pytest.raises(BackendError, match=r"^the back end triton launches .*; use torch-cuda or"):
        triton_circuit.run(network, pixels, RunRequest(3, stop=Stop(1)))
