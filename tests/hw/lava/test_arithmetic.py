"""The Lava neuron's arithmetic, a second implementation, equals the interpreter's by equality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.conversion.sampler_law import part_thresholds
from ipvae_snn.hw.lava.bundle.simulator.processes import arithmetic
from ipvae_snn.hw.lava.bundle.simulator.processes.draws import KEPT_PARTS, STEPS, Draws
from ipvae_snn.hw.lava.bundle.simulator.processes.weights import synapses_of
from ipvae_snn.ir.circuit_steps import integrate
from ipvae_snn.ir.prng import uniforms
from ipvae_snn.ir.sampler import SamplerTables, spike_counts

TABLES = SamplerTables()
PLAIN_TABLES = (TABLES.coarse, TABLES.fine, TABLES.reciprocal)
WORD = st.integers(0, (1 << 32) - 1)


def test_threefry_known_answers():
    # Random123's kat_vectors, threefry2x32 with 20 rounds: counter, key -> result.
    ones = 0xFFFFFFFF
    for counter, key, wanted in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((ones, ones), (ones, ones), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ):
        words = arithmetic.threefry(*key, *(np.array([word], dtype=np.uint32) for word in counter))
        assert tuple(int(word[0]) for word in words) == wanted


@settings(deadline=None)
@given(WORD, WORD, st.integers(0, (1 << 20) - 5), st.integers(1, 9), st.integers(0, 4095))
def test_the_uniforms_of_many_steps_are_those_of_each(seed, image, step, n, part):
    block = arithmetic.block_uniforms(seed, image, step, 5, n, part)
    for row in range(5):
        np.testing.assert_array_equal(block[row], uniforms(seed, [image], step + row, n, part)[0])


@settings(deadline=None)
@given(WORD, WORD, st.integers(0, (1 << 20) - 1), st.integers(0, 4095), st.integers(1, 9))
def test_the_uniforms_of_parts_are_the_generators(seed, image, step, part, n):
    neuron = np.arange(n)
    result = arithmetic.part_uniforms(seed, image, np.int64(step), np.array([[part]]), neuron)
    np.testing.assert_array_equal(result[0], uniforms(seed, [image], step, n, part)[0])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3 * STEPS)), max_size=6), WORD)
def test_uniforms_drawn_ahead_are_those_of_their_own_step(visits, seed):
    """For any order of steps, and any number of parts drawn before."""
    draws, rng = Draws(seed, 5), np.random.default_rng(seed)
    for image, step in visits:
        draws.turn(image, step)
        np.testing.assert_array_equal(draws.of_first(), uniforms(seed, [image], step, 5)[0])
        neuron = np.flatnonzero(rng.random(5) < 0.6)
        parts = np.int64(1) << rng.integers(1, 7, len(neuron))
        start = 1
        while len(parts) and start < parts.max():
            result = draws.of_parts(start, parts, neuron)
            assert len(result) + start in (parts.max(), KEPT_PARTS)
            for row, part in enumerate(range(start, start + len(result))):
                wanted = uniforms(seed, [image], step, 5, part)[0][neuron]
                used = part < parts
                np.testing.assert_array_equal(result[row][used], wanted[used])
            start += len(result)


@settings(max_examples=12, deadline=None)
@given(WORD, st.integers(4, 16), st.sampled_from([3, 6, 9, 15]))
def test_counts_equal_the_interpreters_up_to_the_largest_rate(seed, bits, octaves):
    rng = np.random.default_rng(seed)
    n = 40 if octaves < 15 else 3
    lowest = -12 << bits
    potential = rng.integers(lowest, (octaves << bits) + 1, n)
    potential[:2] = lowest, octaves << bits
    table = arithmetic.thresholds(lowest, bits, PLAIN_TABLES)
    draws = Draws(seed, n)
    draws.turn(7, 11)
    uniform = draws.of_first()
    busy = arithmetic.spiking(potential, uniform, table[:, 0], lowest)
    result = np.zeros(n, np.int64)
    result[busy] = arithmetic.sample(
        potential[busy], uniform[busy], busy, draws.of_parts, bits, table, lowest
    )
    wanted = spike_counts(
        potential[np.newaxis],
        lambda part: uniforms(seed, [7], 11, n, part).astype(np.int64),
        bits,
        1 << 20,
        TABLES,
    )
    np.testing.assert_array_equal(result, wanted[0])


@pytest.mark.parametrize("lowest", [-12, 2])
def test_the_thresholds_are_the_laws_at_every_potential(lowest):
    result = arithmetic.thresholds(lowest << 12, 12, PLAIN_TABLES)
    potential = np.arange(lowest << 12, (3 << 12) + 1)
    np.testing.assert_array_equal(result, part_thresholds(potential, 12, TABLES))


@settings(max_examples=60, deadline=None)
@given(
    WORD,
    st.integers(1, 9),
    st.integers(1, 30),
    st.sampled_from([-3, -1, 0, 2]),
    st.sampled_from([1, 255, 1 << 15, 1 << 23]),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_sums_of_the_sources_that_spike_are_exact(seed, k, m, exponent, most, active):
    """In float32 where that is exact, else in float64, and clipped to 32 bits."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-254, 255, (k, m))
    message = np.where(rng.random(m) < active, rng.integers(-most, most + 1, m), 0)
    total = weights @ message
    wanted = total << exponent if exponent > 0 else total >> -exponent
    synapses = synapses_of(weights, exponent)
    result = synapses.sums(message.astype(np.int32))
    np.testing.assert_array_equal(result, np.clip(wanted, -(2**31) + 1, 2**31 - 1))
    spiking = np.flatnonzero(message)
    fan_out = (weights[:, spiking] != 0).sum(axis=0)
    assert synapses.cost(message.astype(np.int32)) == (
        len(spiking),
        fan_out.sum(),
        (fan_out * np.abs(message[spiking])).sum(),
    )


