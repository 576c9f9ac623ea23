"""Activity counted by hand, and energy proxies that never come without a source."""

from collections.abc import Callable

import numpy as np
import pytest

from ipvae_snn.errors import ConfigError
from ipvae_snn.hw.activity import Activity, activity
from ipvae_snn.hw.energy import float_energy, integer_energy, load_profile, profile_names
from ipvae_snn.ir import IntegerNetwork

BY_HAND = Activity(
    spikes=30, messages=20, synaptic_operations=1000, synaptic_operations_by_payload=1500,
    input_operations=100, updates_active=20, updates_inactive=80, dense_operations=5000,
)  # fmt: skip


def test_activity_counts_what_a_loop_counts(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """Against a plain loop over every synapse."""
    pixels = pixels_factory(network, 3)
    pixels[0, :5] = network.input.zero_point
    counts = np.random.default_rng(0).poisson(0.6, (3, 4, network.n_neurons))
    by_event = by_payload = inputs = 0
    for image in range(3):
        for m, pixel in enumerate(pixels[image]):
            if pixel != network.input.zero_point:
                inputs += int((network.feedforward.weights[:, m] != 0).sum())
        for step in range(4):
            for j, z in enumerate(counts[image, step]):
                fan_out = int((network.lateral.weights[:, j] != 0).sum())
                by_event += fan_out if z else 0
                by_payload += fan_out * int(z)
    found = activity(network, pixels, counts)
    assert found.input_operations == pytest.approx(inputs / 3)
    assert found.synaptic_operations == pytest.approx((inputs + by_event) / 3)
    assert found.synaptic_operations_by_payload == pytest.approx((inputs + by_payload) / 3)
    assert found.spikes == pytest.approx(counts.sum() / 3)
    assert found.messages == pytest.approx((counts > 0).sum() / 3)
    assert found.updates_active + found.updates_inactive == 4 * network.n_neurons
    assert found.dense_operations == 12 * 7 + 4 * 7 * 7


def test_activity_of_two_layers_counts_what_a_loop_counts(
    two_layer: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """Against a plain loop over every synapse, residuals made again by a plain loop too."""
    pixels = pixels_factory(two_layer, 3)
    pixels[0, :5] = two_layer.input.zero_point
    counts = np.random.default_rng(0).poisson(0.6, (3, 4, two_layer.n_neurons))
    layer = two_layer.residual
    assert layer is not None
    weights, forward = layer.prediction.weights.astype(int), two_layer.feedforward.weights
    by_event = by_payload = messages = 0
    for image in range(3):
        payload = pixels[image].astype(int) - two_layer.input.zero_point
        for step in range(4):
            for j, z in enumerate(counts[image, step]):
                fan_out = int((weights[:, j] != 0).sum())
                by_event += fan_out if z else 0
                by_payload += fan_out * int(z)
            for m in range(12):
                shift = int(layer.prediction.shift[m])
                total = int(weights[m] @ counts[image, step]) * int(layer.prediction.multiplier[m])
                error = int(payload[m]) - ((total + (1 << (shift - 1))) >> shift)
                error = max(-layer.limit, min(layer.limit, error))
                fan_out = int((forward[:, m] != 0).sum())
                messages += error != 0
                by_event += fan_out if error else 0
                by_payload += fan_out * abs(error)
    found = activity(two_layer, pixels, counts)
    shown = int((pixels != two_layer.input.zero_point).sum())
    assert found.input_operations == pytest.approx(shown / 3)
    assert found.synaptic_operations == pytest.approx((shown + by_event) / 3)
    assert found.synaptic_operations_by_payload == pytest.approx((shown + by_payload) / 3)
    assert found.spikes == pytest.approx(counts.sum() / 3)
    assert found.messages == found.updates_active
    assert found.messages == pytest.approx(((counts > 0).sum() + messages) / 3)
    assert found.updates_active + found.updates_inactive == pytest.approx(4 * (7 + 12))
    assert found.dense_operations == 2 * 4 * 12 * 7


def test_the_counts_of_a_float_run_may_pass_what_is_proved(
    two_layer: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """They are not bounded; residuals are those of the largest count."""
    pixels = pixels_factory(two_layer, 2)
    huge, largest = np.full((2, 3, 7), 1 << 20), np.full((2, 3, 7), two_layer.neurons.max_count)
    found, wanted = activity(two_layer, pixels, huge), activity(two_layer, pixels, largest)
    assert found.synaptic_operations == wanted.synaptic_operations


def test_loihi1_by_hand() -> None:
    """1000 * 23.6 + 20 * 81 + 80 * 52 pJ = 29.38 nJ."""
    found = integer_energy(load_profile("loihi1"), BY_HAND)
    assert found.nanojoule == pytest.approx(29.38)
    assert "Davies et al. 2018" in found.source


def test_cpu_by_hand() -> None:
    """Integer: 1000 * 0.3 pJ = 0.3 nJ; float: 5000 * 4.6 pJ = 23 nJ."""
    profile = load_profile("cpu-45nm")
    assert integer_energy(profile, BY_HAND).nanojoule == pytest.approx(0.3)
    assert float_energy(profile, BY_HAND).nanojoule == pytest.approx(23.0)


def test_what_is_not_published_stays_empty() -> None:
    """Loihi 2 has no per-operation energy, and most chips no dense float."""
    assert integer_energy(load_profile("loihi2"), BY_HAND).nanojoule is None
    assert float_energy(load_profile("loihi1"), BY_HAND).nanojoule is None


def test_every_profile_names_source_and_caveat() -> None:
    """Figures without a source are not shown, so none may lack it."""
    assert len(profile_names()) >= 6
    for name in profile_names():
        profile = load_profile(name)
        assert profile.name == name
        assert len(profile.source) > 15
        assert len(profile.caveat) > 15
        assert all(value > 0 for value in profile.picojoule.values())


def test_unknown_profile() -> None:
    """Named, with those that there are."""
    with pytest.raises(ConfigError, match="no energy profile is called 'loihi9'; there are cpu-45"):
        load_profile("loihi9")
