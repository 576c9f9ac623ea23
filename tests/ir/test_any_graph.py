"""Networks beyond the circuits: neurons by hand, and what holds for every graph."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import networks
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.errors import DataError, ProgramError
from ipvae_snn.ir import (
    Accumulators,
    Connection,
    Decoder,
    Dense,
    InputCode,
    IntegerNetwork,
    LcaNeurons,
    Population,
    Synapses,
    interpreter,
)
from ipvae_snn.ir.decoding import Decoding
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.trace import RunRequest, counts_of


def plain(matrix: list[list[int]]) -> Synapses:
    """Return synapses that scale by 1."""
    n = len(matrix)
    return Synapses.dense(np.array(matrix, np.int8), np.full(n, 2, np.int32), np.ones(n, np.int32))


def lca_by_hand() -> IntegerNetwork:
    """Return two LCA neurons that inhibit each other, and two scores."""
    neurons = LcaNeurons(
        threshold=np.array([10, 20], np.int32),
        leak_shift=1,
        payload_shift=2,
        max_payload=6,
        state_max=90,
    )
    scores = Accumulators(np.array([1, -2], np.int32), np.array([7, 3], np.int32))
    return IntegerNetwork(
        input=InputCode((1, 2), "unit", 1 / 255, 0),
        populations=(Population("cells", neurons), Population("scores", scores)),
        connections=(
            Connection("up", IMAGE, "cells", plain([[1, 0], [1, 2]])),
            Connection("across", "cells", "cells", plain([[0, -3], [-5, 0]])),
            Connection("out", "cells", "scores", plain([[1, 4], [-2, 0]])),
        ),
        decoder=Decoder.dense(
            np.array([[1, 0], [2, 3]], np.int16), np.array([0.5, 1.0], np.float32), "cells"
        ),
    )


def test_lca_neurons_and_accumulators_by_hand() -> None:
    """Pixels 40, 50: the sums of the image are 40 and 140.

    Step 0: v = 0, 0; a = 0, 0; v = 20, 70. Scores 1, -2.
    Step 1: a = 10 >> 2 = 2, 50 >> 2 = 12 -> 6; totals 40 - 18 = 22, 140 - 10 = 130;
    v = 20 + ((2 + 1) >> 1) = 21, 70 + ((60 + 1) >> 1) = 100 -> 90. Scores 1 + 2 + 24 + 1 = 28,
    -2 - 4 - 2 = -8.
    Step 2: a = 11 >> 2 = 2, 70 >> 2 = 17 -> 6; v = 21 + ((1 + 1) >> 1) = 22,
    90 + ((40 + 1) >> 1) = 110 -> 90. Scores 28 + 26 + 1 = 55, -8 - 4 - 2 = -14.
    """
    trace = interpreter.run(
        lca_by_hand(), np.array([[40, 50]], np.uint8), RunRequest(3, trace=True)
    )
    assert trace.counts is not None
    assert trace.states is not None
    assert trace.scores is not None
    assert trace.saturated is not None
    assert trace.counts.tolist() == [[[0, 0], [2, 6], [2, 6]]]
    assert trace.states.tolist() == [[[20, 70], [21, 90], [22, 90]]]
    assert trace.scores.tolist() == [[[1, -2], [28, -8], [55, -14]]]
    assert trace.saturated[0].tolist() == [[0, 0, 0, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 1, 0]]
    assert trace.reconstruction.tolist() == [[1.0, 22.0]]
    assert trace.spikes_per_step.tolist() == [[0, 8, 8]]
    assert lca_by_hand().labels.tolist() == [7, 3]


def test_scores_stay_within_24_bits() -> None:
    """What would leave them is clipped, and counted as a potential."""
    network = lca_by_hand()
    scores = Accumulators(np.array([(1 << 23) - 2, 0], np.int32), np.array([0, 1], np.int32))
    network = replace(network, populations=(network.populations[0], Population("scores", scores)))
    trace = interpreter.run(network, np.zeros((1, 2), np.uint8), RunRequest(2))
    assert trace.scores is not None
    assert trace.saturated is not None
    assert trace.scores[0, :, 0].tolist() == [(1 << 23) - 2, (1 << 23) - 1]
    assert trace.saturated[0, :, 3].tolist() == [0, 1]


def test_moving_images_keep_the_state() -> None:
    """The second frame starts from where the first one ended; each has its reconstruction."""
    frames = np.array([[[40, 50], [0, 0]]], np.uint8)
    trace = interpreter.run(lca_by_hand(), frames, RunRequest(2, trace=True))
    assert trace.states is not None
    # Step 2 is shown 0, 0: totals -18, -10; v = 21 + ((-39 + 1) >> 1), 90 + ((-100 + 1) >> 1).
    assert trace.states[0].tolist()[:3] == [[20, 70], [21, 90], [2, 40]]
    assert trace.reconstruction.shape == (1, 2, 2)
    still = interpreter.run(lca_by_hand(), frames[:, 0], RunRequest(2))
    np.testing.assert_array_equal(trace.reconstruction[:, 0], still.reconstruction)


@given(networks(), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_a_still_sequence_is_a_longer_run(network: IntegerNetwork, seed: int) -> None:
    """Showing the same frame three times equals showing it for three times as many steps.

    But a mean is that of a frame's own steps.
    """
    if network.decoder.decoding.kind == "mean":
        network = network.with_decoding(Decoding("mean", 2))
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (2, network.n_pixels)).astype(np.uint8)
    moving = interpreter.run(
        network, np.repeat(pixels[:, None], 3, axis=1), RunRequest(2, seed, trace=True)
    )
    still = interpreter.run(network, pixels, RunRequest(6, seed, trace=True))
    for name, value in still.arrays().items():
        if name != "reconstruction":
            np.testing.assert_array_equal(value, moving.arrays()[name], strict=True)
    np.testing.assert_array_equal(still.reconstruction, moving.reconstruction[:, -1])


@given(networks())
@settings(max_examples=40, deadline=None)
def test_results_have_the_sizes_that_the_network_names(network: IntegerNetwork) -> None:
    pixels = np.zeros((2, network.n_pixels), np.uint8)
    trace = interpreter.run(network, pixels, RunRequest(3))
    assert trace.counts_sum.shape == (2, network.n_neurons)
    assert trace.reconstruction.shape == (2, network.n_pixels)
    assert (trace.scores is None) == (network.n_scores == 0)
    if trace.scores is not None:
        assert trace.scores.shape == (2, 3, network.n_scores)


def test_uniforms_go_on_from_one_population_to_the_next(network: IntegerNetwork) -> None:
    """Two equal populations draw from different uniforms: those of one of twice the size."""
    one, other = network.populations[0], replace(network.populations[0], name="others")
    up, across = network.connections
    both = replace(
        network,
        populations=(one, other),
        connections=(
            up,
            across,
            replace(up, name="up2", target="others"),
            replace(across, name="across2", source="others", target="others"),
        ),
    )
    pixels = np.full((3, network.n_pixels), 120, np.uint8)
    seen = {
        name: counts_of(interpreter.run(net, pixels, RunRequest(5, 3, trace=True)))
        for name, net in (("one", network), ("both", both))
    }
    np.testing.assert_array_equal(seen["both"][:, :, :7], seen["one"])
    assert not np.array_equal(seen["both"][:, :, 7:], seen["one"])
    assert both.drawn() == {"neurons": 0, "others": 7}


FAULTS = (
    ({"threshold": np.array([-1, 1], np.int32)}, r"thresholds -1\.\.1 leave 0\.\.8388607"),
    ({"threshold": np.array([1, 1], np.int64)}, "threshold is int64"),
    ({"leak_shift": 0}, r"leak shift 0 is not in 1\.\.15"),
    ({"payload_shift": 21}, r"payload shift 21 is not in 0\.\.20"),
    ({"max_payload": 1 << 15}, r"largest payload 32768 is not in 1\.\.32767"),
    ({"state_max": 1 << 23}, r"largest state 8388608 is not in 1\.\.8388607"),
)


@pytest.mark.parametrize(("change", "message"), FAULTS)
def test_impossible_lca_neurons(change: dict[str, object], message: str) -> None:
    neurons = lca_by_hand().populations[0].neurons
    with pytest.raises(ProgramError, match=message):
        replace(neurons, **change)  # type: ignore[type-var]  # neurons are dataclasses


def test_impossible_accumulators_and_decoders() -> None:
    network = lca_by_hand()
    with pytest.raises(ProgramError, match="two accumulators have the same label"):
        Accumulators(np.zeros(2, np.int32), np.zeros(2, np.int32))
    with pytest.raises(ProgramError, match="label has 1 values for 2 accumulators"):
        Accumulators(np.zeros(2, np.int32), np.zeros(1, np.int32))
    with pytest.raises(ProgramError, match="accumulator biases leave"):
        Accumulators(np.full(1, 1 << 23, np.int32), np.zeros(1, np.int32))
    with pytest.raises(ProgramError, match="the decoder reads 'scores', but only cells compute"):
        replace(network, decoder=replace(network.decoder, source="scores"))
    wrong = Decoder(Dense(np.ones((2, 3), np.int16)), np.ones(2, np.float32), "cells")
    with pytest.raises(ProgramError, match="decoder weights are 2x3, but M=2, K=2 need 2x2"):
        replace(network, decoder=wrong)
    with pytest.raises(ProgramError, match="weights are int16, but those of synapses must be int8"):
        Synapses(Dense(np.ones((1, 1), np.int16)), np.ones(1, np.int32), np.ones(1, np.int32))
    with pytest.raises(ProgramError, match=r"'x' has 2 neurons, but the grid \(1, 2, 3\)"):
        Population("x", network.populations[0].neurons, (1, 2, 3))


def test_too_many_steps_of_frames_are_refused() -> None:
    with pytest.raises(DataError, match="2000000 steps, but at most 1048576 are possible"):
        interpreter.run(lca_by_hand(), np.zeros((1, 2000, 2), np.uint8), RunRequest(1000))
