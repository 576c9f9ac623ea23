"""docs/examples/lava_readout.py: the network as a Process in a user's Lava application."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn import data
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.hw.lava import runner
from ipvae_snn.hw.lava.guard import run_guarded
from ipvae_snn.hw.lava.probing import clean_environment
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.plain_files import write_bundle_files, write_plain
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.pretrained import network_path

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
LIMIT = 60.0  # seconds for a run; it takes one or two
RANGE_MAX = (1 << 23) - 1  # of 24 bits: Lava's LIF clips its potential there too
STEPS, IMAGES, THRESHOLD = 16, 10, 2048
# Before a script that uses lava: the guard can identify its processes, should it fail.
UNDER_GUARD = """
import runpy, sys, warnings
warnings.filterwarnings("error", "Cannot import module")  # Lava's compiler failed to import a file
sys.path[:0] = sys.argv[1:3]
from simulator import child
child.under_guard()
sys.argv = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Arguments: folder for results, with pixels.npy and weights.npy; steps; folders of networks there.
PARTS = """
import sys
from pathlib import Path
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.monitor.process import Monitor
from lava_readout import connect
from simulator.bundle_io import read_network
from simulator.circuit import run_configuration

VARS = ("v", "z", "held", "saturated", "overflowed")
out, steps = Path(sys.argv[1]), int(sys.argv[2])
pixels, weights = np.load(out / "pixels.npy"), np.load(out / "weights.npy")
own = Loihi2SimCfg(select_tag="fixed_pt")  # Lava chooses models
for circuit in sys.argv[3:]:
    program = read_network(out / circuit)
    for name, configuration in (
        ("parts", run_configuration()), ("fused", run_configuration(True)), ("own", own),
    ):
        network, _, sink, time_steps = connect(program, pixels, weights, steps, 400)
        monitor = Monitor()
        monitor.probe(network.v, time_steps)
        try:
            network.run(RunSteps(time_steps), run_cfg=configuration)
            found = {var: getattr(network, var).get() for var in VARS}
            found["spikes"] = sink.data.get()
            found["potentials"] = monitor.get_data()[network.name]["v"]
        finally:
            network.stop()
        np.savez(out / f"{circuit}_{name}.npz", **found)
"""
# Likewise, with payload.npy and held_payload.npy (N, M).
BEYOND = """
import sys
from pathlib import Path
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from simulator.bundle_io import read_network
from simulator.circuit import run_configuration
from simulator.processes.network import Network

out, steps = Path(sys.argv[1]), int(sys.argv[2])
for circuit in sys.argv[3:]:
    program = read_network(out / circuit)
    length = program.stride * steps + 2
    for name in ("payload", "held_payload"):
        payload = np.load(out / f"{name}.npy")
        data = np.zeros((payload.shape[1], len(payload), length), np.int32)
        data[:, :, 0] = payload.T
        for fused in (False, True):
            source = Source(data=data.reshape(len(data), -1))
            network = Network(program.arrays, program.scalars, steps=steps)
            sink = Sink(shape=network.s_out.shape, buffer=len(payload) * length)
            source.s_out.connect(network.image_in)
            network.s_out.connect(sink.a_in)
            names = ["held", "overflowed"]
            names += ["residual_overflowed"] if program.graph.relays else []
            try:
                network.run(RunSteps(len(payload) * length), run_cfg=run_configuration(fused))
                found = {var: getattr(network, var).get() for var in names}
                found["counts"] = sink.data.get()
            finally:
                network.stop()
            np.savez(out / f"{circuit}_{name}_{'fused' if fused else 'parts'}.npz", **found)
"""


