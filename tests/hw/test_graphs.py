"""Costs and placement of any graph: nothing asks which circuit it is."""

import numpy as np
from graphs import networks
from hypothesis import given, settings

from ipvae_snn.backends import compiled
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.cost.neurobench import metrics, tally
from ipvae_snn.hw.cost.sent import sent_in_steps
from ipvae_snn.hw.mapping.events import assumed, counted
from ipvae_snn.hw.mapping.footprint import footprint
from ipvae_snn.hw.mapping.mapping import check_and_place
from ipvae_snn.ir import IntegerNetwork, interpreter
from ipvae_snn.ir.interpreter import Keys
from ipvae_snn.ir.trace import RunRequest, counts_of, states_of


@given(networks())
@settings(max_examples=25, deadline=None)
def test_any_graph_has_costs_and_a_place(network: IntegerNetwork) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, network.n_pixels)).astype(np.uint8)
    trace = compiled.run(network, pixels, RunRequest(4, trace=True))
    counts, states = counts_of(trace), states_of(trace)
    result = activity(network, pixels, counts)
    assert result.spikes == trace.counts_sum.sum() / 3
    assert 0 <= result.synaptic_operations <= result.dense_operations + network.n_pixels
    assert result.updates == 4 * sum(one.size for one in network.populations)
    bench = metrics(network, [tally(network, pixels, counts, states)])
    assert 0 <= bench.activation_sparsity <= 1
    assert footprint(network).constant_bytes == bench.footprint_bytes
    seen = counted(network, [(pixels, counts)], "noise")
    highest = assumed(network, 4)
    for source, events in seen.by_source.items():
        assert (events <= highest.by_source[source]).all()
    assert check_and_place(network, load_profile("generic"), "spikes", seen).checks


@given(networks())
@settings(max_examples=25, deadline=None)
def test_what_is_sent_is_what_the_interpreter_sends(network: IntegerNetwork) -> None:
    """Relays included, step by step."""
    pixels = np.random.default_rng(1).integers(0, 256, (2, network.n_pixels)).astype(np.uint8)
    trace = interpreter.run(network, pixels, RunRequest(3, trace=True))
    payload = pixels.astype(np.int64) - network.input.zero_point
    steps = list(sent_in_steps(network, payload, counts_of(trace)))
    states, shown = interpreter.initial(network, 2), interpreter.show(network, pixels)
    for step, result in enumerate(steps):
        sent = interpreter.send(network, states, Keys(0, np.arange(2), step))
        expected, _ = interpreter.relay(network, shown, sent)
        for name, values in result.items():
            np.testing.assert_array_equal(values, expected[name])
        states, _ = interpreter.integrate(network, states, shown, sent)
