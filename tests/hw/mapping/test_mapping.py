"""Partition over cores: cases by hand, and properties for any network on any chip."""

from collections.abc import Callable

import numpy as np
from circuits import replace
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from ipvae_snn.hw.chips.profile import ChipProfile, load_profile
from ipvae_snn.hw.mapping.bound import least_cores, least_words
from ipvae_snn.hw.mapping.core_capacity import Room, room_of
from ipvae_snn.hw.mapping.events import Events, assumed
from ipvae_snn.hw.mapping.fill import Task, best_fit, in_order
from ipvae_snn.hw.mapping.mapping import check_and_place
from ipvae_snn.hw.mapping.partition import partition
from ipvae_snn.hw.mapping.placement import core_uses, map_network, routes, traffic
from ipvae_snn.hw.mapping.populations import fan_ins, layout_of
from ipvae_snn.hw.mapping.refine import Tally, Traffic, _gains, dissolve, reduce_traffic
from ipvae_snn.ir.circuits import NEURONS, RESIDUAL
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.weights import Dense

Factory = Callable[..., IntegerNetwork]
FACTORIES = [HealthCheck.function_scoped_fixture]  # the fixtures are functions without state


def room(**limits: int | None) -> Room:
    """Return a core without limits but the given ones; 4 synapses per word, 1 word per axon."""
    empty = Room(None, None, None, None, None, 8.0, 4, 1, True)
    return replace(empty, **limits)  # type: ignore[arg-type]  # one name per limit


def task(inputs: np.ndarray, chip: Room, state_bytes: int = 0) -> Task:
    """Return a population with these inputs (neurons, sources)."""
    return Task(
        sparse.csr_array(inputs.astype(bool)), chip, state_bytes, np.zeros(len(inputs), int)
    )


def chip(**limits: int | None) -> ChipProfile:
    """Return the generic profile with some limits changed; None is not public."""
    base = load_profile("generic")
    changed = {
        key: replace(base.limits[key], low=value, high=value) for key, value in limits.items()
    }
    return replace(base, limits={**base.limits, **changed})


def with_lateral(network: IntegerNetwork, weights: np.ndarray) -> IntegerNetwork:
    """Return the one-layer network with other lateral weights; the diagonal is cleared."""
    assert network.lateral is not None
    weights = weights.astype(np.int8)
    np.fill_diagonal(weights, 0)
    return replace(network, lateral=replace(network.lateral, weights=Dense(weights)))


def test_words_of_an_axon_by_hand() -> None:
    """1 word of header, and one per 4 targets, rounded up: t 0, 1, 4, 5, 8 -> 0, 2, 2, 3, 3."""
    np.testing.assert_array_equal(room().axon_words(np.array([0, 1, 4, 5, 8])), [0, 2, 2, 3, 3])
    np.testing.assert_array_equal(room().added_words(np.array([0, 1, 3, 4, 5])), [2, 0, 0, 1, 0])


def test_the_room_of_loihi_2_is_the_planning_rule() -> None:
    """Input axons x (ceil(targets / 4) + 1) <= 12,000; no axon limit or word size is public."""
    result = room_of(load_profile("loihi2"))
    assert result == Room(8192, None, None, 12000, 196608, None, 4, 1, True)
    assert 100 * int(result.axon_words(np.array([9]))[0]) == 100 * (3 + 1)


def test_the_room_of_loihi_1_is_the_smaller_of_words_and_memory() -> None:
    """16,384 words of 64 bits are just its 128 KiB of synapse memory."""
    result = room_of(load_profile("loihi1"))
    assert result == Room(1024, 4096, 4096, 16384, 262144, 8.0, 8, 1, True, True)
    small = room_of(chip(synapse_memory_bytes=800))
    assert small.words == 100


def test_a_rule_that_is_not_public_limits_nothing() -> None:
    """Then words are synapses, and no number of words is too large."""
    result = room_of(chip(synapses_per_word=None))
    assert (result.words, result.known_words, result.word_bytes) == (None, False, None)
    np.testing.assert_array_equal(result.axon_words(np.array([0, 3])), [0, 3])


