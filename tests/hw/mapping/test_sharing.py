"""Lists of synapses that axons share: by hand, against a plain loop, and in whole placements."""

from dataclasses import replace

import numpy as np
import pytest
from graphs import networks
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from ipvae_snn.hw.chips.profile import ChipProfile, load_profile, parse_profile
from ipvae_snn.hw.chips.template import toml_text
from ipvae_snn.hw.mapping.core_capacity import Room, room_of
from ipvae_snn.hw.mapping.events import assumed
from ipvae_snn.hw.mapping.fill import Task
from ipvae_snn.hw.mapping.mapping import check_and_place
from ipvae_snn.hw.mapping.placement import core_uses, map_network
from ipvae_snn.hw.mapping.populations import layout_of
from ipvae_snn.hw.mapping.sharing import numbers_on_cores, words_of_lists
from ipvae_snn.hw.mapping.tiles import tiled
from ipvae_snn.ir import (
    Connection,
    Convolution,
    Decoder,
    Dense,
    Geometry,
    InputCode,
    IntegerNetwork,
    LcaNeurons,
    Population,
    Synapses,
)

ROOM = Room(None, None, None, None, None, 8.0, 4, 1, True, shares_weights=True)


def chip(shares: bool, words: int | None = None) -> ChipProfile:
    """Return the generic profile, with or without sharing, with so many words on a core."""
    base = load_profile("generic")
    sharing = replace(base.features["weight_sharing"], value=shares)
    limits = dict(base.limits)
    if words is not None:
        limits["synapse_words_per_core"] = replace(
            limits["synapse_words_per_core"], low=words, high=words
        )
    return replace(base, limits=limits, features={**base.features, "weight_sharing": sharing})


def row_of_kernels(places: int) -> np.ndarray:
    """Return weights (places, places + 1) of a kernel (3, 5) that moves along a line of pixels."""
    weights = np.zeros((places, places + 1), np.int8)
    weights[np.arange(places), np.arange(places)] = 3
    weights[np.arange(places), np.arange(places) + 1] = 5
    return weights


def test_lists_by_hand() -> None:
    """A kernel (3, 5) at 6 places: the first and last pixel have lists of their own, others one.

    On one core three lists: (3), (5, 3), (5); each takes a header and a word: 6 words, where 7
    axons would take 14. On cores of 3 places: (3), (5, 3), (5) each: 6 and 6.
    """
    shared = sparse.csr_array(row_of_kernels(6))
    np.testing.assert_array_equal(words_of_lists(shared, np.zeros(6, np.int32), 1, ROOM), [6])
    halves = np.repeat(np.array([0, 1], np.int32), 3)
    np.testing.assert_array_equal(words_of_lists(shared, halves, 2, ROOM), [6, 6])


def test_order_on_the_core_decides_what_is_equal() -> None:
    """Places 0, 2 | 1, 3 on two cores: the pixel between two places reaches one on each.

    Core 0 holds places 0 and 2: pixel 0 (3), 1 (5), 2 (3), 3 (5): two lists, 4 words.
    """
    shared = sparse.csr_array(row_of_kernels(4))
    core_of = np.array([0, 1, 0, 1], np.int32)
    np.testing.assert_array_equal(numbers_on_cores(core_of), [0, 0, 1, 1])
    np.testing.assert_array_equal(words_of_lists(shared, core_of, 2, ROOM), [4, 4])