@dataclass(frozen=True)
class Prepared:
    """A bundle of `network`; in `folder`, the output of readout_weights.py; and a few images."""

    network: IntegerNetwork
    bundle: Path
    folder: Path
    images: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The shipped network of digits in 8 bits, its bundle, and the output of readout_weights.py."""
    folder = tmp_path_factory.mktemp("readout")
    trained = load_float_network(network_path("digits"))
    seen = data.load("digits", "train", limit=256)
    network, _ = convert(
        trained, calibrate(trained, seen.pixels, seen.name, steps=64), ConversionSettings()
    )
    save_network(network, folder / "net.safetensors")
    write_bundle(network, folder / "bundle")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        patch.setattr(
            sys,
            "argv",
            [
                "readout_weights.py",
                str(folder / "net.safetensors"),
                str(folder),
                "--steps",
                str(STEPS),
            ],
        )
        importlib.import_module("readout_weights").main()
    images, labels = (np.load(folder / f"{name}.npy")[:IMAGES] for name in ("images", "labels"))
    np.save(folder / "few.npy", images)
    weights = np.load(folder / "weights.npy")
    return Prepared(network, folder / "bundle", folder, images, labels, weights)


def write_bundle(network: IntegerNetwork, folder: Path) -> None:
    folder.mkdir()
    write_bundle_files(network, folder, runner.bundle_sources())
    write_plain(network, folder)


def run_in_lava(lava_python: Path, bundle: Path, *argv: object) -> str:
    """Run a script, guarded, with the bundle and the examples to import; return its output."""
    command = [lava_python, "-I", "-c", UNDER_GUARD, bundle, EXAMPLES, *map(str, argv)]
    done = run_guarded(command, LIMIT, env=clean_environment())
    assert done.returncode == 0, done.stderr
    assert not done.leaked
    return done.stdout


def emulated(
    counts: np.ndarray, weights: np.ndarray, threshold: int, stride: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the spikes (N, C, time steps) of Dense and LIFReset at counts (N, T, K); sums (N, C).

    Lava's published fixed point (lava/proc/dense/models.py, lava/proc/lif/models.py): a Dense sends
    the sum of what it received a time step before. A LIF shifts input and threshold left by 6;
    du = 4095 leaves nothing of the current, dv = 0 all of the potential, which is held within 24
    bits; above the threshold it spikes and is 0. LIFReset is 0 before the first time step too.
    """
    n, steps, _ = counts.shape
    spikes = np.zeros((n, len(weights), stride * steps + 2), np.int64)
    for image in range(n):
        v = np.zeros(len(weights), np.int64)
        for step in range(steps):
            current = (weights.astype(np.int64) @ counts[image, step]) << 6
            v = np.clip(v + current, -RANGE_MAX, RANGE_MAX)
            fired = v > threshold << 6
            # Counts are sent at place 1 + stride x step, and summed up a time step later.
            spikes[image, fired, 2 + stride * step] = 1
            v[fired] = 0
    return spikes, spikes.sum(axis=2)


@pytest.mark.parametrize("options", [(), ("--fused",)], ids=["parts", "fused"])
def test_the_example_names_digits_by_a_read_out_that_equals_its_emulation(
    lava_python: Path, prepared: Prepared, tmp_path: Path, options: tuple[str, ...]
) -> None:
    trace = interpreter.run(prepared.network, prepared.images, RunRequest(STEPS, trace=True))
    assert trace.counts is not None
    wanted, votes = emulated(trace.counts, prepared.weights, THRESHOLD, 1)
    printed = run_in_lava(
        lava_python,
        prepared.bundle,
        EXAMPLES / "lava_readout.py",
        prepared.bundle,
        prepared.folder / "few.npy",
        prepared.folder / "weights.npy",
        STEPS,
        "--spikes",
        tmp_path / "spikes.npy",
        *options,
    )
    np.testing.assert_array_equal(np.load(tmp_path / "spikes.npy"), wanted)
    named = [int(line) for line in printed.splitlines()]
    assert named == votes.argmax(axis=1).tolist()
    assert np.count_nonzero(named == prepared.labels) >= 7