def test_dense_cores_by_hand() -> None:
    """9 neurons, 5 sources, all to all: n per core take 5 (1 + ceil(n / 4)) words.

    With 15 words per core: 5 (1 + 2) = 15 holds n = 8, so two cores; with 14, n = 4: three.
    """
    for words, cores in ((15, 2), (14, 3)):
        dense = task(np.ones((9, 5)), room(words=words))
        assert least_cores(dense.inputs, dense.room, 0) == cores
        for fill in (in_order, best_fit):
            report = fill(dense, np.arange(9))
            assert report is not None
            assert report.max() + 1 == cores


def test_best_fit_brings_common_sources_together() -> None:
    """Even neurons read sources 0..3, odd ones 4..7; a core has axons for 4 sources only.

    By index no two neighbours share a source, and every neuron needs its own core.
    """
    inputs = np.zeros((6, 8))
    inputs[0::2, :4] = inputs[1::2, 4:] = 1
    split = task(inputs, room(axons_in=4))
    assert in_order(split, np.arange(6)).max() + 1 == 6
    report = best_fit(split, np.arange(6))
    assert report is not None
    np.testing.assert_array_equal(report, [0, 1, 0, 1, 0, 1])


def test_a_core_is_emptied_where_others_have_room() -> None:
    """3, 2 and 1 neurons where 4 fit: the last goes to one of the others."""
    split = task(np.ones((6, 1)), room(neurons=4))
    result = dissolve(split, np.array([0, 0, 0, 1, 1, 2], np.int32))
    assert result.max() + 1 == 2
    assert np.bincount(result).max() <= 4


def test_a_move_saves_just_the_events_of_what_it_closes() -> None:
    """Neuron 2 alone on core 1 reads source 0 (7 events): with the others none reaches core 1.

    Neuron 3 keeps core 1 open; it reads source 1.
    """
    split = task(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]), room())
    before = np.array([0, 0, 1, 1], np.int32)
    result = reduce_traffic(split, before, Traffic(np.array([7.0, 1.0]), None))
    np.testing.assert_array_equal(result, [0, 0, 0, 1])


def test_own_spikes_are_known_wherever_they_stand_among_the_inputs() -> None:
    """Sources: the neurons 0 and 1 themselves, then another. 0 reads 1, and 1 reads the other.

    If 1 joins 0, its 5 events cross no more; the other's 3 reach another core, as many as before.
    """
    split = task(np.array([[0, 1, 0], [0, 0, 1]]), room())
    tally = Tally(split, np.array([0, 1], np.int32))
    gain = _gains(tally, 1, Traffic(np.array([1.0, 5.0, 3.0]), 0))
    np.testing.assert_array_equal(gain, [5.0, 0.0])


def test_least_words_is_an_envelope() -> None:
    """At most the words, equal at the corners 0, the last full word and the most; convex."""
    chip_room = room()
    for most in range(1, 20):
        at = np.arange(most + 1)
        low, words = least_words(at.astype(float), most, chip_room), chip_room.axon_words(at)
        assert (low <= words + 1e-12).all()
        assert low[0] == 0
        assert np.isclose(low[most], words[most])
        assert (np.diff(low, 2) >= -1e-12).all()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 6),
    st.integers(1, 5),
    st.floats(0.1, 1.0),
    st.integers(6, 24),
    st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_no_split_at_all_needs_fewer_cores_than_the_bound(
    seed: int, neurons: int, sources: int, density: float, words: int, axons: int
) -> None:
    """Against every split of up to 6 neurons; and ours is never below the best."""
    inputs = np.random.default_rng(seed).random((neurons, sources)) < density
    limits = room(words=max(words, 2 * sources), axons_in=max(axons, sources))
    small = task(inputs, limits)
    best = min(
        len(set(split)) for split in partitions(neurons) if fits(inputs, np.array(split), limits)
    )
    least = least_cores(small.inputs, limits, 0)
    assert least <= best
    for fill in (in_order, best_fit):
        report = fill(small, np.arange(neurons))
        assert report is not None
        assert fits(inputs, report, limits)
        assert report.max() + 1 >= best


def partitions(n: int) -> list[tuple[int, ...]]:
    """Return every way to put n neurons on cores, cores numbered in the order of first use."""
    splits: list[tuple[int, ...]] = [()]
    for _ in range(n):
        splits = [(*split, core) for split in splits for core in range(max(split, default=-1) + 2)]
    return splits


def test_partitions_are_all_and_differ() -> None:
    """Bell's numbers."""
    assert [len(set(partitions(n))) for n in range(7)] == [1, 1, 2, 5, 15, 52, 203]


