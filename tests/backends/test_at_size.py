"""K 512, M 784, both circuits: long runs are equal on all back ends, whatever they are shown.

The dictionary is that of the pretrained mnist-512; drawn strokes stand for its data set.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from circuits import replace
from scipy.ndimage import gaussian_filter

from ipvae_snn.arrays import Float32, UInt8
from ipvae_snn.backends import compiled, torch_module
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.export.onnx import backend
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.back_ends import registered
from ipvae_snn.ir.circuits import Residual
from ipvae_snn.ir.equality import first_divergence
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.parts import Synapses
from ipvae_snn.ir.saturation import saturations
from ipvae_snn.ir.trace import SATURATIONS, RunRequest, Trace
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.pretrained import network_path

Cli = Callable[..., tuple[int, str, str]]
OTHERS = {
    "compiled": compiled.run,
    "torch": torch_module.run,
    "onnx": backend.run,
}
SUM_LIMIT = (1 << 23) - 1
POTENTIAL = SATURATIONS.index("potential")


def strokes(n: int, seed: int) -> Float32:
    """Return n images (n, 784) in [0, 1] of a smooth random stroke in the middle 20 x 20 pixels."""
    rng = np.random.default_rng(seed)
    turns = rng.normal(0, 0.25, (n, 120)).cumsum(axis=1) + rng.uniform(0, 2 * np.pi, (n, 1))
    path = np.stack([np.sin(turns), np.cos(turns)], axis=-1).cumsum(axis=1)
    low, high = path.min(axis=1, keepdims=True), path.max(axis=1, keepdims=True)
    place = np.rint(6 + 15 * (path - low) / (high - low).max(axis=2, keepdims=True)).astype(int)
    images = np.zeros((n, 28, 28), np.float32)
    images[np.arange(n)[:, None], place[:, :, 0], place[:, :, 1]] = 1
    return np.clip(1.5 * gaussian_filter(images, (0, 0.8, 0.8), truncate=2), 0, 1).reshape(n, -1)


def converted(network: FloatNetwork) -> IntegerNetwork:
    """Return the one-layer network, calibrated on strokes."""
    calibration = calibrate(network, strokes(64, 0), "strokes", 32)
    return convert(network, calibration, ConversionSettings())[0]


def as_two_layers(one: IntegerNetwork, phi: Float32) -> IntegerNetwork:
    """Return the two-layer circuit of the dictionary phi (M, K), made by hand.

    It keeps the feed-forward connection, in half the weights and two extra bits fewer, since
    residuals have both signs. A pixel's prediction is phi z in units of its payload.
    """
    group, forward, scale = one.neurons, one.feedforward, one.input.scale
    payload = phi.astype(np.float64) / scale
    widest = SUM_LIMIT / group.max_count - phi.shape[1]  # of the sum of a pixel's weights
    step = np.maximum(np.abs(payload).max(axis=1) / 127, np.abs(payload).sum(axis=1) / widest)
    step = np.maximum(step, 2.0**-20)  # pixels that the dictionary leaves out
    shift = np.clip(14 - np.floor(np.log2(step)), 1, 40).astype(np.int32)
    multiplier = np.minimum(np.rint(np.ldexp(step, shift)), (1 << 15) - 1).astype(np.int32)
    real = np.ldexp(multiplier.astype(np.float64), -shift)
    weights = np.clip(np.rint(payload / real[:, None]), -127, 127).astype(np.int8)
    halves = np.rint(forward.matrix / 2).astype(np.int8)
    loop = group.self_inhibition >> 2
    return replace(
        one,
        feedforward=Synapses.dense(halves, forward.multiplier, forward.shift + 1),
        lateral=None,
        residual=Residual(Synapses.dense(weights, multiplier, shift), 255, loop),
        neurons=replace(
            group,
            extra_bits=group.extra_bits - 2,
            bias=group.bias >> 2,
            self_inhibition=np.zeros_like(loop),
        ),
    )


@pytest.fixture(scope="module")
def networks() -> dict[str, IntegerNetwork]:
    """Both circuits of one dictionary."""
    network = load_float_network(network_path("mnist-512"))
    one = converted(network)
    return {"one-layer": one, "two-layer": as_two_layers(one, network.phi)}


def assert_all_equal(network: IntegerNetwork, pixels: UInt8, request: RunRequest) -> Trace:
    """Return the interpreter's trace, after every other back end gave the same one."""
    expected = interpreter.run(network, pixels, request)
    for name, run in OTHERS.items():
        result = run(network, pixels, request)
        assert result.arrays().keys() == expected.arrays().keys()
        assert first_divergence(expected, result) is None, name
    return expected