def test_a_sum_that_no_float_holds_is_refused():
    weights = np.full((1, 1 << 15), 254)
    message = np.full(1 << 15, (1 << 31) - 1, np.int32)
    with pytest.raises(OverflowError, match="exceeds 53 bits; the weights are too large"):
        synapses_of(weights).sums(message)


@pytest.mark.parametrize("extra_bits", [0, 1, 7])
def test_updates_equal_the_interpreters(network_factory, extra_bits):
    network = network_factory(extra_bits=extra_bits, neurons=9)
    group, rng, n = network.neurons, np.random.default_rng(extra_bits), 200
    state = rng.integers(group.state_min, group.state_max + 1, (n, 9))
    # Beyond both clamps of the update, which lie at -9 and 5 octaves of 2**12.
    current = rng.integers(-(20 << 12), 20 << 12, (n, 9)) << extra_bits
    counts = rng.integers(0, group.max_count + 1, (n, 9))
    counts[:40] = 0  # with spikes, self-inhibition dominates
    wanted, saturated = integrate(network, state, current, counts)
    for row in range(n):
        total = (network.lateral.matrix.astype(np.int64) @ counts[row]).astype(np.int32)
        scaled = arithmetic.scale(
            total.astype(np.int64),
            network.lateral.multiplier.astype(np.int64),
            network.lateral.shift.astype(np.int64),
        )
        np.testing.assert_array_equal(scaled, network.lateral.scaled(total.astype(np.int64)))
        result, held = arithmetic.integrate(
            state[row],
            current[row] + scaled,
            group.self_inhibition * counts[row],
            extra_bits,
            group.update_min << extra_bits,
            group.excitation_max << extra_bits,
            (group.state_min, group.state_max),
        )
        np.testing.assert_array_equal(result, wanted[row])
        np.testing.assert_array_equal(held, saturated[row, 1:4])
    assert (wanted == group.state_min).any()
    assert (wanted == group.state_max).any()
    assert (saturated[:, 1:4].sum(axis=0) > 0).all()  # all three clamps were reached


def test_no_excitation_hides_a_neurons_own_spikes():
    """6000 above, clipped to 5000; 3 spikes of 200: (5000 - 600) 2 / 2; by hand."""
    result, held = arithmetic.integrate(
        np.array([0]), np.array([12000]), np.array([3 * 400]), 1, -12000, 10000, (-40000, 20000)
    )
    assert result.tolist() == [4400]
    assert held == (1, 0, 0)
