"""The Lava neuron's arithmetic, a second implementation, equals the interpreter's by equality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipvae_snn.hw.lava.processes import arithmetic
from ipvae_snn.interpreter import integrate
from ipvae_snn.ir import scale_sum
from ipvae_snn.prng import uniforms
from ipvae_snn.sampler import SamplerTables, part_count, part_rate, spike_counts
from ipvae_snn.sampler_law import part_thresholds

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
@given(WORD, WORD, st.integers(0, (1 << 20) - 5), st.integers(1, 9))
def test_the_uniforms_of_many_steps_are_those_of_each(seed, image, step, n):
    block = arithmetic.first_uniforms(seed, image, step, 5, n)
    for row in range(5):
        np.testing.assert_array_equal(block[row], uniforms(seed, [image], step + row, n)[0])


@settings(deadline=None)
@given(WORD, WORD, st.integers(0, (1 << 20) - 1), st.integers(0, 4095), st.integers(1, 9))
def test_the_uniforms_of_parts_are_the_generators(seed, image, step, part, n):
    neuron = np.arange(n)
    found = arithmetic.part_uniforms(seed, image, step, np.array([[part]]), neuron)
    np.testing.assert_array_equal(found[0], uniforms(seed, [image], step, n, part)[0])


@settings(max_examples=25, deadline=None)
@given(WORD, st.integers(4, 16), st.integers(1, 1 << 15), st.sampled_from([3, 6, 9, 15]))
def test_counts_equal_the_interpreters_up_to_the_largest_rate(seed, bits, max_count, octaves):
    rng = np.random.default_rng(seed)
    n = 40 if octaves < 15 else 3
    potential = rng.integers(-12 << bits, (octaves << bits) + 1, n)
    potential[:2] = -12 << bits, octaves << bits

    def draw(part, neuron):
        return arithmetic.part_uniforms(seed, 7, 11, part, neuron)

    found = arithmetic.sample(
        potential, arithmetic.first_uniforms(seed, 7, 11, 1, n)[0], draw, bits, max_count,
        PLAIN_TABLES,
    )  # fmt: skip
    wanted = spike_counts(
        potential[np.newaxis],
        lambda part: uniforms(seed, [7], 11, n, part).astype(np.int64),
        bits,
        max_count,
        TABLES,
    )
    np.testing.assert_array_equal(found, wanted[0])


@pytest.mark.parametrize("octaves", [-12, -7, 0, 3])
def test_counts_of_a_part_change_where_the_interpreters_do(octaves):
    """At, below and above every threshold, and at the largest uniform, which no bin holds."""
    potential = np.array([octaves << 12])
    edges = part_thresholds(potential, 12, TABLES)[0]
    uniforms = np.concatenate([edges - 1, edges, edges + 1])
    uniforms = np.unique(uniforms[uniforms < 1 << 31])
    rate = np.repeat(part_rate(potential, 12, TABLES), len(uniforms))
    found = arithmetic.invert(rate, uniforms, PLAIN_TABLES)
    np.testing.assert_array_equal(found, part_count(rate, uniforms, TABLES))
    assert found[-1] == (edges < 1 << 31).sum()


@pytest.mark.parametrize("extra_bits", [0, 1, 7])
def test_updates_equal_the_interpreters(network_factory, extra_bits):
    network = network_factory(extra_bits=extra_bits, neurons=9)
    group, rng, n = network.neurons, np.random.default_rng(extra_bits), 200
    state = rng.integers(group.state_min, group.state_max + 1, (n, 9))
    # Beyond both clamps of the update, which lie at -9 and 5 octaves of 2**12.
    current = rng.integers(-(20 << 12), 20 << 12, (n, 9)) << extra_bits
    counts = rng.integers(0, group.max_count + 1, (n, 9))
    counts[:40] = 0  # with spikes, hardly anything but self-inhibition decides
    wanted, saturated = integrate(network, state, current, counts)
    for row in range(n):
        total = (network.lateral.weights.astype(np.int64) @ counts[row]).astype(np.int32)
        scaled = arithmetic.scale(
            arithmetic.check_sum(total, "lateral"),
            network.lateral.multiplier.astype(np.int64),
            network.lateral.shift.astype(np.int64),
        )
        np.testing.assert_array_equal(scaled, scale_sum(total.astype(np.int64), network.lateral))
        found = arithmetic.integrate(
            state[row],
            current[row] + scaled,
            group.self_inhibition * counts[row],
            extra_bits,
            (group.update_min, group.excitation_max),
            (group.state_min, group.state_max),
        )
        np.testing.assert_array_equal(found, wanted[row])
    assert (wanted == group.state_min).any()
    assert (wanted == group.state_max).any()
    assert (saturated[:, 1:4].sum(axis=0) > 0).all()  # all three clamps were at work


def test_no_excitation_hides_a_neurons_own_spikes():
    """6000 above what 3 spikes of 200 leave of 5000: (5000 - 600) 2 / 2; by hand."""
    found = arithmetic.integrate(
        np.array([0]), np.array([12000]), np.array([3 * 400]), 1, (-6000, 5000), (-40000, 20000)
    )
    assert found.tolist() == [4400]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_beyond_24_bits_is_refused(sign):
    total = np.zeros(3, dtype=np.int32)
    total[1] = sign * ((1 << 23) - 1)
    np.testing.assert_array_equal(arithmetic.check_sum(total, "lateral"), total)
    total[2] = sign * (1 << 23)
    with pytest.raises(OverflowError) as caught:
        arithmetic.check_sum(total, "lateral")
    assert str(caught.value) == (
        f"the lateral sum of neuron 2 is {sign * 8388608}, beyond the 24-bit accumulator's "
        "8388607; the program was altered, or its proof is wrong"
    )
