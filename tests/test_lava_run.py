"""Lava's counts, states and sums equal the interpreter's; and a run that fails leaves nothing."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ipvae_snn import interpreter
from ipvae_snn.errors import BackendError
from ipvae_snn.export.lava_bundle import write_bundle
from ipvae_snn.hw.lava import backend, runner
from ipvae_snn.hw.lava.child import SHARED_MEMORY
from ipvae_snn.hw.lava.environment import find
from ipvae_snn.trace import RunRequest

SOON = 20.0  # seconds in which a broken run must have ended, start-up included
NEURON = "simulator/processes/neuron/__init__.py"
# Appended to a bundle's files: later definitions win.
BROKEN_NEURON = """
def sample(*args):
    raise ZeroDivisionError("broken on purpose")
"""
SLOW_NEURON = """
import time
def sample(*args):
    time.sleep(600)
"""
BROKEN_DENSE = """
def broken(self):
    raise ZeroDivisionError("broken on purpose")
PyDenseModelBitAcc.run_spk = broken
"""


@pytest.fixture(scope="module")
def python():
    """The interpreter of the Lava environment."""
    environment = find()
    if environment is None:
        pytest.skip("no Lava environment here; make one by `ipvae-snn lava setup`")
    return environment.python


@pytest.fixture
def bundle_factory(network, tmp_path):
    """Return a function (file=..., appended=...) that writes a bundle, altered or not."""

    def make(file=NEURON, appended=""):
        sources = runner.bundle_sources()
        sources[file] += appended
        write_bundle(network, tmp_path / "bundle", sources)
        return tmp_path / "bundle"

    return make


def assert_equal(found, wanted):
    # Lava does not count what saturates.
    assert found.arrays().keys() == wanted.arrays().keys() - {"saturated"}
    for name in found.arrays():
        array = wanted.arrays()[name]
        np.testing.assert_array_equal(found.arrays()[name], array, err_msg=name, strict=True)


def processes_of(marker):
    """Ids of the living processes with `marker` in their command line, or forked from those."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            try:
                state = (folder / "stat").read_bytes().rpartition(b")")[2].split()[0]
                if state != b"Z" and str(marker).encode() in (folder / "cmdline").read_bytes():
                    found.add(int(folder.name))
            except OSError:
                continue
    return found


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


@pytest.fixture
def short():
    """A temporary folder with a short name, as a socket below it needs."""
    with tempfile.TemporaryDirectory(prefix="ipvae-test-", dir="/tmp") as folder:
        yield folder


