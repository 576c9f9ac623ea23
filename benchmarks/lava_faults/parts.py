"""Parts of the runs with faults: a small network, its images, and the appended code."""

from typing import Any, Final

import numpy as np

from ipvae_snn.ir.circuits import Parts
from ipvae_snn.ir.network import IntegerNetwork, circuit_network
from ipvae_snn.ir.neurons import PoissonNeurons
from ipvae_snn.ir.parts import Decoder, InputCode, Synapses

IMAGES: Final = 400
SLOW_S: Final = 0.02  # least duration of a time step
COMMON: Final = "simulator/processes/common.py"
# Appended to a bundle: slow time steps, a fault in one model, and a note of its time.
FAULT: Final = """

import ctypes, os, time
def note():
    part = Path({marker!r} + str(os.getpid()))
    part.write_text(repr(time.monotonic()))
    part.replace({marker!r})
def act(model):
    {code}
def _run_spk(self):
    name = type(self).__name__
    if name == "NeuronModel":
        time.sleep({slow})
    if name == {model!r} and self.time_step >= {at}:
        def step():
            if not {later}:
                note()
            act(self)
            self.step()
        self.reporting(step)
    else:
        self.reporting(self.step)
ReportingModel.run_spk = _run_spk
"""
# Appended to a bundle's watch.py: writes the titles and ids of the processes.
MEMBERS: Final = """

import json
_look = Watch._look
def _look_and_tell(self):
    present = _look(self)
    part = Path({members!r} + ".part")
    part.write_text(json.dumps({{one.title: one.pid for one in present}}))
    part.replace({members!r})
    return present
Watch._look = _look_and_tell
"""
DRIVER: Final = """
import json, sys
from pathlib import Path
from ipvae_snn.hw.lava import backend, runner
appended = json.loads(Path(sys.argv[1]).read_text())
def altered():
    sources = runner.bundle_sources()
    for name, text in appended:
        sources[name] += text
    return sources
backend.bundle_sources = altered
sys.argv = ["ipvae-snn", *sys.argv[2:]]
from ipvae_snn.cli.app import main
main()
"""


def small_network() -> IntegerNetwork:
    """Return a random integer network with many spikes: 12 pixels, 7 neurons."""
    rng = np.random.default_rng(0)
    m, k, bits = 12, 7, 12
    lateral = rng.integers(-127, 40, (k, k)).astype(np.int8)
    np.fill_diagonal(lateral, 0)

    def connection(weights: Any, low: int, high: int) -> Synapses:
        multiplier = rng.integers(1 << 13, 1 << 15, k).astype(np.int32)
        return Synapses.dense(weights, multiplier, rng.integers(low, high, k).astype(np.int32))

    return circuit_network(
        input=InputCode((4, 3), "unit", 1 / 255, 0),
        parts=Parts(
            feedforward=connection(rng.integers(-127, 128, (k, m)).astype(np.int8), 12, 16),
            lateral=connection(lateral, 10, 14),
            neurons=PoissonNeurons(
                bias=rng.integers(-24000, 24000, k).astype(np.int32),
                self_inhibition=rng.integers(0, 72000, k).astype(np.int32),
                initial_state=rng.integers(-8 << bits, 2 << bits, k).astype(np.int32),
                fraction_bits=bits,
                extra_bits=3,
                state_min=-11 << bits,
                state_max=6 << bits,
                update_min=-9 << bits,
                excitation_max=5 << bits,
                max_count=40,
            ),
        ),
        decoder=Decoder.dense(
            rng.integers(-32767, 32768, (m, k)).astype(np.int16),
            rng.uniform(1e-5, 1e-4, m).astype(np.float32),
        ),
        provenance={"made_by": "benchmarks/lava_faults/parts.py"},
    )


def pixels(network: IntegerNetwork) -> Any:
    """Return the run's images (N, M) uint8."""
    shape = (IMAGES, network.n_pixels)
    return np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
