"""Activity counted by hand, and energy proxies that always have a source."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ipvae_snn.hw.chips.profile import Figure, load_profile, parse_profile, profile_names
from ipvae_snn.hw.cost.activity import Activity, Traffic, activity, mean_activity
from ipvae_snn.hw.cost.energy import Estimate, Item, Range, chip_energy, total
from ipvae_snn.hw.cost.processor import (
    event_driven,
    feed_forward,
    gram_float,
    gram_int8,
    is_processor,
    iterative_float,
    memory_of,
    processor_energy,
)
from ipvae_snn.hw.cost.sent import sent_in_steps
from ipvae_snn.hw.cost.weight_memory import held_bytes, in_lists, listed_bytes
from ipvae_snn.ir.circuit_steps import residual
from ipvae_snn.ir.circuits import RESIDUAL
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.weights.dense import Dense

BY_HAND = Activity(
    spikes=30,
    messages=20,
    synaptic_operations=1000,
    synaptic_operations_by_payload=1500,
    input_operations=100,
    updates_active=20,
    updates_inactive=80,
    dense_operations=5000,
    binary_messages=30,
    row_weights=1600,
    read_bytes=1600,
    held_bytes=40,
    steps=10,
    binary_steps=14,
)
PLACED = Traffic(
    messages=50,
    messages_between_cores=30,
    hops_x=40,
    hops_y=10,
    synapse_words_read=300,
    barriers=12,
    cores=4,
    chips=2,
)


def by_name(estimate: Estimate) -> dict[str, Item]:
    return {item.what: item for item in estimate.items}


def test_activity_counts_what_a_loop_counts(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """Against a plain loop over every synapse."""
    pixels = pixels_factory(network, 3)
    pixels[0, :5] = network.input.zero_point
    counts = np.random.default_rng(0).poisson(0.6, (3, 4, network.n_neurons))
    by_event = by_payload = inputs = rows = 0
    for image in range(3):
        for m, pixel in enumerate(pixels[image]):
            if pixel != network.input.zero_point:
                fan_out = int((network.feedforward.matrix[:, m] != 0).sum())
                inputs += fan_out
                rows += 7 if fan_out else 0
        for step in range(4):
            for j, z in enumerate(counts[image, step]):
                fan_out = int((network.lateral.matrix[:, j] != 0).sum())
                by_event += fan_out if z else 0
                by_payload += fan_out * int(z)
                rows += 7 if z and fan_out else 0
    result = activity(network, pixels, counts)
    assert result.binary_steps == pytest.approx(np.maximum(1, counts.max(axis=2)).sum() / 3)
    assert result.input_operations == pytest.approx(inputs / 3)
    assert result.synaptic_operations == pytest.approx((inputs + by_event) / 3)
    assert result.synaptic_operations_by_payload == pytest.approx((inputs + by_payload) / 3)
    assert result.spikes == result.binary_messages == pytest.approx(counts.sum() / 3)
    assert result.messages == pytest.approx((counts > 0).sum() / 3)
    assert (
        result.updates_active + result.updates_inactive == result.updates == 4 * network.n_neurons
    )
    assert result.dense_operations == 12 * 7 + 4 * 7 * 7
    assert result.row_weights == pytest.approx(rows / 3)
    assert result.steps == 4


def test_activity_of_two_layers_counts_what_a_loop_counts(
    two_layer: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """Against a plain loop over every synapse, residuals recomputed by a plain loop too."""
    pixels = pixels_factory(two_layer, 3)
    pixels[0, :5] = two_layer.input.zero_point
    counts = np.random.default_rng(0).poisson(0.6, (3, 4, two_layer.n_neurons))
    layer = two_layer.residual
    assert layer is not None
    weights, forward = layer.prediction.matrix.astype(int), two_layer.feedforward.matrix
    by_event = by_payload = messages = binary = rows = chip_steps = 0
    for image in range(3):
        payload = pixels[image].astype(int) - two_layer.input.zero_point
        for step in range(4):
            for j, z in enumerate(counts[image, step]):
                fan_out = int((weights[:, j] != 0).sum())
                by_event += fan_out if z else 0
                by_payload += fan_out * int(z)
                rows += 12 if z and fan_out else 0
            largest = max(1, int(counts[image, step].max()))
            for m in range(12):
                shift = int(layer.prediction.shift[m])
                total = int(weights[m] @ counts[image, step]) * int(layer.prediction.multiplier[m])
                error = int(payload[m]) - ((total + (1 << (shift - 1))) >> shift)
                error = max(-layer.limit, min(layer.limit, error))
                fan_out = int((forward[:, m] != 0).sum())
                messages += error != 0
                binary += abs(error)
                by_event += fan_out if error else 0
                by_payload += fan_out * abs(error)
                rows += 7 if error and fan_out else 0
                largest = max(largest, abs(error))
            chip_steps += largest
    result = activity(two_layer, pixels, counts)
    assert result.binary_steps == pytest.approx(chip_steps / 3)
    shown = int((pixels != two_layer.input.zero_point).sum())
    assert result.input_operations == pytest.approx(shown / 3)
    assert result.synaptic_operations == pytest.approx((shown + by_event) / 3)
    assert result.synaptic_operations_by_payload == pytest.approx((shown + by_payload) / 3)
    assert result.spikes == pytest.approx(counts.sum() / 3)
    assert result.messages == result.updates_active
    assert result.messages == pytest.approx(((counts > 0).sum() + messages) / 3)
    assert result.binary_messages == pytest.approx((counts.sum() + binary) / 3)
    assert result.updates_active + result.updates_inactive == pytest.approx(4 * (7 + 12))
    assert result.dense_operations == 2 * 4 * 12 * 7
    assert result.row_weights == pytest.approx(rows / 3)


@pytest.mark.parametrize("limit", [20, 200])
def test_residual_messages_are_the_interpreters(
    two_layer_factory: Callable[..., IntegerNetwork],
    pixels_factory: Callable[..., np.ndarray],
    limit: int,
) -> None:
    """Summed in float32, and clipped at the limit."""
    network = two_layer_factory(limit=limit)
    payload = pixels_factory(network, 6).astype(np.int64) - network.input.zero_point
    counts = np.random.default_rng(limit).integers(0, network.neurons.max_count + 1, (6, 4, 7))
    result = [sent[RESIDUAL] for sent in sent_in_steps(network, payload, counts)]
    assert len(result) == 4
    for step, sent in enumerate(result):
        wanted, held = residual(network, payload, counts[:, step])
        np.testing.assert_array_equal(sent, wanted)
        assert held.any()


def test_the_counts_of_a_float_run_may_pass_what_is_proved(
    two_layer: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """They are not bounded; residuals are those of the largest count."""
    pixels = pixels_factory(two_layer, 2)
    huge, largest = np.full((2, 3, 7), 1 << 20), np.full((2, 3, 7), two_layer.neurons.max_count)
    result, wanted = activity(two_layer, pixels, huge), activity(two_layer, pixels, largest)
    assert result.synaptic_operations == wanted.synaptic_operations


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the network is immutable
@given(split=st.integers(1, 4), seed=st.integers(0, 99))
def test_the_mean_of_parts_is_the_whole(network: IntegerNetwork, split: int, seed: int) -> None:
    """Chunks of unequal size, each weighted by its images."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (5, network.n_pixels), dtype=np.uint8)
    counts = rng.poisson(0.5, (5, 3, network.n_neurons))
    parts = [
        (part.stop - part.start, activity(network, pixels[part], counts[part]))
        for part in (slice(0, split), slice(split, 5))
    ]
    result, whole = mean_activity(parts).as_json(), activity(network, pixels, counts).as_json()
    assert result == pytest.approx(whole)


