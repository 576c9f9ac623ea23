"""Estimates of memory against the peak that the system measures, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# After a small run, which loads and compiles everything: the largest estimate of a large run, and
# the bytes by which the process then grew from where it stood at that estimate.
CHILD = """
import gc, json, sys
from pathlib import Path
import numpy as np
sys.path[:0] = sys.argv[3:]
from conftest import make_network
from small import float_network
import ipvae_snn
from ipvae_snn.comparison.paired_runs import Pair
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.files import save_network
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.pretrained import network_path
from ipvae_snn.storage import memory
from ipvae_snn.workflows import compare, evaluate, run
from ipvae_snn.workflows.image_choice import ImageChoice

rng = np.random.default_rng(0)

def images(n):
    return rng.standard_normal((n, 8, 8)).astype(np.float32)

def integers(k):
    return make_network(height=8, width=8, neurons=k)

def floats(k):
    phi = 0.02 * rng.standard_normal((64, k)).astype(np.float32)
    zero = np.zeros(k, np.float32)
    parts = dict(log_sigma=np.zeros(64, np.float32), u0=zero - 3, log_bias=zero - 4)
    return float_network(phi=phi, image_shape=(8, 8), **parts)

def run_file(path, n, t, trace, shown=None):
    np.save("images.npy", images(n) if shown is None else shown)
    options = run.RunOptions(out=Path("r.npz"), overwrite=True)
    run.run_file(Path(path), ImageChoice("images.npy"), RunRequest(t, trace=trace), options)

def run_traced(n, t):
    save_network(integers(64), Path("net.safetensors"))
    run_file("net.safetensors", n, t, True)

def run_untraced(n, t):
    save_network(integers(64), Path("net.safetensors"))
    run_file("net.safetensors", n, t, False)

def run_float(n, t):
    shown = rng.random((n, 8, 8), np.float32)
    run_file(network_path("digits"), n, t, True, shown)

def verify(n, t):
    ipvae_snn.verify(integers(64), images(n), backends=("compiled",), steps=t, limit=n)

def evaluate_many(n, k):
    settings = evaluate.EvaluationSettings(limit=n, steps=2, readout_train=0)
    evaluate.evaluate(floats(k), images(n), settings)

def compare_pair(n, t, k):
    network, integer, shown = floats(k), integers(k), images(n).reshape(n, 64)
    pixels, _ = encode(integer.input, shown, "standardised", "x")
    settings = compare.ComparisonSettings(steps=t, seeds=2, threads=1)
    compare.compare_pair(Pair(network, integer, shown, pixels), "code", settings)

def energy(n, t, k):
    ipvae_snn.energy(integers(k), images(n), ["loihi1"], steps=t, limit=n)

def convert(n, t):
    ipvae_snn.convert("digits", rng.random((n, 8, 8), np.float32), images=n, steps=t)

def train(n, t):
    settings = {"train.iterations": 2, "train.batch_size": n, "train.steps": t}
    settings["model.n_latents"] = 128
    shown = rng.random((2 * n, 8, 8), np.float32)
    ipvae_snn.train(shown, preset="images", settings=settings)

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

work = globals()[sys.argv[1]]
small, large = json.loads(sys.argv[2])
work(*small)
gc.collect()
asked = []
memory.require = lambda needed, what, remedy: asked.append((needed, status("VmRSS")))
Path("/proc/self/clear_refs").write_text("5")
work(*large)
needed, before = max(asked)
print(json.dumps([needed, status("VmHWM") - before]))
"""
TESTS = Path(__file__).parents[1]
WORK = {
    "run_traced": ((2, 2), (2000, 128)),
    "run_untraced": ((2, 2), (40000, 2)),
    "run_float": ((2, 2), (1000, 128)),
    "verify": ((2, 2), (300, 256)),
    "evaluate_many": ((30, 16), (20000, 256)),
    "compare_pair": ((2, 2, 16), (16, 4, 1200)),
    "energy": ((2, 2, 16), (4, 4, 2000)),
    "convert": ((20, 4), (2000, 256)),
    "train": ((20, 4), (1000, 64)),
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is measured in /proc")
@pytest.mark.parametrize("name", WORK)
def test_an_estimate_is_near_the_measured_peak(name: str, tmp_path: Path) -> None:
    folders = (str(TESTS), str(TESTS / "support"))
    done = subprocess.run(
        [sys.executable, "-c", CHILD, name, json.dumps(WORK[name]), *folders],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    needed, used = json.loads(done.stdout.splitlines()[-1])
    assert used > 40 * 2**20, "too small to tell"
    assert 0.7 * used <= needed <= 2 * used, (name, needed >> 20, used >> 20)
