"""The reference: one neuron by hand, independence of batch and chunk, limits, and its checks."""

from collections.abc import Callable

import numpy as np
import pytest
from circuits import circuit, replace

from ipvae_snn.errors import BackendError, DataError
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.trace import SATURATIONS, RunRequest
from ipvae_snn.ir.weights import Dense


def by_hand() -> IntegerNetwork:
    """Two neurons, two pixels; every constant chosen so that the sums can be done on paper."""
    return circuit(
        input=InputCode((1, 2), "unit", 1 / 255, 10),
        feedforward=Synapses.dense(
            np.array([[1, 2], [-3, 0]], np.int8),
            np.array([16384, 16384], np.int32),
            np.array([14, 13], np.int32),
        ),
        lateral=Synapses.dense(
            np.array([[0, -5], [-7, 0]], np.int8),
            np.array([16384, 16384], np.int32),
            np.array([4, 15], np.int32),
        ),
        neurons=PoissonNeurons(
            bias=np.array([100, -50], np.int32),
            self_inhibition=np.array([300, 200], np.int32),
            initial_state=np.array([0, 4096], np.int32),
            fraction_bits=12,
            extra_bits=1,
            state_min=-40000,
            state_max=20000,
            update_min=-6000,
            excitation_max=5000,
            max_count=9,
        ),
        decoder=Decoder.dense(
            np.array([[2, 1], [0, -4]], np.int16), np.array([0.5, 0.25], np.float32)
        ),
    )


def two_layer_by_hand() -> IntegerNetwork:
    """The same neurons with residual neurons: predictions are A and A / 2, rounded half up."""
    prediction = Synapses.dense(
        np.array([[3, 1], [0, 2]], np.int8),
        np.array([16384, 16384], np.int32),
        np.array([14, 15], np.int32),
    )
    base, loop = by_hand(), np.array([250, 200], np.int32)
    neurons = replace(base.neurons, self_inhibition=np.array([50, 0], np.int32))
    return replace(base, lateral=None, residual=Residual(prediction, 20, loop), neurons=neurons)


def test_held_current_by_hand() -> None:
    """q = (10, -10): A = (-10, -30). x1 + 100 = 90; -30 * 2 - 50 = -110."""
    pixels = np.array([[20, 0]], np.uint8)
    assert circuit_steps.held(by_hand(), pixels).tolist() == [[90, -110]]


def test_integrate_by_hand() -> None:
    """Counts (1, 3), I = (90, -110), E = 1.

    L = (-15, -7). S = (-15 * 1024, (-7 + 1) >> 1 = -3). d = (90 - 15360 - 300 = -15570, clipped
    to -12000 -> -6000), (-110 - 3 - 600 = -713 -> (-713 + 1) >> 1 = -356). One inhibition clips.
    """
    result, saturated = circuit_steps.integrate(
        by_hand(), np.array([[0, 4096]]), np.array([[90, -110]]), np.array([[1, 3]])
    )
    assert result.tolist() == [[-6000, 4096 - 356]]
    assert saturated.tolist() == [[0, 0, 1, 0, 0]]


def test_excitation_is_bounded_apart_from_self_inhibition_by_hand() -> None:
    """Counts (4, 2), I = 8,000,000, E = 1: both totals lie far above.

    They stop at 2 x 5000 - 4 x 300 = 8800 -> 4400 and 2 x 5000 - 2 x 200 = 9600 -> 4800: however
    much the others send, a neuron's own spikes take from its potential. Then a count at its
    largest, 9: 10000 - 2700 = 7300 -> 3650; and 16000 + 4800 passes state_max.
    """
    held, zeros = np.array([[8_000_000, 8_000_000]]), np.zeros((1, 2), np.int64)
    result, saturated = circuit_steps.integrate(by_hand(), zeros, held, np.array([[4, 2]]))
    assert result.tolist() == [[4400, 4800]]
    assert saturated.tolist() == [[0, 2, 0, 0, 0]]
    state = np.array([[0, 16000]])
    result, saturated = circuit_steps.integrate(by_hand(), state, held, np.array([[9, 2]]))
    assert result.tolist() == [[3650, 20000]]
    assert saturated.tolist() == [[1, 2, 0, 1, 0]]


