"""Single Processes in Lava: refused and discarded input, and our Dense model against Lava's."""

import subprocess

import numpy as np
import pytest
from circuits import replace

from ipvae_snn.export.lava.bundle import write_bundle
from ipvae_snn.hw.lava import runner
from ipvae_snn.ir import interpreter
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.ir.weights import Dense

START = """
import sys, warnings
from pathlib import Path
bundle, folder = Path(sys.argv[1]), Path(sys.argv[2])
sys.path.insert(0, str(bundle))
# Lava's compiler must import our files without warnings.
warnings.filterwarnings("error", "Cannot import module")
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.models import PyDenseModelBitAcc
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink, PyReceiveModelFixed
from lava.proc.io.source import RingBuffer, PySendModelFixed
from simulator.bundle_io import Request, make_files, read_network
from simulator.circuit import MODELS
STOCK = {RingBuffer: PySendModelFixed, Sink: PyReceiveModelFixed}
"""

STRAY = """
from simulator.processes.arrivals import Input
from simulator.processes.neuron import Neuron

network = read_network(bundle)
parts = {name.replace(".", "_"): array for name, array in network.arrays.items()}
options = {name: np.stack([parts[f"{one}_{name}"] for one in ("feedforward", "lateral")])
           for name in ("multiplier", "shift")}
options |= dict(inputs=(Input("feedforward", True, 0), Input("lateral", False, 1)))
options |= {name: parts[f"neurons_{name}"] for name in ("bias", "self_inhibition", "initial_state")}
options |= {name: parts[f"tables_{name}"] for name in ("coarse", "fine", "reciprocal")}
options |= dict(network.scalars["populations"][0]["constants"], steps=4, seed=6, first_image=0)
options |= dict(loop_inhibition=0 * options["bias"], record=str(folder), reports=str(folder))
for changed, error in (
    ({"bais": 1}, TypeError),
    ({"bias": parts["neurons_bias"] / 2}, TypeError),
    ({"shift": np.ones((2, 3), int)}, ValueError),
    ({"max_count": np.ones(2, int)}, ValueError),
    ({"inputs": (Input("lateral", False, 1),) * 9}, ValueError),
):
    try:
        Neuron(**{**options, **changed})
    except error as caught:
        print(caught)
    else:
        print("accepted", changed)
files = make_files(folder, (2, 1), network, Request(4, 6, 0, True))
neuron = Neuron(**options)
RingBuffer(data=np.load(folder / "sums.npy")).s_out.connect(neuron.in_0)
RingBuffer(data=np.load(folder / "lateral.npy")).s_out.connect(neuron.in_1)
sink = Sink(shape=neuron.s_out.shape, buffer=12)
neuron.s_out.connect(sink.a_in)
neuron.run(RunSteps(12), run_cfg=Loihi2SimCfg(
    select_tag="fixed_pt", exception_proc_model_map={**MODELS, **STOCK}))
print(neuron.saturated.get().astype(int).tolist(), neuron.overflowed.get().astype(int).tolist())
sent = sink.data.get()
neuron.stop()
np.savez(folder / "found.npz", sent=sent, **{name: files[name] for name in ("counts", "states")})
"""

DENSE = """
from lava.utils.weightutils import SignMode
from simulator.processes.synapses import SynapsesModel

rng = np.random.default_rng(int(sys.argv[3]))
for bits, exponent, width, mode in (
    (24, 0, 8, SignMode.MIXED), (24, -1, 8, SignMode.MIXED), (24, 2, 8, None),
    (0, 0, 8, SignMode.MIXED), (0, -3, 6, None), (24, -2, 5, SignMode.EXCITATORY),
    (24, 1, 8, SignMode.INHIBITORY),
):
    weights = rng.integers(-300, 300, (9, 14)) * (rng.random((9, 14)) < 0.8)
    sent = rng.integers(-900, 900, (14, 20)) * (rng.random((14, 20)) < rng.choice([0.1, 0.9], 20))
    found = []
    for model in (PyDenseModelBitAcc, SynapsesModel):
        source, sink = RingBuffer(data=sent), Sink(shape=(9,), buffer=20)
        made = Dense(weights=weights.copy(), weight_exp=exponent, num_weight_bits=width,
                     sign_mode=mode, num_message_bits=bits)
        source.s_out.connect(made.s_in)
        made.a_out.connect(sink.a_in)
        source.run(RunSteps(20), run_cfg=Loihi2SimCfg(
            select_tag="fixed_pt", exception_proc_model_map={**STOCK, Dense: model}))
        found.append(sink.data.get())
        source.stop()
    print(np.array_equal(*found), bool(found[0].any()))
"""


@pytest.fixture
def in_lava(lava_python, network, tmp_path):
    """Return a function (script, ...) that runs a script beside a bundle; its lines come back."""
    write_bundle(network, tmp_path / "bundle", runner.bundle_sources())
    folder = tmp_path / "files"
    folder.mkdir()

    def execute(script, *arguments):
        path = tmp_path / "script.py"
        path.write_text(START + script)
        done = subprocess.run(
            [lava_python, path, tmp_path / "bundle", folder, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return folder, done.stdout.splitlines()

    return execute


def test_the_neuron_drops_stray_input_and_refuses_wrong_parameters(
    in_lava, network, pixels_factory, tmp_path
):
    # Alone, with RingBuffers for synapses: garbage wherever nothing should arrive.
    pixels = pixels_factory(network, 2)
    payload = pixels.astype(np.int32) - network.input.zero_point
    rng = np.random.default_rng(0)
    feedforward = rng.integers(-9999, 9999, (7, 12))  # T = 4: 6 time steps per image
    lateral = rng.integers(-9999, 9999, (7, 12))
    feedforward[:, [1, 7]] = (payload @ network.feedforward.matrix.T.astype(np.int32)).T
    for image in range(2):
        lateral[:, image * 6 + 2 : image * 6 + 6] = 0
    np.save(tmp_path / "files" / "sums.npy", feedforward)
    np.save(tmp_path / "files" / "lateral.npy", lateral)
    silent = replace(
        network,
        lateral=replace(network.lateral, weights=Dense(np.zeros_like(network.lateral.matrix))),
    )
    wanted = interpreter.run(silent, pixels, RunRequest(4, 6, 0, trace=True))
    folder, lines = in_lava(STRAY)
    assert lines == [
        "Neuron.__init__() got an unexpected keyword argument 'bais'",
        "bias must hold integers, not float64",
        "shift must be (2, 7), not (2, 3)",
        "max_count must be (1,), not (2,)",
        "9 connections to one population; at most 8",
        f"{wanted.saturated.sum(axis=(0, 1))[:4].tolist()} [0]",
    ]
    with np.load(folder / "found.npz") as result:
        np.testing.assert_array_equal(result["counts"], wanted.counts)
        np.testing.assert_array_equal(result["states"], wanted.states)
        for image in range(2):  # silent at the first and the last place
            sent = result["sent"][:, image * 6 : image * 6 + 6].T
            np.testing.assert_array_equal(sent[1:5], wanted.counts[image])
            assert not sent[[0, 5]].any()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_our_model_of_dense_is_lavas_own_sum_by_sum(in_lava, seed):
    assert in_lava(DENSE, seed)[1] == ["True True"] * 7
