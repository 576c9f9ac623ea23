"""Back ends give the reference's arrays, by equality, for any graph that the rules allow."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from graphs import networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from variants import with_read_out, with_shared_weights

from ipvae_snn.arrays import UInt8
from ipvae_snn.backends import torch_module
from ipvae_snn.backends.torch_module import IntegerTorch
from ipvae_snn.backends.torch_sampler import Keys
from ipvae_snn.errors import ProgramError
from ipvae_snn.export.onnx import backend
from ipvae_snn.export.onnx.files import check_files, write_onnx
from ipvae_snn.frameworks.layers import IntegerLayer, first_keys
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.graph import Population
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import Accumulators
from ipvae_snn.ir.trace import RunRequest, Trace

NO_CIRCUIT = r"^the graph of .* is neither a one-layer nor a two-layer circuit$"
Run = Callable[[IntegerNetwork, UInt8, RunRequest], Trace]
Check = Callable[..., None]


def check_examples(examples: int) -> Callable[[Check], Check]:
    """Run a test on `examples` cases, however long one takes on a busy machine."""
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def assert_equal(run: Run, network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Compare all arrays of a run, and their types, with the reference's; return these."""
    expected = interpreter.run(network, pixels, request)
    result = run(network, pixels, request)
    assert result.arrays().keys() == expected.arrays().keys()
    for name, want in expected.arrays().items():
        have = result.arrays()[name]
        assert have.dtype == want.dtype, name
        np.testing.assert_array_equal(have, want, err_msg=name)
    return expected


def images(network: IntegerNetwork, shape: tuple[int, ...], seed: int) -> UInt8:
    """Return random images (*shape, M), of which some pixels carry nothing."""
    rng = np.random.default_rng(seed)
    whole = (*shape, network.n_pixels)
    pixels = rng.integers(0, 256, whole).astype(np.uint8)
    return np.where(rng.random(whole) < 0.2, np.uint8(network.input.zero_point), pixels)


@check_examples(60)
@given(
    network=networks(),
    shape=st.sampled_from(((1,), (3,), (2, 1), (2, 3))),
    seed=st.integers(0, 2**32 - 1),
    trace=st.booleans(),
)
def test_torch_runs_any_graph(
    network: IntegerNetwork, shape: tuple[int, ...], seed: int, trace: bool
) -> None:
    request = RunRequest(4, seed, 2**32 - 3, trace)
    assert_equal(torch_module.run, network, images(network, shape, seed), request)


@check_examples(20)
@given(network=networks(), seed=st.integers(0, 2**32 - 1))
def test_a_state_dict_holds_any_graph(network: IntegerNetwork, seed: int) -> None:
    other = replace(network, decoder=replace(network.decoder, scale=network.decoder.scale * 2))
    module = IntegerTorch(other)
    result = module.load_state_dict(IntegerTorch(network).state_dict())
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    module.half()
    assert (
        first_divergence(
            interpreter.run(network, images(network, (2,), seed), RunRequest(2, seed)),
            torch_module.run(module.network, images(network, (2,), seed), RunRequest(2, seed)),
        )
        is None
    )


@check_examples(10)
@given(network=networks())
def test_a_layer_is_of_a_circuit(network: IntegerNetwork) -> None:
    assert not network.is_circuit
    with pytest.raises(ProgramError, match=NO_CIRCUIT):
        IntegerLayer(network)
    with pytest.raises(ProgramError, match=NO_CIRCUIT):
        IntegerTorch(network).initial(1)


@pytest.mark.parametrize("variant", [with_shared_weights, lambda make: with_read_out(make())])
def test_a_layer_steps_through_shared_weights_and_beside_a_read_out(
    network_factory: Callable[..., IntegerNetwork],
    pixels_factory: Callable[..., UInt8],
    variant: Callable[..., IntegerNetwork],
) -> None:
    network = variant(network_factory)
    pixels = pixels_factory(network, 3)
    expected = interpreter.run(network, pixels, RunRequest(5, 9, trace=True))
    layer, keys = IntegerLayer(network), first_keys(torch.arange(3), 9)
    v = layer.initial(3)
    for step in range(5):
        at = Keys(keys.seed, keys.image, keys.step + step)
        counts, v = layer.advance(torch.tensor(pixels), v, at)
        assert expected.counts is not None
        np.testing.assert_array_equal(counts.numpy(), expected.counts[:, step])
    np.testing.assert_array_equal(v.numpy(), expected.state)


def test_a_graph_of_other_populations_is_refused(two_layer: IntegerNetwork) -> None:
    network = two_layer
    renamed = Population("neurons", network.neurons, (network.n_neurons, 1, 1))
    scores = Accumulators(np.zeros(2, np.int32), np.arange(2, dtype=np.int32))
    more = replace(
        network, populations=(renamed, *network.populations[1:], Population("s", scores))
    )
    message = (
        "the state dict holds a network of 12 pixels and 7 neurons, two-layer, 2 scores, but the "
        "layer was built for 12 pixels and 7 neurons, two-layer; build"
    )
    with pytest.raises(RuntimeError, match=message):
        IntegerTorch(network).load_state_dict(IntegerTorch(more).state_dict())


@check_examples(12)
@given(
    network=networks(),
    shape=st.sampled_from(((1,), (3,), (2, 2))),
    seed=st.integers(0, 2**32 - 1),
    trace=st.booleans(),
)
def test_onnx_runtime_runs_any_graph(
    network: IntegerNetwork, shape: tuple[int, ...], seed: int, trace: bool
) -> None:
    request = RunRequest(4, seed, 2**32 - 3, trace)
    assert_equal(backend.run, network, images(network, shape, seed), request)


@check_examples(8)
@given(network=networks(), seed=st.integers(0, 2**32 - 1), moving=st.booleans())
def test_the_reference_evaluator_runs_any_graph(
    network: IntegerNetwork, seed: int, moving: bool
) -> None:
    request = RunRequest(3, seed, trace=True)
    shape = (2, 2) if moving else (2,)
    assert_equal(backend.run_reference, network, images(network, shape, seed), request)


@check_examples(6)
@given(network=networks(), seed=st.integers(0, 2**32 - 1))
def test_the_exported_models_run_any_graph(network: IntegerNetwork, seed: int) -> None:
    """step.onnx, which a user runs step by step, and inference.onnx."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "models"
        write_onnx(network, out)
        check_files(out, network, images(network, (3,), seed), RunRequest(4, seed))


@pytest.mark.slow
@check_examples(1500)
@given(network=networks(), frames=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_torch_runs_many_graphs(network: IntegerNetwork, frames: int, seed: int) -> None:
    request = RunRequest(12, seed, trace=True)
    assert_equal(torch_module.run, network, images(network, (4, frames), seed), request)


@pytest.mark.slow
@check_examples(300)
@given(network=networks(), frames=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_onnx_runtime_runs_many_graphs(network: IntegerNetwork, frames: int, seed: int) -> None:
    request = RunRequest(12, seed, trace=True)
    assert_equal(backend.run, network, images(network, (4, frames), seed), request)


@pytest.mark.slow
@check_examples(60)
@given(network=networks(), frames=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_the_reference_evaluator_runs_many_graphs(
    network: IntegerNetwork, frames: int, seed: int
) -> None:
    request = RunRequest(6, seed, trace=True)
    assert_equal(backend.run_reference, network, images(network, (2, frames), seed), request)
