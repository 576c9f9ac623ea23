"""Shared fixtures: small integer networks, and the command line in this process."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from shape_checks import Calls, install

install("ipvae_snn.ir", "ipvae_snn.models")  # before the first import of theirs

from circuits import circuit, replace

from ipvae_snn.cli.app import main
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses
from ipvae_snn.kernels.checked_cache import COMPILING


def make_network(
    seed: int = 0,
    height: int = 4,
    width: int = 3,
    neurons: int = 7,
    extra_bits: int = 3,
    max_count: int = 40,
    zero_point: int = 100,
    rate_octaves: float = 6.0,
) -> IntegerNetwork:
    """Return a random integer network with many spikes; rates up to 2**rate_octaves."""
    rng = np.random.default_rng(seed)
    m, k, bits = height * width, neurons, 12
    lateral = rng.integers(-127, 40, (k, k)).astype(np.int8)
    np.fill_diagonal(lateral, 0)
    return circuit(
        input=InputCode((height, width), "standardised", 0.05, zero_point),
        feedforward=Synapses.dense(
            rng.integers(-127, 128, (k, m)).astype(np.int8),
            rng.integers(1 << 13, 1 << 15, k).astype(np.int32),
            rng.integers(12, 16, k).astype(np.int32),
        ),
        lateral=Synapses.dense(
            lateral,
            rng.integers(1 << 13, 1 << 15, k).astype(np.int32),
            rng.integers(10, 14, k).astype(np.int32),
        ),
        neurons=PoissonNeurons(
            bias=rng.integers(-3000, 3000, k).astype(np.int32) << extra_bits,
            self_inhibition=rng.integers(0, 9000, k).astype(np.int32) << extra_bits,
            initial_state=rng.integers(-8 << bits, 2 << bits, k).astype(np.int32),
            fraction_bits=bits,
            extra_bits=extra_bits,
            state_min=-11 << bits,
            state_max=int(rate_octaves * (1 << bits)),
            update_min=-9 << bits,
            excitation_max=5 << bits,
            max_count=max_count,
        ),
        decoder=Decoder.dense(
            rng.integers(-32767, 32768, (m, k)).astype(np.int16),
            rng.uniform(1e-5, 1e-4, m).astype(np.float32),
        ),
        provenance={"made_by": "tests/conftest.py"},
    )


def make_two_layer(
    seed: int = 0,
    height: int = 4,
    width: int = 3,
    neurons: int = 7,
    extra_bits: int = 3,
    max_count: int = 40,
    zero_point: int = 100,
    rate_octaves: float = 5.2,
    limit: int = 200,
    largest_weight: int = 127,
    prediction_shift: int = 17,
) -> IntegerNetwork:
    """Return a random two-layer network; feed-forward weights are the prediction's, transposed."""
    base = make_network(
        seed, height, width, neurons, extra_bits, max_count, zero_point, rate_octaves
    )
    rng = np.random.default_rng(seed + 1)
    m, k = height * width, neurons
    weights = rng.integers(-largest_weight, largest_weight + 1, (k, m)).astype(np.int8)
    prediction = Synapses.dense(
        weights.T.copy(),
        rng.integers(1 << 13, 1 << 15, m).astype(np.int32),
        rng.integers(prediction_shift, prediction_shift + 2, m).astype(np.int32),
    )
    feedforward = Synapses.dense(
        weights, base.feedforward.multiplier, rng.integers(14, 17, k).astype(np.int32)
    )
    scale = prediction.multiplier * 2.0**-prediction.shift
    own = (weights.astype(float) ** 2 @ scale) * feedforward.multiplier * 2.0**-feedforward.shift
    itself = base.neurons.self_inhibition // 256
    inhibition = np.minimum(own, (1 << 23) - 1 - itself).astype(np.int32)
    return replace(
        base,
        feedforward=feedforward,
        lateral=None,
        residual=Residual(prediction, limit, inhibition),
        neurons=replace(base.neurons, self_inhibition=itself),
    )


def make_pixels(network: IntegerNetwork, n: int, seed: int = 1) -> np.ndarray:
    """Return n random images (n, M) uint8 that reach both ends of the range."""
    return np.random.default_rng(seed).integers(0, 256, (n, network.n_pixels)).astype(np.uint8)


@pytest.fixture(autouse=True)
def shapes_of_a_test() -> Iterator[None]:
    """Check the shapes of each function's first calls in every test."""
    with Calls.of_a_test():
        yield


@pytest.fixture
def network() -> IntegerNetwork:
    """A small random integer network."""
    return make_network()


@pytest.fixture
def network_factory() -> Callable[..., IntegerNetwork]:
    """Return `make_network`, for tests that need other sizes or limits."""
    return make_network


@pytest.fixture
def two_layer() -> IntegerNetwork:
    """A small random integer network of the two-layer circuit."""
    return make_two_layer()


@pytest.fixture
def two_layer_factory() -> Callable[..., IntegerNetwork]:
    """Return `make_two_layer`, for tests that need other sizes or limits."""
    return make_two_layer


@pytest.fixture
def pixels_factory() -> Callable[..., np.ndarray]:
    """Return `make_pixels`: (network, n, seed=1) -> (n, M) uint8."""
    return make_pixels


@pytest.fixture(scope="session")
def lava_python() -> Path:
    """The interpreter of the Lava environment; without one the test is skipped (CI has one)."""
    environment = find()
    if environment is None:
        pytest.skip("no Lava environment here; make one by `ipvae-snn lava setup`")
    return environment.python


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; returns exit code, stdout and stderr."""

    def execute(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ipvae-snn", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        # The first test that needs a loop compiles it; tests/cli/test_compiling.py reads this line.
        return code, captured.out, captured.err.replace(f"ipvae-snn: {COMPILING}\n", "")

    return execute