@given(networks(), st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_words_are_those_of_a_plain_loop(network: IntegerNetwork, cores: int, seed: int) -> None:
    """Every axon's list, written out, from the dense weights."""
    rng = np.random.default_rng(seed)
    for projection in layout_of(network, "spikes").projections:
        if projection.shared is None:
            continue
        matrix = projection.shared.toarray()
        np.testing.assert_array_equal(matrix != 0, projection.pattern.toarray())
        core_of = rng.integers(0, cores, len(matrix)).astype(np.int32)
        expected = []
        for core in range(cores):
            lists = set()
            for column in matrix[core_of == core].T:
                reached = np.flatnonzero(column)
                if len(reached):
                    lists.add(tuple((n - reached[0], column[n]) for n in reached.tolist()))
            expected.append(sum(1 + -(-len(one) // 4) for one in lists))
        np.testing.assert_array_equal(
            words_of_lists(projection.shared, core_of, cores, ROOM), expected
        )


@given(networks(), st.sampled_from([40, 200]))
@settings(max_examples=15, deadline=None)
def test_a_chip_that_shares_never_needs_more(network: IntegerNetwork, words: int) -> None:
    """Each neuron once, within the limits, not below the bound; no more cores than expanded."""
    with_it, without = (
        check_and_place(network, chip(shares, words), "spikes", assumed(network, 2))
        for shares in (True, False)
    )
    assert (with_it.placed is None) == (without.placed is None)
    if with_it.placed is None or without.placed is None:
        assert with_it.failed
        return
    split = with_it.placed.placement.partition
    assert split.cores <= without.placed.placement.partition.cores
    for population in network.populations:
        used = len(np.unique(split.core_of[population.name]))
        assert split.least_cores[population.name] <= used
    assert sum(use.neurons for use in with_it.placed.uses) == sum(
        one.size for one in network.populations
    )
    for use in with_it.placed.uses:
        assert use.words is not None
        assert use.words <= words


def line(places: int) -> IntegerNetwork:
    """Return LCA neurons that see a line of pixels through the kernel (3, 5)."""
    zeros = np.zeros(places, np.int32)
    kernel = np.array([3, 5], np.int8).reshape(1, 1, 1, 2)
    geometry = Geometry(1, 1, places + 1, 1, 2, 1, 1, 0, True)
    neurons = LcaNeurons(zeros, leak_shift=2, payload_shift=0, max_payload=9, state_max=999)
    synapses = Synapses(Convolution(kernel, geometry), zeros + 1, zeros + 6)
    decoder = np.zeros((places + 1, places), np.int16), np.ones(places + 1, np.float32)
    return IntegerNetwork(
        InputCode((1, places + 1), "standardised", 0.01, 0),
        (Population("first", neurons, (1, 1, places)),),
        (Connection("forward", "image", "first", synapses),),
        Decoder(Dense(decoder[0]), decoder[1], "first"),
    )


def test_a_long_line_takes_one_core_where_lists_are_shared() -> None:
    """100 places, 60 words of 8 synapses: 2 words for each of 101 pixels, or 6 in all."""
    network = line(100)
    events = assumed(network, 2)
    alone = core_uses(map_network(network, chip(False, 60), "spikes", events))
    assert [use.neurons for use in alone] == [29, 29, 29, 13]
    (one,) = core_uses(map_network(network, chip(True, 60), "spikes", events))
    assert (one.neurons, one.axons_in, one.synapses, one.words) == (100, 101, 200, 6)


def test_tiles_are_split_where_neurons_do_not_fit() -> None:
    """At most 16 neurons on a core: 100 places make 8 tiles of 12 or 13, in their order."""
    projection = layout_of(line(100), "spikes").projections[0]
    task = Task(projection.pattern, replace(ROOM, neurons=16), 0, np.zeros(100, np.int64))
    split = tiled(task, (1, 1, 100), [projection])
    assert split is not None
    assert (np.diff(split) >= 0).all()
    np.testing.assert_array_equal(np.unique(np.bincount(split)), [12, 13])
    assert tiled(replace(task, room=replace(ROOM, words=1)), (1, 1, 100), [projection]) is None


@pytest.mark.parametrize(
    ("name", "shares"), [("generic", True), ("loihi1", True), ("loihi2", False)]
)
def test_profiles_that_share(name: str, shares: bool) -> None:
    """Loihi 1 by nengo-loihi's source; nothing is public on Loihi 2's memory of shared lists."""
    assert room_of(load_profile(name)).shares_weights is shares


def test_dense_weights_are_never_shared(network: IntegerNetwork) -> None:
    """Each of their synapses is stored."""
    assert [one.shared for one in layout_of(network, "spikes").projections] == [None, None]


def test_a_profile_may_leave_sharing_out() -> None:
    """Files written before the feature was known stay valid; weights are then expanded."""
    text = toml_text(load_profile("generic"))
    lines = [line for line in text.splitlines() if not line.startswith("weight_sharing")]
    assert len(lines) == len(text.splitlines()) - 1
    assert not parse_profile("\n".join(lines), "a test").shares_weights