def test_loihi1_by_hand() -> None:
    """Binary spikes, so operations by payload: 1500 * 23.6 pJ, stated as a minimum.

    10 neurons in 14 time steps: 30 updates with a spike at 81 pJ, 110 without at 52 to 81 pJ; 30
    messages at 1.7 pJ. Without a placement there are no hops: all in all at least 35.4 + 2.43 +
    5.72 + .051 nJ.
    """
    result = chip_energy(load_profile("loihi1"), BY_HAND)
    items = by_name(result)
    assert items["synaptic operations"].energy == Range(pytest.approx(35.4), None)
    assert items["neuron updates with a spike"].energy == Range(*[pytest.approx(2.43)] * 2)
    silent = items["neuron updates without a spike"].energy
    assert silent == Range(pytest.approx(5.72), pytest.approx(8.91))
    assert items["messages within a tile"].energy == Range(*[pytest.approx(0.051)] * 2)
    assert items["hops east-west"].energy == Range(None, None)
    assert items["hops east-west"].note == "needs a placement"
    assert result.dynamic == Range(pytest.approx(43.601), None)
    assert result.dynamic.text() == ">= 0.044"
    assert Range(12345.6, 123456.0).text() == "12.3..123"
    assert result.sources[0].startswith("Davies et al. 2018")


