"""Read-outs: accumulators whose largest score names the class."""

import numpy as np
import pytest

from ipvae_snn.backends import compiled
from ipvae_snn.conversion.readout import CLASSES, READOUT, attach_readout
from ipvae_snn.errors import ConversionError
from ipvae_snn.ir import IntegerNetwork, interpreter
from ipvae_snn.ir.trace import RunRequest

STEPS = 20


def labelled(network: IntegerNetwork) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return dark and bright images, the classes 7 and 3 in turn, and their spike counts."""
    rng = np.random.default_rng(2)
    labels = np.tile([7, 3], 60)
    bright = np.where(labels == 3, 190, 40)[:, None]
    noise = rng.integers(-30, 31, (120, network.n_pixels))
    pixels = (bright + noise).clip(0, 255).astype(np.uint8)
    return pixels, labels, compiled.run(network, pixels, RunRequest(STEPS)).counts_sum


@pytest.mark.parametrize("circuit", ["network", "two_layer"])
def test_a_read_out_names_the_class(circuit: str, request: pytest.FixtureRequest) -> None:
    """On either circuit; its scores are what its weights say of the counts."""
    network: IntegerNetwork = request.getfixturevalue(circuit)
    pixels, labels, counts = labelled(network)
    result, report = attach_readout(network, counts, labels, STEPS)
    assert result.circuit == network.circuit
    assert sorted(result.labels.tolist()) == [3, 7]
    assert (report.classes, report.fitted_on, report.held_out) == (2, 108, 12)
    assert report.accuracy_float == report.accuracy_integer == 1.0
    trace = compiled.run(result, pixels, RunRequest(STEPS))
    assert trace.scores is not None
    named = result.labels[trace.scores[:, -1].argmax(axis=1)]
    assert (named == labels).mean() > 0.95
    np.testing.assert_array_equal(trace.counts_sum, counts)
    reference = interpreter.run(result, pixels[:5], RunRequest(STEPS))
    np.testing.assert_array_equal(trace.scores[:5], reference.scores)


def test_scores_are_sums_over_the_steps(network: IntegerNetwork) -> None:
    """Each step adds the scaled sum of its own counts, and the bias."""
    pixels, labels, counts = labelled(network)
    result, _ = attach_readout(network, counts, labels, STEPS)
    trace = interpreter.run(result, pixels[:4], RunRequest(6, trace=True))
    assert trace.counts is not None
    assert trace.scores is not None
    synapses = result.connection(READOUT).synapses
    bias = result.population(CLASSES).neurons.per_neuron()["bias"]
    added = synapses.scaled(synapses.weights.sums(trace.counts.reshape(24, -1).astype(np.int64)))
    expected = np.cumsum(added.reshape(4, 6, -1) + bias, axis=1)
    np.testing.assert_array_equal(trace.scores, expected)


def test_few_bits_are_kept_to(network: IntegerNetwork) -> None:
    _, labels, counts = labelled(network)
    result, _ = attach_readout(network, counts, labels, STEPS, bits=3)
    assert result.connection(READOUT).synapses.weight_bits <= 3


def test_one_class_is_refused(network: IntegerNetwork) -> None:
    _, labels, counts = labelled(network)
    with pytest.raises(ConversionError, match=r"^the images have 1 classes, but a read-out"):
        attach_readout(network, counts, labels * 0, STEPS)