def test_a_two_layer_step_by_hand() -> None:
    """q = (10, -10), counts (1, 3): A = (3 + 3, 6), predictions (6, (6 + 1) >> 1 = 3).

    e = (4, -13). Feed-forward sums (4 - 26, -12), scaled by 1 and 2: d = (-22 + 100 - 50,
    -24 - 50), without clamps (28 + 1) >> 1 = 14 and (-74 + 1) >> 1 = -37. The loop's share of the
    inhibition is not taken again.
    """
    network, counts = two_layer_by_hand(), np.array([[1, 3]])
    held = circuit_steps.held(network, np.array([[20, 0]], np.uint8))
    assert held.tolist() == [[10, -10]]
    error, cut = circuit_steps.residual(network, held, counts)
    assert (error.tolist(), cut.tolist()) == ([[4, -13]], [0])
    result, saturated = circuit_steps.integrate(network, np.array([[0, 4096]]), held, counts)
    assert result.tolist() == [[14, 4096 - 37]]
    assert saturated.tolist() == [[0, 0, 0, 0, 0]]


def test_a_residual_saturates_by_hand() -> None:
    """q = (245, -10): e = (239, -13) stops at (20, -13).

    d = (20 - 26 + 100 - 50, -120 - 50) = (44, -170): (44 + 1) >> 1 = 22 and -169 >> 1 = -85.
    """
    network, counts = two_layer_by_hand(), np.array([[1, 3]])
    held = circuit_steps.held(network, np.array([[255, 0]], np.uint8))
    result, saturated = circuit_steps.integrate(network, np.zeros((1, 2), np.int64), held, counts)
    assert result.tolist() == [[22, -85]]
    assert saturated.tolist() == [[0, 0, 0, 0, 1]]


def test_a_two_layer_neuron_stops_where_a_one_layer_one_does_by_hand() -> None:
    """Weights 127, shifts 1, so that e = 20 gives 20 x 127 x 8192 = 20,807,680, above 10000.

    Counts (2, 0): 10000 - 2 x 300 = 9400 -> 4700, 10000 -> 5000: the neuron's own inhibition is
    its self-inhibition, 50, and the loop's, 250.
    """
    network = two_layer_by_hand()
    strong = replace(
        network.feedforward,
        weights=Dense(np.array([[127, 0], [127, 0]], np.int8)),
        shift=np.array([7, 7], np.int32),
    )
    network = replace(network, feedforward=strong)
    held = circuit_steps.held(network, np.array([[255, 0]], np.uint8))
    zeros = np.zeros((1, 2), np.int64)
    result, saturated = circuit_steps.integrate(network, zeros, held, np.array([[2, 0]]))
    assert result.tolist() == [[4700, 5000]]
    assert saturated.tolist() == [[0, 2, 0, 0, 1]]


def test_a_two_layer_run_by_hand() -> None:
    """The counts of step 0 are the golden uniforms', (1, 2): they do not depend on the circuit.

    A = (5, 4), predictions (5, 2), e = (5, -12): d = (5 - 24 + 100 - 50, -30 - 50) = (31, -80).
    """
    pixels = np.array([[20, 0]], np.uint8)
    trace = interpreter.run(two_layer_by_hand(), pixels, RunRequest(1, 0, trace=True))
    assert trace.counts is not None
    assert trace.saturated is not None
    assert trace.counts.tolist() == [[[1, 2]]]
    assert trace.state.tolist() == [[16, 4096 - 40]]
    assert trace.saturated.tolist() == [[[0, 0, 0, 0, 0]]]


def test_a_one_layer_circuit_has_no_residual() -> None:
    zeros = np.zeros((1, 2), np.int64)
    with pytest.raises(
        BackendError, match=r"^interpreter: a one-layer circuit has no residual neurons$"
    ):
        circuit_steps.residual(by_hand(), zeros, zeros)


def test_first_counts_are_the_golden_uniforms() -> None:
    """Seed 0, image 0, step 0: U = (0x359000AC, 0x4CDD277F) = (.4185, .6005).

    Rate 1: CDF_0 = .3679 <= .4184 < .7358: count 1. Rate 2: .1353, .4060 <= .6005 < .6767: 2.
    """
    trace = interpreter.run(by_hand(), np.array([[20, 0]], np.uint8), RunRequest(1, 0, trace=True))
    assert trace.counts is not None
    assert trace.counts.tolist() == [[[1, 2]]]
    # d = (90 - 10240 - 300, clipped to -12000: -10450 >> 1), (-110 + ((-7 + 1) >> 1) - 400)
    assert trace.state.tolist() == [[-5225, 4096 - 256]]
    # Reconstruction: (2 * 1 + 1 * 2) / 2, -4 * 2 / 4.
    assert trace.reconstruction.tolist() == [[2.0, -2.0]]


