"""Inference with a convolutional dictionary equals that with the dense one that shares weights."""

import numpy as np
import pytest
from convolutions import positions, stored_network
from hypothesis import given, settings
from hypothesis import strategies as st

import small
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.evaluation.evaluate import evaluate, request_of
from ipvae_snn.inference import fast, reference
from ipvae_snn.inference.gram_form import gram_form
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.kernel_positions import KernelPositions

SEEDS = st.integers(0, 1 << 30)


def dense(network: FloatNetwork) -> FloatNetwork:
    """Return the equal network with a matrix."""
    return small.float_network(
        phi=network.phi,
        log_sigma=network.log_sigma,
        u0=network.u0,
        log_bias=network.log_bias,
        log_lr=network.log_lr,
        image_shape=network.image_shape,
        updates_per_step=network.updates_per_step,
        leak=network.leak,
    )


def pixels_of(network: FloatNetwork, n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, network.n_pixels)).astype(np.float32)


@settings(deadline=None, max_examples=25)
@given(positions(), SEEDS, st.integers(1, 2))
def test_runs_are_equal_on_equal_uniforms(p: KernelPositions, seed: int, updates: int) -> None:
    network = stored_network(p, seed, updates_per_step=updates, leak=0.2)
    pixels = pixels_of(network, 4, seed)
    one, other = (
        reference.run_float(each, pixels, RunRequest(6, 3, trace=True), threads=1)
        for each in (network, dense(network))
    )
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_allclose(one.states, other.states, atol=1e-5)
    np.testing.assert_allclose(one.reconstruction, other.reconstruction, atol=1e-5)
    np.testing.assert_allclose(
        gram_form(network).drive(pixels), gram_form(dense(network)).drive(pixels), atol=1e-5
    )


@settings(deadline=None, max_examples=15)
@given(positions(), SEEDS)
def test_one_step_of_single_precision(p: KernelPositions, seed: int) -> None:
    network = stored_network(p, seed)
    pixels = pixels_of(network, 4, seed)
    states = []
    for each in (network, dense(network)):
        c = fast.gram_network(each)
        first = fast.start(c, pixels, "standardised", "noise", 5)
        states.append(fast.advance(c, first, 1).state)
    np.testing.assert_allclose(*states, atol=1e-4)


def test_a_network_is_judged_without_a_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix of this network would take 1.5 GB; all that is needed fits into 64 MB."""
    network = stored_network(KernelPositions((64, 64, 3), 128, (8, 8), 4), 0, log_lr=-6.0)
    images = ImageSet("noise", "test", pixels_of(network, 2, 0), (64, 64, 3), "standardised")
    monkeypatch.setenv("IPVAE_SNN_MEMORY", "64M")
    result = evaluate(network, images, request_of(network, 2))
    assert np.isfinite(result.evaluation.last.r2.mean)
    assert reference.run_float(network, images.pixels, RunRequest(2)).counts_sum.shape == (2, 28800)
    with pytest.raises(DataError, match="pixels cannot be left out of a network with a convolutio"):
        reference.run_float(
            network, images.pixels, RunRequest(2), pixel_mask=np.ones(network.n_pixels, bool)
        )