def run_script(python, bundle, tmp_path, *more, images=None, temporary="/tmp"):
    """Start a bundle's run.py in an environment without any of this one's variables."""
    np.save(tmp_path / "images.npy", images)
    return subprocess.Popen(
        [python, "-I", bundle / "run.py", "--input", tmp_path / "images.npy",
         "--out", tmp_path / "out.npz", *more],
        cwd=tmp_path, env={"TMPDIR": str(temporary)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_lava_equals_the_interpreter(python, network, pixels_factory):
    pixels, request = pixels_factory(network, 3), RunRequest(6, 5, 2, trace=True)
    assert_equal(backend.run(network, pixels, request), interpreter.run(network, pixels, request))


def test_a_broken_neuron_ends_the_run_with_its_traceback(
    python, network, pixels_factory, bundle_factory
):
    bundle = bundle_factory(appended=BROKEN_NEURON)
    started = time.monotonic()
    with pytest.raises(BackendError) as caught:
        runner.run_bundle(bundle, pixels_factory(network, 2), RunRequest(4))
    assert time.monotonic() - started < SOON
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "lava: NeuronModel, time step 2: ZeroDivisionError: broken on purpose; "
        "its traceback follows"
    )
    assert lines[1] == "Traceback (most recent call last):"
    assert 'raise ZeroDivisionError("broken on purpose")' in lines[-2]
    assert lines[-1] == "ZeroDivisionError: broken on purpose"
    assert_nothing_left(bundle, os.getpid())


def test_a_run_at_its_limit_is_ended(python, network, pixels_factory, bundle_factory):
    bundle = bundle_factory(appended=SLOW_NEURON)
    with pytest.raises(BackendError, match=r"still running at its limit of 4 s, so it was ended"):
        runner.run_bundle(bundle, pixels_factory(network, 2), RunRequest(4), timeout_s=4)
    assert_nothing_left(bundle, os.getpid())


def test_bad_input_to_the_script_is_one_line(python, bundle_factory, tmp_path):
    bundle = bundle_factory()
    images = np.zeros((1, 12), np.float32)
    process = run_script(python, bundle, tmp_path, "--steps", "2", images=images)
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
    python, network, pixels_factory, bundle_factory, tmp_path
):
    moved = bundle_factory().rename(tmp_path / "else where")
    pixels = pixels_factory(network, 4)
    options = ("--steps", "5", "--seed", "9", "--first-image", "3", "--limit", "3", "--trace")
    # A temporary folder whose name is too long for Lava's socket must not matter.
    long = tmp_path / ("long" * 20)
    long.mkdir()
    images = pixels.reshape(4, 4, 3)
    process = run_script(python, moved, tmp_path, *options, images=images, temporary=long)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, ""), stderr
    assert stderr.splitlines()[-1] == "3/3 images"
    wanted = interpreter.run(network, pixels[:3], RunRequest(5, 9, 3, trace=True)).arrays()
    del wanted["saturated"]  # which Lava does not count
    with np.load(tmp_path / "out.npz") as found:
        assert found.keys() == wanted.keys()
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array, err_msg=name, strict=True)
    assert_nothing_left(moved, process.pid)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "else where", "images.npy", long.name, "out.npz",
    ]  # fmt: skip
    assert not list(long.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("sign", [-1, 1])
def test_dense_is_exact_for_one_sign_and_the_largest_weights(
    python, network_factory, pixels_factory, sign
):
    # Dense guesses its sign mode from the data unless it is told, and would keep 8 bits then.
    network = network_factory(seed=3, neurons=6, zero_point=0, extra_bits=0)
    rng = np.random.default_rng(4)
    lateral = (sign * rng.integers(0, 128, (6, 6))).astype(np.int8)
    lateral[0], lateral[1] = sign * 127, sign
    np.fill_diagonal(lateral, 0)
    feedforward = (-sign * rng.integers(0, 128, (6, 12))).astype(np.int8)
    feedforward[0] = -sign * 127
    network = replace(
        network,
        lateral=replace(network.lateral, weights=lateral),
        feedforward=replace(network.feedforward, weights=feedforward),
    )
    pixels, request = pixels_factory(network, 3), RunRequest(7, 1, 0, trace=True)
    pixels[0], pixels[1] = 255, 0
    assert_equal(backend.run(network, pixels, request), interpreter.run(network, pixels, request))


@pytest.mark.slow
def test_long_runs_and_high_rates_equal_the_interpreter(python, network_factory, pixels_factory):
    # 70 steps are more than one block of uniforms; 200 spikes a step take 32 parts.
    network = network_factory(seed=8, neurons=33, max_count=1000, rate_octaves=9.0)
    network = replace(network, neurons=replace(network.neurons, excitation_max=14 << 12))
    pixels, request = pixels_factory(network, 4), RunRequest(70, 2**32 - 1, 2**32 - 4, trace=True)
    wanted = interpreter.run(network, pixels, request)
    assert wanted.counts.max() > 200
    assert_equal(backend.run(network, pixels, request), wanted)


@pytest.mark.slow
def test_one_step_of_one_image_equals_the_interpreter(python, network, pixels_factory):
    pixels, request = pixels_factory(network, 1), RunRequest(1)
    assert_equal(backend.run(network, pixels, request), interpreter.run(network, pixels, request))


@pytest.mark.slow
def test_a_process_of_lava_that_breaks_ends_the_run_with_its_traceback(
    python, network, pixels_factory, bundle_factory
):
    bundle = bundle_factory("simulator/circuit.py", BROKEN_DENSE)
    with pytest.raises(BackendError) as caught:
        runner.run_bundle(bundle, pixels_factory(network, 2), RunRequest(4))
    assert "ended in the middle of the run; its traceback follows\nTraceback" in str(caught.value)
    assert str(caught.value).endswith("ZeroDivisionError: broken on purpose")
    assert_nothing_left(bundle, os.getpid())


@pytest.mark.slow
def test_a_sum_beyond_the_accumulator_ends_the_run(python, network, pixels_factory, bundle_factory):
    bundle = bundle_factory("simulator/processes/arithmetic.py", "\nACCUMULATOR_MAX = 1\n")
    with pytest.raises(BackendError, match=r"NeuronModel, time step 2: OverflowError: the feedf"):
        runner.run_bundle(bundle, pixels_factory(network, 1), RunRequest(2))


@pytest.mark.slow
def test_the_script_ends_a_broken_run_by_itself(
    python, network, pixels_factory, bundle_factory, tmp_path
):
    bundle = bundle_factory(appended=BROKEN_NEURON)
    process = run_script(
        python, bundle, tmp_path, "--steps", "3", images=pixels_factory(network, 2)
    )
    _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 1
    assert "run.py: error: NeuronModel, time step 2: ZeroDivisionError: broken" in stderr
    assert_nothing_left(bundle, process.pid)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "images.npy"]