@pytest.mark.parametrize("steps", [200, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
def test_long_runs_are_equal(networks: dict[str, IntegerNetwork], circuit: str, steps: int) -> None:
    """Strokes to the end of a long run, where the reconstruction is still one of them."""
    network, images = networks[circuit], strokes(2 if circuit == "one-layer" else 1, 1)
    assert (network.n_neurons, network.n_pixels, network.circuit) == (512, 784, circuit)
    trace = assert_all_equal(
        network, np.rint(images * 255).astype(np.uint8), RunRequest(steps, 9, trace=True)
    )
    assert trace.spikes_per_step[:, -steps // 10 :].min() > 100
    assert r2(images, trace.reconstruction).mean > 0.8


def adversaries(network: IntegerNetwork) -> dict[str, UInt8]:
    """Return images (784,) that no calibration shows."""
    forward = network.feedforward
    gain = forward.matrix * np.ldexp(forward.multiplier.astype(float), -forward.shift)[:, None]
    hardest = gain[np.maximum(gain, 0).sum(axis=1).argmax()]
    row, column = np.mgrid[:28, :28]
    return {
        "black": np.zeros(784),
        "white": np.full(784, 255),
        "checks of one pixel": 255 * ((row + column) % 2),
        "checks of four pixels": 255 * ((row // 4 + column // 4) % 2),
        "one pixel in the middle": 255 * ((row == 14) & (column == 14)),
        "one pixel in a corner, where no stroke is": 255 * ((row == 0) & (column == 0)),
        "what drives one neuron hardest": 255 * (hardest > 0),
        "what drives it least": 255 * (hardest < 0),
        "noise": np.random.default_rng(0).integers(0, 256, 784),
    }


@pytest.mark.parametrize(
    ("circuit", "steps"),
    [
        ("one-layer", 40),
        ("two-layer", 40),
        pytest.param("one-layer", 300, marks=pytest.mark.slow),
        pytest.param("two-layer", 300, marks=pytest.mark.slow),
    ],
)
def test_no_image_leaves_the_range_uncounted(
    networks: dict[str, IntegerNetwork], circuit: str, steps: int
) -> None:
    """Potentials stay between their bounds, sums within the accumulator; saturation is reported.

    The interpreter raises BackendError where a sum leaves the accumulator.
    """
    network = networks[circuit]
    group, images = network.neurons, adversaries(network)
    pixels = np.stack([image.ravel() for image in images.values()]).astype(np.uint8)
    trace = assert_all_equal(network, pixels, RunRequest(steps, 4, trace=True))
    assert trace.states.min() >= group.state_min
    assert trace.states.max() <= group.state_max
    assert trace.counts.max() <= group.max_count
    # What is counted lies at the bound afterwards, and nothing lies at a count's bound uncounted.
    at_cap = (trace.states == group.state_max).sum(axis=2)
    assert (trace.saturated[:, :, POTENTIAL] <= at_cap).all()
    at_most = (trace.counts == group.max_count).sum(axis=2)
    np.testing.assert_array_equal(trace.saturated[:, :, SATURATIONS.index("count")], at_most)
    hits = dict(zip(images, trace.saturated.sum(axis=1), strict=True))
    assert hits["white"].sum() > 10
    assert not hits["black"][POTENTIAL]


def test_the_command_line_stops_or_goes_on_where_a_run_saturates(
    networks: dict[str, IntegerNetwork], run: Cli, tmp_path: Path
) -> None:
    """A white image, on every back end that counts: the same places, or the same results."""
    network = networks["one-layer"]
    save_network(network, tmp_path / "net.safetensors")
    np.save(tmp_path / "white.npy", np.ones((1, 28, 28), np.float32))
    wanted = interpreter.run(network, np.full((1, 784), 255, np.uint8), RunRequest(60, 4))
    messages = set()
    for name in ("reference", *(name for name in OTHERS if name in registered())):
        common = (
            "run",
            tmp_path / "net.safetensors",
            "--data",
            tmp_path / "white.npy",
            "--steps",
            60,
            "--seed",
            4,
            "--backend",
            name,
            "--out",
            tmp_path / f"{name}.npz",
        )
        code, text, error = run(*common, "--on-overflow", "error", "--quiet")
        assert (code, text) == (1, "")
        assert not (tmp_path / f"{name}.npz").exists()
        messages.add(error)
        assert run(*common, "--on-overflow", "saturate")[0] == 0
        with np.load(tmp_path / f"{name}.npz") as result:
            np.testing.assert_array_equal(result["saturated"], wanted.saturated)
            np.testing.assert_array_equal(result["state"], wanted.state)
    places = "; ".join(one.describe() for one in saturations(wanted) or () if one.total)
    assert "image 0, step" in places
    assert messages == {
        f"ipvae-snn: error: the run saturated: {places}; convert again, calibrated on images like "
        "these and as many steps, or run with --on-overflow saturate\n"
    }
