"""Operations of moving images: the input costs what changes."""

from collections.abc import Callable

import numpy as np
import pytest
from graphs import networks
from hypothesis import given, settings

from ipvae_snn.backends import compiled
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.cost.moving import frame_operations
from ipvae_snn.ir import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of


@given(networks())
@settings(max_examples=25, deadline=None)
def test_one_frame_is_a_still_image(network: IntegerNetwork) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, network.n_pixels)).astype(np.uint8)
    counts = counts_of(compiled.run(network, pixels, RunRequest(4, trace=True)))
    result = frame_operations(network, pixels[:, None], counts)
    assert result.shape == (1,)
    assert result[0] == pytest.approx(activity(network, pixels, counts).synaptic_operations)


def test_a_frame_that_stays_sends_no_pixel(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """Only spikes cost; a pixel that changes costs its weights."""
    still = np.repeat(pixels_factory(network, 2)[:, None], 3, axis=1)
    moved = still.copy()
    moved[0, 2, 5] ^= 1
    counts = np.zeros((2, 6, network.n_neurons), np.int32)
    first, *rest = frame_operations(network, still, counts)
    assert first > 0
    assert rest == [0, 0]
    fan_out = network.connection("feedforward").synapses.weights.fan_out()
    assert frame_operations(network, moved, counts).tolist() == [first, 0, fan_out[5] / 2]