def test_loihi1_with_a_placement_by_hand() -> None:
    """A graded spike is 30 / 20 = 1.5 binary ones: 60 hops at 3 pJ, 15 at 4 pJ, 75 messages.

    Leakage: 104.4 mW for at least 12 barriers of 113 ns on each of two chips: 283.1 nJ.
    """
    result = chip_energy(load_profile("loihi1"), BY_HAND, PLACED)
    items = by_name(result)
    assert items["hops east-west"].energy.low == pytest.approx(0.18)
    assert items["hops north-south"].energy.low == pytest.approx(0.06)
    assert items["messages within a tile"].energy.low == pytest.approx(75 * 1.7e-3)
    assert items["barriers"].energy == Range(None, None)
    assert result.dynamic.low == pytest.approx(35.4 + 2.43 + 5.72 + 0.18 + 0.06 + 0.1275)
    assert items["barriers"].count == 12 + 4
    assert result.static == Range(pytest.approx(104.4 * 12 * 113 * 2 / 1000), None)
    assert any("Frady" in source for source in result.sources)


def test_a_range_and_graded_spikes_by_hand() -> None:
    """Fitted on boards: dense to convolutional synapses; with graded spikes, events count once."""
    boards = load_profile("loihi1-sanafe")
    result = chip_energy(boards, BY_HAND)
    # access 140 * 51.2; updates 30 * 21.6 and 110 * 0..21.6; 30 spikes 69.3, messages 111.
    fixed = (140 * 51.2 + 30 * 21.6 + 30 * 69.3 + 30 * 111) / 1000
    low, high = fixed + 1500 * 24e-3, fixed + 1500 * 35.5e-3 + 110 * 21.6e-3
    assert result.dynamic == Range(pytest.approx(low), pytest.approx(high))
    graded = chip_energy(replace(boards, features={}), BY_HAND)
    assert by_name(graded)["synaptic operations"].count == 1000
    assert by_name(graded)["messages to cores"].count == 20
    assert by_name(graded)["neuron accesses"].count == 100
    assert by_name(graded)["neuron updates with a spike"].count == 20


@pytest.mark.parametrize("traffic", [None, PLACED])
def test_what_is_not_published_stays_empty(traffic: Traffic | None) -> None:
    result = chip_energy(load_profile("loihi2"), BY_HAND, traffic)
    assert result.dynamic == result.static == Range(None, None)
    assert result.dynamic.text() == "not public"
    assert result.sources == ()
    assert by_name(result)["synaptic operations"].count == 1000


def test_what_is_counted_but_not_public_makes_a_minimum() -> None:
    """Synapses cost 1 pJ; the cost of a message is not public."""
    profile = parse_profile(
        'name = "x"\ntitle = "x"\ncaveat = "x"\n[sources]\np = "paper"\n[energy]\n'
        'synaptic_operation = { value = 1, unit = "pJ", source = "p", confidence = "high" }\n'
        'message = { unit = "pJ", public = false }\n',
        "x.toml",
    )
    assert chip_energy(profile, BY_HAND).dynamic == Range(1.0, None)
    silent = replace(BY_HAND, messages=0.0, binary_messages=0.0)
    assert chip_energy(profile, silent).dynamic == Range(1.0, 1.0), "no message, nothing unknown"


FIGURE = Figure(2.0, 3.0, "pJ", "a paper", "high")


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=6))
def test_a_total_lies_between_its_items(counts: list[float]) -> None:
    items = [Item("x", "synapses", count, FIGURE) for count in counts]
    result = total(items)
    if any(counts):
        assert result.low == pytest.approx(sum(counts) * 2e-3)
        assert result.high == pytest.approx(sum(counts) * 3e-3)
        assert total([*items, Item("y", "memory", 1.0, replace(FIGURE, high=None))]).high is None
    else:
        assert result == Range(None, None)


def test_a_processor_by_hand() -> None:
    """K 4, M 6, T 10, 30 spikes, 40 updates: everything fits 8 KiB at 10 pJ per word.

    Gram float: 24 + 16 * 10 = 184 multiply-adds of 3.7 + .9 pJ; iterative: 2 * 24 * 10 = 480.
    Neurons: 9 * 40 + 2 * 30 = 420 multiplications, 32 * 40 + 5 * 30 = 1430 additions and
    40 * 40 = 1600 integer operations of the generator. Weights: 184 * 4 / 8 = 92 words; states:
    40 reads and writes of 4 bytes, 40 words.
    """
    profile = load_profile("cpu-45nm")
    assert is_processor(profile)
    result = processor_energy(profile, gram_float(4, 6, BY_HAND))
    assert result.part("synapses").low == pytest.approx(184 * 4.6e-3)
    neurons = (420 * 3.7 + 1430 * 0.9 + 1600 * 0.1) / 1000
    assert result.part("neurons").low == pytest.approx(neurons)
    assert result.part("memory") == Range(*[pytest.approx((92 + 40) * 10e-3)] * 2)
    assert result.dynamic.low == pytest.approx(184 * 4.6e-3 + neurons + 1.32)
    assert result.static.text() == "not public"
    assert result.sources == ("Horowitz 2014, Computing's energy problem, ISSCC 2014",)
    slow = processor_energy(profile, iterative_float(4, 6, BY_HAND))
    assert slow.part("synapses").low == pytest.approx(480 * 4.6e-3)
    dense = processor_energy(profile, gram_int8(4, 6, BY_HAND))
    assert dense.part("synapses").low == pytest.approx(184 * 0.3e-3)
    assert dense.part("memory").low == pytest.approx((184 / 8 + 40) * 10e-3)
    # Event-driven: 1000 operations counted, 1600 weights of rows read; neurons in int32.
    events = processor_energy(profile, event_driven(4, BY_HAND))
    assert events.part("synapses").low == pytest.approx(0.3)
    assert events.part("memory").low == pytest.approx((200 + 100) * 10e-3)
    integer = (1100 - 200 + 60) * 3.1 + (3200 + 150) * 0.1 + 4000 * 0.1
    assert events.part("neurons").low == pytest.approx(integer / 1000)