def fits(inputs: np.ndarray, split: np.ndarray, limits: Room) -> bool:
    """Return whether every core keeps within words and axons."""
    for core in set(split.tolist()):
        targets = inputs[split == core].sum(axis=0)
        if limits.words is not None and limits.axon_words(targets).sum() > limits.words:
            return False
        if limits.axons_in is not None and np.count_nonzero(targets) > limits.axons_in:
            return False
    return True


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, bool, str, ChipProfile]:
    """Return a seed, whether two-layer, how the image comes, and a chip that holds each neuron."""
    limits: dict[str, int | None] = {
        "neurons_per_core": draw(st.sampled_from([2, 5, 100])),
        "axons_in_per_core": draw(st.sampled_from([None, 21, 30])),
        "axons_out_per_core": draw(st.sampled_from([None, 40])),
        "synapse_words_per_core": draw(st.sampled_from([45, 60, 200])),
        "synapses_per_word": draw(st.sampled_from([1, 4, 8])),
        "words_per_axon": draw(st.sampled_from([0, 1])),
        "core_memory_bytes": draw(st.sampled_from([None, 700])),
        "synapse_memory_bytes": None,
        "usable_cores_per_chip": draw(st.sampled_from([3, 16])),
        "mesh_columns": draw(st.sampled_from([None, 4])),
        "mesh_rows": 2,
        "cores_per_tile": 2,
        "cores_per_chip": 16,
    }
    input_as = draw(st.sampled_from(["spikes", "bias"]))
    return draw(st.integers(0, 1000)), draw(st.booleans()), input_as, chip(**limits)


@given(cases())
@settings(max_examples=60, deadline=None, suppress_health_check=FACTORIES)
def test_any_placement_keeps_every_limit_and_every_neuron(
    network_factory: Factory, two_layer_factory: Factory, case: tuple[int, bool, str, ChipProfile]
) -> None:
    """Each neuron once; no limit violated on a core; not below the bound; slots used once."""
    seed, two, input_as, profile = case
    network = sparse_network(seed, two, network_factory, two_layer_factory)
    result = check_and_place(network, profile, input_as, assumed(network, 4))  # type: ignore[arg-type]
    if result.placed is None:
        assert any(check.verdict == "fail" for check in result.checks)
        return
    placement, limits = result.placed.placement, room_of(profile)
    for population in placement.layout.populations:
        core_of = placement.partition.core_of[population.name]
        assert core_of.shape == (population.size,)
        used = len(np.unique(core_of))
        assert placement.partition.least_cores[population.name] <= used
    assert sum(use.neurons for use in result.placed.uses) == sum(
        population.size for population in placement.layout.populations
    )
    too_many_out = any(c.name == "axons_out_per_core" for c in result.failed)
    for use in result.placed.uses:
        assert use.utilisation <= 1 or (too_many_out and use.shares["axons_out"] > 1)
        assert limits.neurons is None or use.neurons <= limits.neurons
        assert limits.axons_in is None or use.axons_in <= limits.axons_in
        assert limits.words is None or use.words is None or use.words <= limits.words
        held = (use.words or 0) * (limits.word_bytes or 0) + use.state_bytes
        assert limits.memory_bytes is None or held <= limits.memory_bytes
    slots = placement.slot
    assert len(np.unique(slots)) == len(slots) == placement.partition.cores
    assert 0 <= slots.min() <= slots.max() < placement.mesh.slots


def sparse_network(
    seed: int, two: bool, network_factory: Factory, two_layer_factory: Factory
) -> IntegerNetwork:
    """Return a network of 18 neurons, 12 pixels, with more than half of the weights 0."""
    rng = np.random.default_rng(seed)
    base = (two_layer_factory if two else network_factory)(seed=seed, neurons=18)
    forward = base.feedforward.matrix * (rng.random((18, 12)) < 0.5)
    network = replace(
        base, feedforward=replace(base.feedforward, weights=Dense(forward.astype(np.int8)))
    )
    if network.lateral is None:
        return network
    return with_lateral(network, network.lateral.matrix * (rng.random((18, 18)) < 0.4))