def test_both_circuits_feed_a_read_out_and_their_vars_can_be_read_and_monitored(
    lava_python: Path,
    prepared: Prepared,
    tmp_path: Path,
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
    pixels_factory: Callable[..., np.ndarray],
) -> None:
    circuits, steps = {"one-layer": network, "two-layer": two_layer}, 5
    pixels = pixels_factory(network, 3)
    weights = np.random.default_rng(5).integers(-127, 128, (4, network.n_neurons)).astype(np.int8)
    np.save(tmp_path / "pixels.npy", pixels)
    np.save(tmp_path / "weights.npy", weights)
    for name, circuit in circuits.items():
        (tmp_path / name).mkdir()
        write_plain(circuit, tmp_path / name)
    (tmp_path / "parts.py").write_text(PARTS, encoding="utf-8")
    run_in_lava(lava_python, prepared.bundle, tmp_path / "parts.py", tmp_path, steps, *circuits)
    for name, circuit in circuits.items():
        stride = 1 if circuit.residual is None else 2
        trace = interpreter.run(circuit, pixels, RunRequest(steps, trace=True))
        assert trace.counts is not None
        spikes, _ = emulated(trace.counts, weights, 400, stride)
        assert 0 < spikes.sum() < spikes.size
        for model in ("parts", "fused", "own"):
            with np.load(tmp_path / f"{name}_{model}.npz") as result:
                raster = result["spikes"].reshape(len(weights), len(pixels), -1).swapaxes(0, 1)
                np.testing.assert_array_equal(raster, spikes, err_msg=f"{name} {model}")
                np.testing.assert_array_equal(result["v"], trace.state[-1])
                np.testing.assert_array_equal(result["z"], trace.counts[-1, -1])
                np.testing.assert_array_equal(
                    result["saturated"], trace.saturated.sum(axis=(0, 1))[:4]
                )
                assert result["overflowed"].tolist() == [0]
                # The update caused by step t is computed at place 1 + stride (t + 1).
                potentials = result["potentials"].reshape(len(pixels), -1, circuit.n_neurons)
                np.testing.assert_array_equal(potentials[:, 1 + stride :: stride], trace.states)


def test_payloads_beyond_24_bits_are_held_and_counted(
    lava_python: Path,
    prepared: Prepared,
    tmp_path: Path,
    network: IntegerNetwork,
    two_layer: IntegerNetwork,
) -> None:
    # 10^8 is beyond; times 127, summed, it is beyond 32 bits too, where Lava's own Dense wraps.
    payload = np.full((2, network.n_pixels), 100_000_000)
    payload[1, ::2] = -RANGE_MAX - 1
    held = np.clip(payload, -RANGE_MAX, RANGE_MAX)
    np.save(tmp_path / "payload.npy", payload)
    np.save(tmp_path / "held_payload.npy", held)
    for name, circuit in (("one-layer", network), ("two-layer", two_layer)):
        (tmp_path / name).mkdir()
        write_plain(circuit, tmp_path / name)
    (tmp_path / "beyond.py").write_text(BEYOND, encoding="utf-8")
    run_in_lava(
        lava_python, prepared.bundle, tmp_path / "beyond.py", tmp_path, 4, "one-layer", "two-layer"
    )

    def read(name: str) -> dict[str, np.ndarray]:
        with np.load(tmp_path / f"{name}.npz") as arrays:
            return dict(arrays)

    # One layer: the sums and then the currents are clipped.
    sums = payload @ network.feedforward.matrix.T.astype(np.int64)
    inside = np.clip(sums, -RANGE_MAX, RANGE_MAX)
    half = 1 << (network.feedforward.shift.astype(np.int64) - 1)
    scaled = (inside * network.feedforward.multiplier + half) >> network.feedforward.shift
    currents = scaled + network.neurons.bias
    over = np.count_nonzero(np.abs(sums) > RANGE_MAX)
    over += np.count_nonzero(np.abs(currents) > RANGE_MAX)
    assert over > network.n_neurons
    one, two = (
        {m: read(f"{c}-layer_payload_{m}") for m in ("parts", "fused")} for c in ("one", "two")
    )
    for result in one.values():
        assert result["overflowed"].tolist() == [over]
        np.testing.assert_array_equal(result["held"], np.clip(currents[-1], -RANGE_MAX, RANGE_MAX))
    np.testing.assert_array_equal(one["parts"]["counts"], one["fused"]["counts"])
    # Two layers: the payload itself is clipped, and the rest follows from its limit.
    for model, result in two.items():
        np.testing.assert_array_equal(result["held"], held[-1])
        assert result["overflowed"].tolist() == [0]
        assert result["residual_overflowed"].tolist() == [payload.size]
        limit = read(f"two-layer_held_payload_{model}")
        assert limit["residual_overflowed"].tolist() == [0]
        np.testing.assert_array_equal(result["counts"], limit["counts"])
    np.testing.assert_array_equal(two["parts"]["counts"], two["fused"]["counts"])