@pytest.mark.slow
def test_the_script_keeps_its_own_limit(python, network, pixels_factory, bundle_factory, tmp_path):
    bundle = bundle_factory(appended=SLOW_NEURON)
    process = run_script(
        python, bundle, tmp_path, "--steps", "3", "--timeout", "4",
        images=pixels_factory(network, 2),
    )  # fmt: skip
    _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 1
    assert "still running at its limit of 4 s, so it was ended; see --timeout" in stderr
    assert_nothing_left(bundle, process.pid)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_script_that_is_ended_takes_its_children_along(
    python, network, pixels_factory, bundle_factory, tmp_path, short, number
):
    bundle = bundle_factory(appended=SLOW_NEURON)
    process = run_script(
        python, bundle, tmp_path, "--steps", "3", images=pixels_factory(network, 2), temporary=short
    )
    # run.py twice, its watcher, and Lava's: five Processes, service and shared-memory manager
    await_(lambda: len(processes_of(bundle)) >= 10, "the run did not start")
    assert segments_of(process.pid)
    process.send_signal(number)
    process.communicate(timeout=SOON)
    assert process.returncode != 0
    assert_nothing_left(bundle, process.pid)
    if number != signal.SIGKILL:  # which leaves its temporary folder
        assert not list(Path(short).iterdir())
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.slow
def test_a_toolkit_that_is_killed_takes_lava_along(python, network, bundle_factory, tmp_path):
    bundle = bundle_factory(appended=SLOW_NEURON)
    code = (
        "import sys, numpy; from pathlib import Path\n"
        "from ipvae_snn.hw.lava.runner import run_bundle\n"
        "from ipvae_snn.trace import RunRequest\n"
        "run_bundle(Path(sys.argv[1]), numpy.zeros((2, 12), numpy.uint8), RunRequest(3))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(bundle)])
    await_(lambda: len(processes_of(bundle)) >= 10, "the run did not start")
    process.kill()
    process.wait()
    assert_nothing_left(bundle, process.pid)


STRAY = """
import sys, warnings
from pathlib import Path
# Lava's compiler must not stumble over our files.
warnings.filterwarnings("error", "Cannot import module")
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.source import RingBuffer, PySendModelFixed
from simulator.bundle_io import Request, make_files, read_network
from simulator.circuit import MODELS
from simulator.processes.neuron import Neuron
from simulator.processes.recorder import Recorder

folder, sums, lateral = (Path(name) for name in sys.argv[1:4])
network = read_network(Path(sys.argv[4]))
parts = {name.replace(".", "_"): array for name, array in network.arrays.items()}
options = {name: parts[f"{name}"] for name in (
    "feedforward_multiplier", "feedforward_shift", "lateral_multiplier", "lateral_shift")}
options |= {name: parts[f"neurons_{name}"] for name in ("bias", "self_inhibition", "initial_state")}
options |= {name: parts[f"tables_{name}"] for name in ("coarse", "fine", "reciprocal")}
options |= dict(network.scalars["neurons"], steps=4, seed=6, first_image=0, reports=str(folder))
for changed, error in (
    ({"bais": 1}, TypeError),
    ({"bias": parts["neurons_bias"] / 2}, TypeError),
    ({"lateral_shift": np.ones(3, int)}, ValueError),
    ({"max_count": np.ones(2, int)}, ValueError),
):
    try:
        Neuron(**{**options, **changed})
    except error as caught:
        print(caught)
    else:
        print("accepted", changed)
files = make_files(folder, 2, network, Request(4, 6, 0, True))
neuron = Neuron(**options)
recorder = Recorder(folder=str(folder), n_neurons=network.n_neurons, steps=4, reports=str(folder))
RingBuffer(data=np.load(sums)).s_out.connect(neuron.a_in)
RingBuffer(data=np.load(lateral)).s_out.connect(neuron.l_in)
neuron.s_out.connect(recorder.z_in)
neuron.v_out.connect(recorder.v_in)
recorder.run(RunSteps(12), run_cfg=Loihi2SimCfg(
    select_tag="fixed_pt", exception_proc_model_map={**MODELS, RingBuffer: PySendModelFixed}))
recorder.stop()
np.savez(folder / "found.npz", **{name: files[name] for name in ("counts", "states")})
"""


@pytest.mark.slow
def test_the_neuron_drops_stray_input_and_refuses_wrong_parameters(
    python, network, pixels_factory, bundle_factory, tmp_path
):
    # Alone, with RingBuffers for synapses: garbage wherever nothing should arrive.
    bundle = bundle_factory()
    pixels = pixels_factory(network, 2)
    payload = pixels.astype(np.int32) - network.input.zero_point
    rng = np.random.default_rng(0)
    feedforward = rng.integers(-9999, 9999, (7, 12))  # T = 4: 6 time steps an image
    lateral = rng.integers(-9999, 9999, (7, 12))
    feedforward[:, [1, 7]] = (payload @ network.feedforward.weights.T.astype(np.int32)).T
    for image in range(2):
        lateral[:, image * 6 + 2 : image * 6 + 6] = 0
    np.save(tmp_path / "sums.npy", feedforward)
    np.save(tmp_path / "lateral.npy", lateral)
    (tmp_path / "files").mkdir()
    script = tmp_path / "stray.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(bundle)!r})\n{STRAY}")
    done = subprocess.run(
        [python, script, *(tmp_path / name for name in ("files", "sums.npy", "lateral.npy")),
         bundle],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "Neuron.__init__() got an unexpected keyword argument 'bais'",
        "bias must hold integers, not float64",
        "lateral_shift must be (7,), not (3,)",
        "max_count must be (1,), not (2,)",
    ]
    silent = replace(
        network,
        lateral=replace(network.lateral, weights=np.zeros_like(network.lateral.weights)),
    )
    wanted = interpreter.run(silent, pixels, RunRequest(4, 6, 0, trace=True))
    with np.load(tmp_path / "files" / "found.npz") as found:
        np.testing.assert_array_equal(found["counts"], wanted.counts)
        np.testing.assert_array_equal(found["states"], wanted.states)