@given(cases())
@settings(max_examples=40, deadline=None, suppress_health_check=FACTORIES)
def test_traffic_is_what_counting_every_event_gives(
    network_factory: Factory, two_layer_factory: Factory, case: tuple[int, bool, str, ChipProfile]
) -> None:
    """A plain loop over sources, targets and cores, from the dense weights."""
    seed, two, input_as, profile = case
    network = sparse_network(seed, two, network_factory, two_layer_factory)
    rng = np.random.default_rng(seed)
    events = Events(
        {NEURONS: rng.integers(0, 5, 18) * 0.5, RESIDUAL: rng.random(12), IMAGE: rng.random(12)},
        4,
        1,
        "drawn",
    )
    result = check_and_place(network, profile, input_as, events)  # type: ignore[arg-type]
    if result.placed is None:
        return
    placement = result.placed.placement
    mesh, slot, limits = placement.mesh, placement.slot, placement.room
    messages = between = words = hops_x = hops_y = host = crossed = 0.0
    longest = 0
    for source, target, weights in dense_projections(network, input_as):
        core_of = placement.partition.core_of[target]
        for index in range(weights.shape[1]):
            rate = events.by_source[source][index]
            reached = core_of[weights[:, index] != 0]
            for core in np.unique(reached):
                targets = np.count_nonzero(reached == core)
                words += rate * int(limits.axon_words(np.array([targets]))[0])
                if source == IMAGE:
                    host += rate
                    continue
                home = placement.partition.core_of[source][index]
                a, b = slot[home], slot[core]
                dx, dy = abs(int(mesh.x(a) - mesh.x(b))), abs(int(mesh.y(a) - mesh.y(b)))
                messages, between = messages + rate, between + rate * (home != core)
                hops_x, hops_y = hops_x + rate * dx, hops_y + rate * dy
                crossed += rate * abs(int(mesh.chip(a) - mesh.chip(b)))
                longest = max(longest, dx + dy)
    counted = traffic(placement, events)
    np.testing.assert_allclose(
        [counted.messages, counted.messages_between_cores, counted.hops_x, counted.hops_y],
        [messages, between, hops_x, hops_y],
    )
    assert np.isclose(counted.synapse_words_read, words)
    where = routes(placement, events)
    assert np.isclose(where.from_host.sum(), host)
    assert np.isclose(where.between_chips, crossed)
    assert where.longest == longest
    assert counted.barriers == (10 if two else 6)  # T + 2 and 2 T + 2 at T = 4


def dense_projections(network: IntegerNetwork, input_as: str) -> list[tuple[str, str, np.ndarray]]:
    """Return (source, target, weights) of a circuit, independently from docs/ir.md."""
    result: list[tuple[str, str, np.ndarray]] = []
    if network.residual is None:
        assert network.lateral is not None
        result.append((NEURONS, NEURONS, network.lateral.matrix))
        if input_as == "spikes":
            result.append((IMAGE, NEURONS, network.feedforward.matrix))
        return result
    result.append((NEURONS, RESIDUAL, network.residual.prediction.matrix))
    result.append((RESIDUAL, NEURONS, network.feedforward.matrix))
    if input_as == "spikes":
        result.append((IMAGE, RESIDUAL, np.eye(network.n_pixels)))
    return result


def test_a_core_by_hand(network_factory: Factory) -> None:
    """Two neurons on one core of 2: lateral 0 <-> 1, and 1 <- 2, image pixel 0 -> 0 and 1.

    Core of {0, 1}: sources 0, 1, 2 of the lateral and pixel 0: 4 axons in; targets 1, 1, 1, 2.
    Words (4 a word, 1 header): 2 + 2 + 2 + 2 = 8. Core of {2}: no axon in; neuron 2 sends to the
    other core: 1 axon out; neurons 0 and 1 send to each other's core, their own.
    """
    network = network_factory(neurons=3)
    lateral, forward = np.zeros((3, 3)), np.zeros((3, 12), np.int8)
    lateral[0, 1] = lateral[1, 0] = lateral[1, 2] = -5
    forward[0, 0] = forward[1, 0] = 9
    network = with_lateral(network, lateral)
    network = replace(network, feedforward=replace(network.feedforward, weights=Dense(forward)))
    profile = chip(neurons_per_core=2, synapses_per_word=4)
    placement = map_network(network, profile, "spikes", assumed(network, 10))
    one, two = sorted(core_uses(placement), key=lambda use: -use.neurons)
    assert (one.neurons, one.axons_in, one.axons_out, one.synapses, one.words) == (2, 4, 2, 5, 8)
    assert (two.neurons, two.axons_in, two.axons_out, two.synapses, two.words) == (1, 0, 1, 0, 0)
    assert one.bytes == 8 * 8 + one.state_bytes
    result = traffic(placement, assumed(network, 10))
    assert (result.messages, result.messages_between_cores) == (30.0, 10.0)
    # 3 lateral axons of 2 words, 10 events each, and the pixel's 2 words once.
    assert result.synapse_words_read == 3 * 2 * 10 + 2


