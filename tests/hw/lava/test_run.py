"""Lava's results equal the interpreter's, in both circuits and all modes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from circuits import replace

from ipvae_snn.errors import BackendError, DataError
from ipvae_snn.export.lava.bundle import write_bundle
from ipvae_snn.hw.lava import backend, runner
from ipvae_snn.hw.lava.bundle.simulator.child import SHARED_MEMORY
from ipvae_snn.hw.lava.simulation import LavaOptions
from ipvae_snn.ir import circuit_steps, interpreter
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.ir.weights import Dense

SOON = 20.0  # seconds within which a failed run must end, start-up included
NEURON = "simulator/processes/neuron/__init__.py"


@pytest.fixture
def bundle_factory(network, tmp_path):
    """Return a function (file=..., appended=...) that writes a bundle, altered or not."""

    def make(file=NEURON, appended=""):
        sources = runner.bundle_sources()
        sources[file] += appended
        write_bundle(network, tmp_path / "bundle", sources)
        return tmp_path / "bundle"

    return make


def assert_equal(result, wanted):
    assert result.arrays().keys() == wanted.arrays().keys()
    for name in result.arrays():
        array = wanted.arrays()[name]
        np.testing.assert_array_equal(result.arrays()[name], array, err_msg=name, strict=True)


def processes_of(marker):
    """Ids of the living processes with `marker` in their command line, or forked from those."""
    result = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
                if state != b"Z" and str(marker).encode() in (folder / "cmdline").read_bytes():
                    result.add(int(folder.name))
            except OSError:
                continue
    return result


def segments_of(pid):
    return list(SHARED_MEMORY.glob(f"ipvae_{pid}_*"))


def await_(condition, what, seconds=SOON):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def assert_nothing_left(marker, pid):
    await_(lambda: not processes_of(marker), f"processes left: {processes_of(marker)}", 5)
    await_(lambda: not segments_of(pid), f"shared memory left: {segments_of(pid)}", 5)


def run_script(lava_python, bundle, tmp_path, *more, images=None, temporary="/tmp"):
    """Start a bundle's run.py in an environment without any of this one's variables."""
    np.save(tmp_path / "images.npy", images)
    return subprocess.Popen(
        [
            lava_python,
            "-I",
            bundle / "run.py",
            "--input",
            tmp_path / "images.npy",
            "--out",
            tmp_path / "out.npz",
            *more,
        ],
        cwd=tmp_path,
        env={"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


WAYS = {
    "spikes": LavaOptions(),
    "bias": LavaOptions("bias"),
    "fused": LavaOptions(fused=True),
    "fused, bias": LavaOptions("bias", fused=True),
    "replicas": LavaOptions(replicas=3, monitor=(5, 0)),
    "fused replicas, bias": LavaOptions("bias", fused=True, replicas=2, monitor=(2,)),
}


def expected_traffic(network, pixels, trace, source):
    """Messages, synaptic operations, and those by payload, by plain sums over the trace."""
    payload = pixels.astype(np.int64) - network.input.zero_point

    def cost(messages, weights):  # (N, n) or (N, T, n) and (targets, n)
        axes = tuple(range(1, messages.ndim))
        fan_out = (weights != 0).sum(axis=0)
        sent = messages != 0
        return np.stack(
            [sent.sum(axes), (sent * fan_out).sum(axes), (np.abs(messages) * fan_out).sum(axes)], 1
        )

    counts = trace.counts.astype(np.int64)
    if network.residual is None:
        wanted = {"lateral": cost(counts, network.lateral.matrix)}
        if source == "spikes":
            wanted["feedforward"] = cost(payload, network.feedforward.matrix)
        return wanted
    errors = np.stack(
        [circuit_steps.residual(network, payload, counts[:, t])[0] for t in range(counts.shape[1])],
        1,
    )
    wanted = {
        "prediction": cost(counts, network.residual.prediction.matrix),
        "feedforward": cost(errors, network.feedforward.matrix),
    }
    if source == "spikes":
        shown = (payload != 0).sum(axis=1)
        wanted["image"] = np.stack([shown] * 3, axis=1)
    return wanted


@pytest.mark.parametrize("circuit", ["one-layer", "two-layer"])
@pytest.mark.parametrize("way", WAYS)
def test_lava_equals_the_interpreter(
    lava_python, network_factory, two_layer_factory, pixels_factory, circuit, way
):
    """Counts, potentials, saturations, reconstructions, traffic, and monitored neurons."""
    if circuit == "one-layer":
        network = network_factory(max_count=5, rate_octaves=2)
    else:
        network = two_layer_factory(max_count=5, rate_octaves=3, limit=60)
    # Low bounds, so that all kinds of saturation happen.
    tight = replace(network.neurons, excitation_max=6000, update_min=-4000)
    network = replace(network, neurons=tight)
    pixels, request = pixels_factory(network, 5), RunRequest(6, 5, 2, trace=True)
    options = WAYS[way]
    result = backend.simulate(network, pixels, request, options)
    wanted = interpreter.run(network, pixels, request)
    assert_equal(result.trace, wanted)
    kinds = wanted.saturated.sum(axis=(0, 1)) > 0
    assert kinds.tolist() == [True, True, True, True, circuit == "two-layer"]
    traffic = expected_traffic(network, pixels, wanted, options.source)
    assert result.traffic.keys() == traffic.keys()
    for name, array in traffic.items():
        np.testing.assert_array_equal(result.traffic[name], array, err_msg=name)
    presented = -(-5 // options.replicas) * options.replicas
    stride = 1 if circuit == "one-layer" else 2
    assert result.time_steps == presented * (stride * 6 + 2)
    assert result.seconds > 0
    if options.monitor:
        seen, chosen = result.monitored, list(options.monitor)
        np.testing.assert_array_equal(seen.neurons, chosen)
        np.testing.assert_array_equal(seen.counts, wanted.counts[..., chosen])
        np.testing.assert_array_equal(seen.states, wanted.states[..., chosen])
    else:
        assert result.monitored is None


def test_what_a_run_cannot_be_asked_for_is_one_line(network, pixels_factory):
    for options, words in (
        (LavaOptions(replicas=0), "replicas 0 are not in 1..64"),
        (LavaOptions(monitor=(1, 7)), "monitor: there is no neuron 7 in 0..6"),
    ):
        with pytest.raises(DataError) as caught:
            backend.simulate(network, pixels_factory(network, 1), RunRequest(1), options)
        assert str(caught.value) == words


def test_bad_input_to_the_script_is_one_line(lava_python, bundle_factory, tmp_path):
    bundle = bundle_factory()
    images = np.zeros((1, 12), np.float32)
    process = run_script(lava_python, bundle, tmp_path, "--steps", "2", images=images)
    _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 2
    assert stderr == (
        f"run.py: error: {tmp_path}/images.npy: float32, but the network takes uint8 pixels, "
        "0..255, in a .npy\n"
    )
    assert not (tmp_path / "out.npz").exists()


def test_the_script_refuses_another_python(bundle_factory, tmp_path):
    if sys.version_info[:2] == (3, 10):
        pytest.skip("this interpreter is the right one")
    bundle = bundle_factory()
    process = run_script(
        sys.executable, bundle, tmp_path, "--steps", "2", images=np.zeros((1, 12), np.uint8)
    )
    _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 2
    assert stderr == (
        f"run.py: error: Python {sys.version.split()[0]}, but lava-nc 0.10.0 needs 3.10; make an "
        "environment by `python3.10 -m venv DIR` and `DIR/bin/pip install -r "
        f"{bundle}/requirements.txt`\n"
    )


@pytest.mark.slow
def test_the_script_runs_anywhere_and_equals_the_interpreter(
    lava_python, network, pixels_factory, bundle_factory, tmp_path
):
    moved = bundle_factory().rename(tmp_path / "else where")
    pixels = pixels_factory(network, 4)
    options = ("--steps", "5", "--seed", "9", "--first-image", "3", "--limit", "3", "--trace")
    # A temporary folder whose name is too long for Lava's socket must not matter.
    long = tmp_path / ("long" * 20)
    long.mkdir()
    images = pixels.reshape(4, 4, 3)
    process = run_script(lava_python, moved, tmp_path, *options, images=images, temporary=long)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, ""), stderr
    assert stderr.splitlines()[-1] == "3/3 images"
    wanted = interpreter.run(network, pixels[:3], RunRequest(5, 9, 3, trace=True)).arrays()
    with np.load(tmp_path / "out.npz") as result:
        extra = {"traffic_lateral", "traffic_feedforward", "seconds", "time_steps"}
        assert result.keys() == wanted.keys() | extra
        for name, array in wanted.items():
            np.testing.assert_array_equal(result[name], array, err_msg=name, strict=True)
    assert_nothing_left(moved, process.pid)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "else where",
        "images.npy",
        long.name,
        "out.npz",
    ]
    assert not list(long.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("sign", [-1, 1])
def test_dense_is_exact_for_one_sign_and_the_largest_weights(
    lava_python, network_factory, pixels_factory, sign
):
    # Dense derives its sign mode from the data by default, and would keep 8 bits then.
    network = network_factory(seed=3, neurons=6, zero_point=0, extra_bits=0)
    rng = np.random.default_rng(4)
    lateral = (sign * rng.integers(0, 128, (6, 6))).astype(np.int8)
    lateral[0], lateral[1] = sign * 127, sign
    np.fill_diagonal(lateral, 0)
    feedforward = (-sign * rng.integers(0, 128, (6, 12))).astype(np.int8)
    feedforward[0] = -sign * 127
    network = replace(
        network,
        lateral=replace(network.lateral, weights=Dense(lateral)),
        feedforward=replace(network.feedforward, weights=Dense(feedforward)),
    )
    pixels, request = pixels_factory(network, 3), RunRequest(7, 1, 0, trace=True)
    pixels[0], pixels[1] = 255, 0
    assert_equal(backend.run(network, pixels, request), interpreter.run(network, pixels, request))


@pytest.mark.slow
def test_long_runs_and_high_rates_equal_the_interpreter(
    lava_python, network_factory, pixels_factory
):
    # 70 steps are more than one block of uniforms; 200 spikes per step take 32 parts.
    network = network_factory(seed=8, neurons=33, max_count=1000, rate_octaves=9.0)
    network = replace(network, neurons=replace(network.neurons, excitation_max=14 << 12))
    pixels, request = pixels_factory(network, 4), RunRequest(70, 2**32 - 1, 2**32 - 4, trace=True)
    wanted = interpreter.run(network, pixels, request)
    assert wanted.counts.max() > 200
    assert_equal(backend.run(network, pixels, request), wanted)


@pytest.mark.slow
def test_one_step_of_one_image_equals_the_interpreter(lava_python, network, pixels_factory):
    pixels, request = pixels_factory(network, 1), RunRequest(1)
    assert_equal(backend.run(network, pixels, request), interpreter.run(network, pixels, request))


@pytest.mark.slow
def test_a_sum_beyond_the_accumulator_ends_the_run(
    lava_python, network, pixels_factory, bundle_factory
):
    bundle = bundle_factory("simulator/processes/common.py", "\nRANGE_MAX = 1\n")
    with pytest.raises(BackendError, match=r"NeuronModel, time step 2: OverflowError: the feedf"):
        runner.run_bundle(bundle, pixels_factory(network, 1), RunRequest(2))
