"""Conversion of convolutional networks: against the dense network of equal weights."""

import numpy as np
import pytest
from convolutions import positions, stored_network
from hypothesis import given, settings

from ipvae_snn.backends import compiled
from ipvae_snn.conversion import competition
from ipvae_snn.conversion.calibration import Calibration, calibrate
from ipvae_snn.conversion.circuits import target_of
from ipvae_snn.conversion.competition import MatrixCompetition, SharedCompetition
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.conversion.shared import shared_target
from ipvae_snn.errors import ConversionError
from ipvae_snn.inference.reference import run_float
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.encode import levels
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.kernel_positions import KernelPositions
from ipvae_snn.models.shared_kernels import SharedKernels

POSITIONS = KernelPositions((11, 9, 3), 5, (5, 3), 3)


def images(shape: tuple[int, ...], n: int = 40) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.normal(0, 1, (n, int(np.prod(shape)))).astype(np.float32)


def matrix_of(law: SharedCompetition) -> np.ndarray:
    """Return the competition as a matrix, from what one spike of each neuron takes."""
    k = len(law.own)
    return np.stack([law.taken(one) for one in np.eye(k)], axis=1)


@pytest.fixture(scope="module")
def network() -> FloatNetwork:
    return stored_network(POSITIONS)


@pytest.fixture(scope="module")
def calibration(network: FloatNetwork) -> Calibration:
    return calibrate(network, images(network.image_shape), "noise", 24)


@given(positions())
@settings(max_examples=30, deadline=None)
def test_the_target_is_the_dense_networks(p: KernelPositions) -> None:
    """Drive, competition, threshold and self-inhibition of the equal matrix."""
    network = stored_network(p)
    dictionary = network.dictionary
    assert isinstance(dictionary, SharedKernels)
    result = shared_target(network, dictionary, 12)
    expected = target_of(network, np.ones(p.n_pixels, bool), 12)
    np.testing.assert_allclose(matrix_of(result.law), expected.competition, atol=1e-6)
    np.testing.assert_allclose(result.own, expected.own, rtol=1e-6)
    np.testing.assert_allclose(result.threshold, expected.threshold)
    assert (result.soft, result.unit) == (expected.soft, expected.unit)


@given(positions())
@settings(max_examples=30, deadline=None)
def test_stability_is_judged_on_the_safe_side(p: KernelPositions) -> None:
    """The torus bounds eigenvalue and margin of the matrix from below; the gain is its own."""
    network = stored_network(p)
    dictionary = network.dictionary
    assert isinstance(dictionary, SharedKernels)
    law = shared_target(network, dictionary, 12).law.scaled(1e-3)
    exact = MatrixCompetition(matrix_of(law))
    rng = np.random.default_rng(1)
    threshold, rates = rng.random(len(law.own)), rng.random(len(law.own)) + 0.1
    assert law.smallest_eigenvalue() <= exact.smallest_eigenvalue() + 1e-9
    assert law.energy_margin(threshold, rates) <= exact.energy_margin(threshold, rates) + 1e-9
    assert law.loop_gain(rates) == pytest.approx(exact.loop_gain(rates), rel=1e-3)


def test_the_gain_of_many_neurons_is_found_by_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(competition, "DIRECT", 10)
    p = KernelPositions((16, 16), 4, (4, 4), 2)
    network = stored_network(p)
    dictionary = network.dictionary
    assert isinstance(dictionary, SharedKernels)
    law = shared_target(network, dictionary, 12).law.scaled(1e-3)
    rates = np.random.default_rng(1).random(len(law.own))
    assert len(rates) == 196
    exact = MatrixCompetition(matrix_of(law)).loop_gain(rates)
    assert law.loop_gain(rates) == pytest.approx(exact, rel=1e-3)


def test_the_integers_follow_the_floats(network: FloatNetwork, calibration: Calibration) -> None:
    """Same uniforms: nearly the same counts, and a reconstruction as good."""
    integer, report = convert(network, calibration, ConversionSettings())
    pixels = calibration.pixels
    request = RunRequest(24, trace=True)
    result = compiled.run(integer, levels(integer.input, pixels), request)
    expected = run_float(network, pixels, request)
    assert result.counts is not None
    assert expected.counts is not None
    assert (result.counts != expected.counts).mean() < 0.02
    errors = [((pixels - one.reconstruction) ** 2).sum() for one in (result, expected)]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)
    assert report.certificate.rate_bound <= report.certificate.rate_bound_limit
    assert report.certificate.energy_margin >= -1e-9
    assert [one.name for one in report.connections] == ["feedforward", "lateral"]
    assert integer.population("neurons").grid == POSITIONS.population


def test_the_reference_agrees(network: FloatNetwork, calibration: Calibration) -> None:
    integer, _ = convert(network, calibration, ConversionSettings(5, 4, sparsity=0.5))
    pixels = levels(integer.input, calibration.pixels[:5])
    expected = interpreter.run(integer, pixels, RunRequest(6, 3, trace=True))
    result = compiled.run(integer, pixels, RunRequest(6, 3, trace=True))
    for name, value in expected.arrays().items():
        np.testing.assert_array_equal(result.arrays()[name], value, name, strict=True)
    lateral = integer.connection("lateral").synapses.weights.arrays()["kernel"]
    assert (lateral == 0).mean() > 0.45
    assert integer.connection("feedforward").synapses.weight_bits <= 5
    assert integer.connection("lateral").synapses.weight_bits <= 4


def test_two_layers_are_refused(network: FloatNetwork, calibration: Calibration) -> None:
    with pytest.raises(
        ConversionError,
        match=r"^a convolutional network has no two-layer circuit; convert it with --circuit one-",
    ):
        convert(network, calibration, ConversionSettings(circuit="two-layer"))