def test_silent_sources_make_no_axon_and_bias_no_image(network_factory: Factory) -> None:
    """Fan-ins count nonzero weights; with the bias the image has no projection."""
    network = network_factory(neurons=4)
    weights = network.feedforward.matrix.copy()
    weights[:, 3] = 0
    network = replace(network, feedforward=replace(network.feedforward, weights=Dense(weights)))
    spikes, bias = layout_of(network, "spikes"), layout_of(network, "bias")
    assert [p.name for p in spikes.projections] == ["feedforward", "lateral"]
    assert [p.name for p in bias.projections] == ["lateral"]
    both = (network.feedforward.matrix != 0).sum(axis=1)
    assert network.lateral is not None
    own = (network.lateral.matrix != 0).sum(axis=1)
    np.testing.assert_array_equal(fan_ins(network, "spikes")[0].sources, both + own)
    np.testing.assert_array_equal(fan_ins(network, "bias")[0].sources, own)
    result = partition(spikes, room(), assumed(network).rates())
    assert result.fan["feedforward"].tocsr()[[3]].nnz == 0


def test_the_two_layer_circuit_has_the_image_one_to_one(two_layer: IntegerNetwork) -> None:
    """Each pixel reaches its own residual neuron, on its own synapse."""
    layout = layout_of(two_layer, "spikes")
    assert [(p.name, p.source, p.target) for p in layout.projections] == [
        (IMAGE, IMAGE, RESIDUAL),
        ("prediction", NEURONS, RESIDUAL),
        ("feedforward", RESIDUAL, NEURONS),
    ]
    np.testing.assert_array_equal(layout.projections[0].pattern.toarray(), np.eye(12, dtype=bool))


def test_axons_out_are_kept_where_they_can_be(network_factory: Factory) -> None:
    """16 neurons in 4 cliques of 4, 2 axons out per core: only whole cliques on a core fit.

    By index neurons 0..15 are in cliques 0, 1, 2, 3, 0, 1, ...; 4 neurons a core.
    """
    network = network_factory(neurons=16)
    clique = np.arange(16) % 4
    network = with_lateral(network, -5 * (clique[:, None] == clique[None, :]))
    result = check_and_place(
        network, chip(neurons_per_core=4, axons_out_per_core=4), "bias", assumed(network)
    )
    assert result.fits
    assert result.placed is not None
    assert result.placed.placement.partition.cores == 4
    assert result.placed.traffic.messages_between_cores == 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_moves_only_ever_save_traffic_within_limits(seed: int) -> None:
    """The tally stays correct, limits hold, no core is lost, traffic does not increase."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((12, 17)) < 0.4  # 5 external sources, then the 12 neurons themselves
    inputs[np.arange(12), 5 + np.arange(12)] = False
    limits = room(words=40, neurons=6)
    split = task(inputs, limits)
    before = in_order(split, rng.permutation(12))
    rates = rng.random(17)

    def events(core_of: np.ndarray) -> float:
        total = 0.0
        for source in range(17):
            reached = set(core_of[inputs[:, source]].tolist())
            if source >= 5:
                reached.discard(int(core_of[source - 5]))
            total += rates[source] * len(reached)
        return total

    after = reduce_traffic(split, before, Traffic(rates, 5))
    assert events(after) <= events(before) + 1e-9
    assert set(after.tolist()) == set(before.tolist())
    assert fits(inputs, after, limits)
    tally = Tally(split, before)
    for neuron in range(12):
        tally.move(neuron, int(rng.integers(tally.cores)))
    tally.move(0, tally.cores - 1)  # so that the last core is not empty
    fresh = Tally(split, tally.core_of.astype(np.int32))
    np.testing.assert_array_equal(tally.words, fresh.words)
    np.testing.assert_array_equal(tally.axons, fresh.axons)
    np.testing.assert_array_equal(tally.targets, fresh.targets)
