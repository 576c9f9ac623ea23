"""The stop of images that are done: by hand, at its limits, and as users name it."""

from dataclasses import replace

import numpy as np
import pytest
from circuits import circuit
from hand_made import lca

from ipvae_snn.errors import BackendError, ConfigError, DataError
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.cut import cut, run_and_cut
from ipvae_snn.ir.decoding import MAP, Decoding
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.ir.stop import MAX_THRESHOLD, Stop, Target, change_of, target_of
from ipvae_snn.ir.trace import RunRequest, Trace, counts_of, states_of

BITS = 10
RISE = 100  # of the potential in each step, in units of 2^-10 octaves
TOP = 6 << BITS


def two_neurons() -> IntegerNetwork:
    """Return two neurons that hear nothing, and rise by RISE in each step.

    The first one has a rate of 2^5 or more and counts at most 1, so that it always sends. It has
    2.5 rises to its upper bound. The second one's rate is about 2^-11 and it sends nothing here.
    """
    none = np.zeros((2, 2), np.int8)
    synapses = Synapses.dense(none, np.ones(2, np.int32), np.ones(2, np.int32))
    return circuit(
        input=InputCode((1, 2), "unit", 1 / 255, 0),
        feedforward=synapses,
        lateral=synapses,
        neurons=PoissonNeurons(
            bias=np.full(2, RISE, np.int32),
            self_inhibition=np.zeros(2, np.int32),
            initial_state=np.array([TOP - 5 * RISE // 2, -12 << BITS], np.int32),
            fraction_bits=BITS,
            extra_bits=0,
            state_min=-12 << BITS,
            state_max=TOP,
            update_min=-(1 << BITS),
            excitation_max=1 << BITS,
            max_count=1,
        ),
        decoder=Decoder.dense(np.array([[3, 0], [0, 1]], np.int16), np.ones(2, np.float32)),
    )


IMAGE = np.zeros((1, 2), np.uint8)


def taken(stop: Stop, steps: int = 8) -> int:
    """Return the steps that an image of the two neurons takes."""
    trace = interpreter.run(two_neurons(), IMAGE, RunRequest(steps, stop=stop))
    assert trace.steps_taken is not None
    return int(trace.steps_taken[0])


@pytest.mark.parametrize(
    ("threshold", "least", "expected"),
    [
        (RISE + 1, 1, 1),  # the first change is 100: only the neuron that sent is counted
        (RISE, 1, 3),  # the third one is 50, as far as the upper bound
        (RISE // 2 + 1, 1, 3),
        (RISE // 2, 1, 4),  # the fourth one is 0
        (1, 1, 4),
        (0, 1, 8),  # no change is below 0
        (MAX_THRESHOLD, 1, 1),
        (MAX_THRESHOLD, 6, 6),
        (MAX_THRESHOLD, 9, 8),
    ],
)
def test_changes_of_100_100_50_and_0_by_hand(threshold: int, least: int, expected: int) -> None:
    assert taken(Stop(threshold, least)) == expected


def test_the_change_is_a_mean_over_senders() -> None:
    """Changes of 100, 30 and 1 of two senders and a silent neuron: 65; of none: never below."""
    before, after = np.array([[0, 7, 5], [0, 7, 5]]), np.array([[100, -23, 6], [100, -23, 6]])
    change = change_of(before, after, np.array([[1, 2, 0], [0, 0, 0]]))
    assert change.total.tolist() == [130, 0]
    assert change.senders.tolist() == [2, 0]
    assert Stop(66).done(1, change).tolist() == [True, False]
    assert Stop(65).done(1, change).tolist() == [False, False]


def test_what_follows_the_last_step_by_hand() -> None:
    """Three steps of one spike: nothing is sent, potentials stay, and the mean is that of three."""
    network = two_neurons().with_decoding(Decoding("mean", 5))
    trace = interpreter.run(network, IMAGE, RunRequest(5, trace=True, stop=Stop(RISE)))
    assert trace.counts is not None
    assert trace.states is not None
    assert trace.saturated is not None
    assert trace.counts[0, :, 0].tolist() == [1, 1, 1, 0, 0]
    assert trace.states[0, :, 0].tolist() == [TOP - 150, TOP - 50, TOP, TOP, TOP]
    low = -12 << BITS
    assert trace.states[0, :, 1].tolist() == [low + 100, low + 200, low + 300, low + 300, low + 300]
    assert trace.spikes_per_step.tolist() == [[1, 1, 1, 0, 0]]
    assert trace.counts_sum.tolist() == [[3, 0]]
    assert trace.state.tolist() == [[TOP, low + 300]]
    assert trace.saturated[0, :, 0].tolist() == [1, 1, 1, 0, 0]  # counts at the largest
    assert trace.saturated[0, :, 3].tolist() == [0, 0, 1, 0, 0]  # the upper bound of potentials
    assert trace.reconstruction.tolist() == [[3.0, 0.0]]


@pytest.mark.parametrize("decoding", [Decoding(), Decoding("mean", 3), MAP])
def test_a_stop_equals_a_shorter_run(network: IntegerNetwork, decoding: Decoding) -> None:
    """Of every image alone, up to its last step, with what the decoding reads there."""
    decoded = network.with_decoding(decoding)
    pixels = np.random.default_rng(1).integers(0, 256, (5, network.n_pixels)).astype(np.uint8)
    request = RunRequest(20, 3, 7, trace=True, stop=middle_stop(decoded, pixels, 20))
    stopped = interpreter.run(decoded, pixels, request)
    assert stopped.steps_taken is not None
    assert len(set(stopped.steps_taken.tolist())) > 1
    for image, steps in enumerate(stopped.steps_taken.tolist()):
        alone = RunRequest(steps, 3, 7 + image, trace=True)
        short = interpreter.run(decoded, pixels[image : image + 1], alone)
        for name in ("counts", "states", "saturated"):
            expected = getattr(short, name)[0]
            np.testing.assert_array_equal(getattr(stopped, name)[image, :steps], expected)
        for name in ("counts_sum", "state", "reconstruction"):
            np.testing.assert_array_equal(getattr(stopped, name)[image], getattr(short, name)[0])


def middle_stop(network: IntegerNetwork, pixels: np.ndarray, steps: int) -> Stop:
    """Return a stop that ends about half of the images early."""
    whole = interpreter.run(network, pixels, RunRequest(steps, 3, 7, trace=True))
    states, counts = states_of(whole).astype(np.int64), counts_of(whole)
    sent = counts[:, 1:] > 0
    moved = (np.abs(np.diff(states, axis=1)) * sent).sum(axis=2) // np.maximum(sent.sum(axis=2), 1)
    return Stop(int(np.median(moved[:, 1:].min(axis=1))) + 1, 2)


def test_batches_do_not_matter(network: IntegerNetwork) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (70, network.n_pixels)).astype(np.uint8)
    stop = middle_stop(network, pixels[:5], 12)
    whole = interpreter.run(network, pixels, RunRequest(12, 3, 7, stop=stop))
    parts = [
        interpreter.run(network, pixels[at], RunRequest(12, 3, 7 + at.start, stop=stop))
        for at in (slice(0, 3), slice(3, 69), slice(69, 70))
    ]
    joined = Trace(
        **{n: np.concatenate([part.arrays()[n] for part in parts]) for n in whole.arrays()}
    )
    assert first_divergence(whole, joined) is None
    assert whole.arrays().keys() == joined.arrays().keys()


@pytest.mark.parametrize("traced", [False, True])
def test_a_whole_run_that_is_cut_equals_the_stop(network: IntegerNetwork, traced: bool) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, network.n_pixels)).astype(np.uint8)
    request = RunRequest(20, 3, 7, traced, middle_stop(network, pixels, 20))
    expected = interpreter.run(network, pixels, request)
    result = run_and_cut(
        network, pixels, request, lambda some, asked: interpreter.run(network, some, asked)
    )
    assert result.arrays().keys() == expected.arrays().keys()
    assert first_divergence(expected, result) is None


def test_what_is_cut_needs_counts(network: IntegerNetwork) -> None:
    pixels = np.zeros((1, network.n_pixels), np.uint8)
    request = RunRequest(3, stop=Stop(1))
    with pytest.raises(ValueError, match="trace=True"):
        cut(network, interpreter.run(network, pixels, replace(request, stop=None)), request)


def test_moving_images_and_other_neurons_are_refused(network: IntegerNetwork) -> None:
    moving = np.zeros((1, 2, network.n_pixels), np.uint8)
    with pytest.raises(DataError, match=r"^a stop is for still images: .*without one"):
        interpreter.run(network, moving, RunRequest(3, stop=Stop(1)))
    other = lca()
    pixels = np.zeros((1, other.n_pixels), np.uint8)
    with pytest.raises(BackendError, match="needs Poisson neurons alone"):
        interpreter.run(other, pixels, RunRequest(3, stop=Stop(1)))


@pytest.mark.parametrize(("threshold", "least"), [(-1, 1), (MAX_THRESHOLD + 1, 1), (1, 0)])
def test_stops_out_of_range_are_refused(threshold: int, least: int) -> None:
    with pytest.raises(
        DataError, match=r"^(threshold|least number of steps) -?[0-9]+ of a stop is not in"
    ):
        Stop(threshold, least)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        (None, None),
        ("auto", Target(None)),
        ("2.5", Target(2.5)),
        ("0", Target(0.0)),
        ("12:8", Target(12.0, 8)),
        ("auto:8", Target(None, 8)),
        (".1", Target(0.1)),
        ("1e-3:2", Target(0.001, 2)),
        (0.1 + 0.2, Target(0.1 + 0.2)),
        (1e-07, Target(1e-07)),
    ],
)
def test_targets_as_users_name_them(text: float | str | None, target: Target | None) -> None:
    assert target_of(text) == target


@pytest.mark.parametrize(
    "text",
    ["", ".", "-1", "nan", "inf", "1e", "1e999", "2.5:", "2.5:0", "auto:", "Auto", "1:99999999"],
)
def test_other_targets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^stop '.*' is neither a change in nats"):
        target_of(text)


def test_a_target_in_nats_by_hand(network: IntegerNetwork) -> None:
    """ln 2 nats are one octave, 2^12 units; a mean needs its own number of steps."""
    target = Target(float(np.log(2)))
    assert target.stop_of(network, float(np.log(2))) == Stop(1 << 12, 4)
    mean = network.with_decoding(Decoding("mean", 9))
    assert target.stop_of(mean, 2 * float(np.log(2))) == Stop(2 << 12, 9)
    assert replace(target, least_steps=2).least_of(mean) == 2
    assert Stop(1 << 12).nats(network) == pytest.approx(np.log(2))
