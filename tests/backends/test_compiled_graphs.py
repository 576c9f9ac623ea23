"""Any graph in compiled code equals the interpreter, bit for bit."""

import numpy as np
import pytest
from graphs import networks
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.backends import compiled, compiled_graph
from ipvae_snn.ir import IntegerNetwork, interpreter
from ipvae_snn.ir.trace import RunRequest, Trace


def check_equal(result: Trace, expected: Trace) -> None:
    """Compare every array that a trace holds."""
    assert result.arrays().keys() == expected.arrays().keys()
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(result.arrays()[name], array, name, strict=True)


@given(networks(), st.integers(0, 2**32 - 1), st.sampled_from((1, 2, 3)), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_any_graph_equals_the_interpreter(
    network: IntegerNetwork, seed: int, frames: int, threads: int
) -> None:
    """Still and moving images, any threads."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (4, frames, network.n_pixels)).astype(np.uint8)
    given_pixels = pixels[:, 0] if frames == 1 else pixels
    request = RunRequest(4, seed, first_image=7, trace=True)
    expected = interpreter.run(network, given_pixels, request)
    check_equal(compiled.run(network, given_pixels, request, threads), expected)


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_circuits_are_graphs_too(circuit: str, request: pytest.FixtureRequest) -> None:
    """The loop for graphs gives what the loop for circuits gives."""
    network: IntegerNetwork = request.getfixturevalue(circuit)
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (130, network.n_pixels)).astype(np.uint8)
    asked = RunRequest(9, 5, trace=True)
    expected = compiled.run(network, pixels, asked, 1)
    check_equal(compiled_graph.run(compiled_graph.prepare(network), pixels, asked, 2), expected)
