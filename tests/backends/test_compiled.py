"""The compiled back end equals the reference for any division of the work."""

from collections.abc import Callable

import numpy as np
import pytest
from circuits import replace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipvae_snn.backends import compiled
from ipvae_snn.backends.compiled import advance, prepare, start
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.back_ends import load_backend
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.prng import MAX_SEED
from ipvae_snn.ir.trace import RunRequest

Make = Callable[..., IntegerNetwork]
Pixels = Callable[..., np.ndarray]


def two_layer(network: IntegerNetwork, seed: int, limit: int) -> IntegerNetwork:
    """Return the two-layer circuit of the same sizes with random predictions."""
    rng = np.random.default_rng(seed)
    m, k = network.n_pixels, network.n_neurons
    prediction = Synapses.dense(
        rng.integers(-127, 128, (m, k)).astype(np.int8),
        rng.integers(1 << 13, 1 << 15, m).astype(np.int32),
        rng.integers(14, 18, m).astype(np.int32),
    )
    loop = rng.integers(0, 9000, k).astype(np.int32)
    return replace(network, lateral=None, residual=Residual(prediction, limit, loop))


@given(
    seed=st.integers(0, 50),
    neurons=st.integers(1, 33),
    bits=st.integers(0, 6),
    octaves=st.floats(2, 9),
    count=st.integers(1, 600),
    key=st.integers(0, MAX_SEED),
    limit=st.integers(0, 300),
)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_equal_to_the_interpreter(
    network_factory: Make,
    pixels_factory: Pixels,
    seed: int,
    neurons: int,
    bits: int,
    octaves: float,
    count: int,
    key: int,
    limit: int,
) -> None:
    """Both circuits, any size, many parts, saturating counts and potentials; limit 0: one layer."""
    network = network_factory(seed, 3, 4, neurons, bits, count, rate_octaves=octaves)
    if limit:
        network = two_layer(network, seed, limit)
    pixels = pixels_factory(network, 3, seed)
    request = RunRequest(6, key, first_image=min(seed, MAX_SEED - 3), trace=True)
    wanted = interpreter.run(network, pixels, request)
    result = compiled.run(network, pixels, request)
    assert first_divergence(wanted, result) is None
    for name, array in wanted.arrays().items():
        assert array.dtype == result.arrays()[name].dtype, name


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_cuts_of_images_steps_and_threads_change_nothing(
    network_factory: Make, pixels_factory: Pixels, circuit: str
) -> None:
    """One call on one thread, against many small calls on three."""
    network = network_factory(4, neurons=19)
    network = network if circuit == "one-layer" else two_layer(network, 4, 200)
    pixels = pixels_factory(network, 7)
    whole = interpreter.run(network, pixels, RunRequest(9, 5, trace=True))
    prepared = prepare(network)
    progress = start(prepared, pixels, seed=5)
    counts, saturated = [], []
    for steps in (1, 5, 3):
        progress = advance(prepared, progress, steps, threads=3, trace=True)
        counts.append(progress.trace_counts)
        saturated.append(progress.saturated)
    assert whole.counts is not None
    np.testing.assert_array_equal(np.concatenate(counts, axis=1), whole.counts)
    np.testing.assert_array_equal(np.concatenate(saturated, axis=1), whole.saturated)
    np.testing.assert_array_equal(progress.state, whole.state)
    np.testing.assert_array_equal(progress.counts_sum, whole.counts_sum)
    np.testing.assert_array_equal(progress.counts, whole.counts[:, -1])
    part = advance(prepared, start(prepared, pixels[3:5], 5, first_image=3), 9)
    np.testing.assert_array_equal(part.state, whole.state[3:5])


def test_it_is_registered() -> None:
    assert load_backend("compiled") is compiled.BACKEND