def test_update_clamps_at_both_ends() -> None:
    """A large drive moves by excitation_max and stops at state_max; likewise downwards."""
    network = by_hand()
    for sign, bound, move in ((1, 20000, 5000), (-1, -40000, -6000)):
        current = np.array([[sign * 8_000_000] * 2])
        zeros = np.zeros((1, 2), np.int64)
        once, _ = circuit_steps.integrate(network, zeros, current, zeros)
        assert once.tolist() == [[move, move]]
        state = zeros
        for _ in range(20):
            state, _ = circuit_steps.integrate(network, state, current, zeros)
        assert state.tolist() == [[bound, bound]]


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_results_do_not_depend_on_batch_or_chunk(
    circuit: str,
    request: pytest.FixtureRequest,
    pixels_factory: Callable[..., np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An image alone, in a batch, or in another chunk gives the same counts."""
    network = request.getfixturevalue(circuit)
    pixels = pixels_factory(network, 7)
    whole = interpreter.run(network, pixels, RunRequest(9, 5, 100, trace=True))
    monkeypatch.setattr(interpreter, "CHUNK", 2)
    chunked = interpreter.run(network, pixels, RunRequest(9, 5, 100, trace=True))
    alone = interpreter.run(network, pixels[4:5], RunRequest(9, 5, 104, trace=True))
    for name, value in whole.arrays().items():
        np.testing.assert_array_equal(value, chunked.arrays()[name])
        np.testing.assert_array_equal(value[4:5], alone.arrays()[name])


def test_a_longer_run_begins_like_a_shorter_one(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """T changes nothing before T, and the sums are those of the trace."""
    pixels = pixels_factory(network, 3)
    long = interpreter.run(network, pixels, RunRequest(12, 1, trace=True))
    short = interpreter.run(network, pixels, RunRequest(5, 1, trace=True))
    assert long.counts is not None
    assert long.states is not None
    np.testing.assert_array_equal(long.counts[:, :5], short.counts)
    np.testing.assert_array_equal(long.states[:, 4], short.state)
    np.testing.assert_array_equal(long.counts.sum(axis=1), long.counts_sum)
    np.testing.assert_array_equal(long.counts.sum(axis=2), long.spikes_per_step)


@pytest.mark.parametrize(
    ("factory", "kinds"), [("network_factory", SATURATIONS[:4]), ("two_layer_factory", SATURATIONS)]
)
def test_random_networks_are_lively(
    factory: str, kinds: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    """The shared fixtures reach several parts, saturation and both clamps: tests rest on it."""
    rates, saturated = 0.0, np.zeros(5, np.int64)
    for seed in range(8):
        network = request.getfixturevalue(factory)(seed=seed)
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 12)).astype(np.uint8)
        trace = interpreter.run(network, pixels, RunRequest(20, seed, trace=True))
        assert trace.counts is not None
        assert trace.states is not None
        rates = max(rates, 2.0 ** (trace.states.max() / 4096))
        assert trace.saturated is not None
        saturated += trace.saturated.sum(axis=(0, 1))
        full = (trace.counts == network.neurons.max_count).sum(axis=2)
        np.testing.assert_array_equal(trace.saturated[:, :, 0], full)
    assert rates > 32
    reached = tuple(kind for kind, n in zip(SATURATIONS, saturated, strict=True) if n)
    assert reached == kinds


@pytest.mark.parametrize(
    ("pixels", "request_", "message"),
    [
        (
            np.zeros((1, 3), np.uint8),
            RunRequest(1),
            r"uint8 images of 1x2 as \(N, 2\), or \(N, frames, 2\), not uint8",
        ),
        (np.zeros((1, 2), np.float32), RunRequest(1), r"not float32\(1, 2\)"),
        (np.zeros((1, 2), np.uint8), RunRequest(0), "steps 0 are not in 1..1048576"),
        (np.zeros((1, 2), np.uint8), RunRequest(1, -1), "seed -1 is not in 0..4294967295"),
        (np.zeros((0, 2), np.uint8), RunRequest(1), "there are no images to run; give one or more"),
        (np.zeros((2, 2), np.uint8), RunRequest(1, 0, 2**32 - 1), "images 4294967295..4294967296"),
    ],
)
def test_wrong_requests_are_refused(pixels: np.ndarray, request_: RunRequest, message: str) -> None:
    """Every back end does these checks through check_request."""
    with pytest.raises(DataError, match=message):
        interpreter.run(by_hand(), pixels, request_)


def test_extra_bits_of_zero_need_no_rounding() -> None:
    """E = 0: the total is the update."""
    network = by_hand()
    network = replace(network, neurons=replace(network.neurons, extra_bits=0))
    zeros = np.zeros((1, 2), np.int64)
    result, _ = circuit_steps.integrate(network, zeros, np.array([[7, -7]]), zeros)
    assert result.tolist() == [[7, -7]]