@given(
    hnp.arrays(np.int8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1))
)
def test_weights_lie_in_the_smaller_form(matrix: np.ndarray) -> None:
    """A byte each in rows; three each, the target's index included, in lists without zeros."""
    weights = Dense(matrix)
    nonzero = int(np.count_nonzero(matrix))
    assert held_bytes(weights) == min(matrix.size, 3 * nonzero)
    assert in_lists(weights) == (3 * nonzero < matrix.size)


def test_a_wide_target_has_a_longer_index() -> None:
    narrow, wide = (Dense(np.ones((n, 1), np.int8)) for n in (1 << 16, (1 << 16) + 1))
    assert (listed_bytes(narrow), listed_bytes(wide)) == (3, 5)


def test_events_read_lists_of_sparse_weights_and_rows_of_dense_ones(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """The lateral weights of one pair in seven, so that three bytes each are less than a row."""
    pixels = pixels_factory(network, 3)
    counts = np.random.default_rng(0).poisson(0.6, (3, 4, network.n_neurons))
    before = activity(network, pixels, counts)
    assert before.read_bytes == before.row_weights
    assert before.held_bytes == (12 + 7) * 7
    lateral = np.zeros((7, 7), np.int8)
    lateral[np.arange(7), (np.arange(7) + 1) % 7] = -3
    (old,) = (c for c in network.connections if c.source != IMAGE)
    thin = replace(old, synapses=replace(old.synapses, weights=Dense(lateral)))
    sparse = replace(
        network, connections=tuple(thin if c is old else c for c in network.connections)
    )
    result = activity(sparse, pixels, counts)
    image_rows = before.row_weights - 7 * (counts > 0).sum() / 3
    assert result.read_bytes == pytest.approx(image_rows + 3 * (counts > 0).sum() / 3)
    assert result.held_bytes == 12 * 7 + 3 * 7
    work = event_driven(7, result)
    assert (work.moved_bytes, work.held_bytes) == (result.read_bytes, result.held_bytes)


def test_an_encoder_by_hand() -> None:
    """6 -> 5 -> 4: 50 multiply-adds, each weight read once, no neuron that samples."""
    work = feed_forward("encoder", "fp32", (6, 5, 4))
    assert (work.multiply_adds, work.moved_bytes, work.updates) == (50, 200, 0)
    result = processor_energy(load_profile("cpu-45nm"), work)
    assert result.dynamic.low == pytest.approx((50 * 4.6 + 25 * 10) / 1000)
    assert feed_forward("encoder", "int8", (6, 5, 4)).moved_bytes == 50


@pytest.mark.parametrize(
    ("size", "low", "high"),
    [
        (8192, 10, 10),
        (8193, 20, 20),
        (32768, 20, 20),
        (32769, 100, 100),
        (1 << 20, 100, 100),
        ((1 << 20) + 1, 100, 2600),
    ],
)
def test_memory_is_charged_where_the_weights_fit(size: int, low: float, high: float) -> None:
    figure, where = memory_of(load_profile("cpu-45nm"), size)
    assert (figure.low, figure.high) == (low, high)
    assert "Horowitz" in figure.source
    assert ("DRAM" in where) == (low != high)


@pytest.mark.parametrize("name", profile_names())
def test_no_result_comes_without_its_source(name: str) -> None:
    profile = load_profile(name)
    if is_processor(profile):
        result = processor_energy(profile, gram_float(4, 6, BY_HAND))
    else:
        result = chip_energy(profile, BY_HAND, PLACED)
    shown = result.as_json()
    for item in shown["items"]:
        assert (item["nj"]["low"] is None) or len(item["figure"]["source"]) > 15
    assert (shown["dynamic_nj"]["low"] is None) == (not shown["sources"])
