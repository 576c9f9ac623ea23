"""What a start costs: its weights times active pixels, once per image, on every page of figures."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from started import with_start

from ipvae_snn.backends import compiled
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.cost.moving import frame_operations
from ipvae_snn.hw.cost.neurobench import metrics, tally
from ipvae_snn.hw.cost.weight_memory import held_bytes
from ipvae_snn.hw.mapping.events import counted
from ipvae_snn.hw.mapping.footprint import footprint
from ipvae_snn.hw.mapping.mapping import check_and_place
from ipvae_snn.hw.mapping.populations import layout_of
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.start import START
from ipvae_snn.ir.trace import RunRequest, counts_of, states_of


def test_operations_memory_and_places(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    """The same counts, priced with and without the start."""
    started, pixels = with_start(network, sparse=True), pixels_factory(network, 5)
    assert started.start is not None
    pixels[:, ::3] = network.input.zero_point
    trace = compiled.run(started, pixels, RunRequest(3, trace=True))
    counts, states = counts_of(trace), states_of(trace)
    fan_out = (started.start.synapses.matrix != 0).sum(axis=0)
    own = ((pixels != network.input.zero_point) @ fan_out).mean()
    assert own > 0
    with_it, without = activity(started, pixels, counts), activity(network, pixels, counts)
    assert with_it.input_operations - without.input_operations == own
    assert with_it.synaptic_operations - without.synaptic_operations == own
    assert with_it.dense_operations - without.dense_operations == started.start.synapses.matrix.size
    assert with_it.held_bytes - without.held_bytes == held_bytes(started.start.synapses.weights)
    assert with_it.read_bytes > without.read_bytes
    benched, plain = (
        metrics(one, [tally(one, pixels, counts, states)]) for one in (started, network)
    )
    added = benched.effective_macs + benched.effective_acs
    np.testing.assert_allclose(added - plain.effective_macs - plain.effective_acs, own)
    assert footprint(started).constant_bytes == benched.footprint_bytes
    assert footprint(started).constant_bytes > footprint(network).constant_bytes
    (work,) = (one for one in footprint(started).work if one.connection == START)
    assert work.when == "once per image"
    events = counted(started, [(pixels, counts)], "noise")
    placed = check_and_place(started, load_profile("generic"), "spikes", events)
    assert placed.checks
    assert START in [one.name for one in layout_of(started, "spikes").projections]
    # A host that writes the input currents forms the first potentials too.
    assert START not in [one.name for one in layout_of(started, "bias").projections]


def test_of_moving_images_the_first_frame_alone(
    network: IntegerNetwork, pixels_factory: Callable[..., np.ndarray]
) -> None:
    started = with_start(network)
    frames = pixels_factory(network, 6).reshape(2, 3, -1)
    counts = counts_of(compiled.run(started, frames, RunRequest(2, trace=True)))
    more = frame_operations(started, frames, counts) - frame_operations(
        replace(started, start=None), frames, counts
    )
    assert more[0] > 0
    assert more[1:].tolist() == [0.0, 0.0]
