"""Our network in Lava against a stock LIF - Dense - LIF one of its size: time steps per second.

    python -m benchmarks.lava_throughput --data-root FOLDER

Both run in the Lava environment, each under a guard, in turn, for several rounds, so that other
work on the machine slows down both. The measured time is that between the ends of the
first and the last time step of one run; start-up is reported separately.
Writes benchmarks/results/lava_throughput.json and docs/lava_throughput.md.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from benchmarks.lava_throughput.page import page
from benchmarks.report import machine
from benchmarks.sweep import Refused
from ipvae_snn.arrays import UInt8
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import load
from ipvae_snn.errors import BackendError
from ipvae_snn.hw.lava.environment import require
from ipvae_snn.hw.lava.guard import run_guarded
from ipvae_snn.hw.lava.probing import clean_environment
from ipvae_snn.hw.lava.runner import bundle_sources
from ipvae_snn.ir.circuits import Circuit
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.plain_files import write_bundle_files
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.pretrained import network_path
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "lava_throughput.json"
PAGE: Final = HERE.parent / "docs" / "lava_throughput.md"
STOCK: Final = HERE.parent / "hw" / "lava" / "stock_network.py"
NETWORK: Final = "mnist-512"
CALIBRATION_IMAGES: Final = 2000
CALIBRATION_STEPS: Final = 48
CIRCUITS: Final[tuple[Circuit, ...]] = ("one-layer", "two-layer")
SOURCES: Final = ("spikes", "bias")
MODELS: Final = ("parts", "fused")  # one process per population and connection, or one for all
LIMIT_S: Final = 600.0
GOAL: Final = 0.8  # of the stock network's time steps per second

Timing = dict[str, float]  # start_up (s), seconds, time_steps
Run = Callable[[], Timing]


def convert_circuits(data_root: Path | None) -> dict[Circuit, IntegerNetwork]:
    """Return the network at 8 bits in both circuits."""
    floats = load_float_network(network_path(NETWORK))
    data = load("mnist", "train", data_root, CALIBRATION_IMAGES)
    seen = calibrate(floats, data.pixels, data.name, CALIBRATION_STEPS)
    return {name: convert(floats, seen, ConversionSettings(circuit=name))[0] for name in CIRCUITS}


def share_active(network: IntegerNetwork, pixels: UInt8, steps: int) -> tuple[float, float]:
    """Return the mean share of neurons that send a spike in a step, and the spikes of a step."""
    trace = network.prepare().run(pixels, RunRequest(steps, 0, trace=True))
    counts = trace.counts
    assert counts is not None
    return float((counts > 0).mean()), float(counts.sum() / (len(pixels) * steps))


def command(script: Path, values: dict[str, Any]) -> list[str | Path]:
    """Return the command line of a script in the Lava environment."""
    argv: list[str | Path] = [require().python, "-I", script]
    return argv + [str(part) for item in values.items() for part in item]


def variables() -> dict[str, str]:
    """Return a user's environment: numerical libraries choose their number of threads."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {name: value for name, value in clean_environment().items() if name not in threads}


def stock(sources: int, targets: int, active: float, message_bits: int, steps: int) -> Timing:
    """Time the stock network."""
    values = {
        "--sources": sources,
        "--targets": targets,
        "--active": active,
        "--message-bits": message_bits,
        "--steps": steps,
    }
    done = run_guarded(command(STOCK, values), LIMIT_S, env=variables())
    if done.returncode != 0:
        raise BackendError(f"{STOCK.name}: ended with status {done.returncode}: {done.stderr}")
    result = json.loads(done.stdout)
    return {**result, "start_up": done.seconds - result["seconds"]}


def ours(bundle: Path, source: str, model: str, replicas: int = 1) -> Timing:
    """Time our network, all images of the bundle's folder; `run.py` guards itself."""
    with tempfile.TemporaryDirectory(prefix="ipvae-snn-") as scratch:
        result = Path(scratch, "result.npz")
        values = {
            "--input": bundle / "images.npy",
            "--out": result,
            "--steps": (bundle / "steps").read_text(),
            "--source": source,
            "--replicas": replicas,
            "--timeout": int(LIMIT_S),
        }
        argv = command(bundle / "run.py", values) + (["--fused"] if model == "fused" else [])
        start = time.perf_counter()
        done = subprocess.run(argv, env=variables(), capture_output=True, text=True)
        wall = time.perf_counter() - start
        if done.returncode != 0:
            raise BackendError(f"run.py: ended with status {done.returncode}: {done.stderr}")
        with np.load(result, allow_pickle=False) as arrays:
            seconds, steps = float(arrays["seconds"]), int(arrays["time_steps"])
    return {"start_up": wall - seconds, "seconds": seconds, "time_steps": steps}


def prepare(network: IntegerNetwork, folder: Path, pixels: UInt8, steps: int) -> Path:
    """Write a bundle and its images; return its folder."""
    folder.mkdir()
    write_bundle_files(network, folder, bundle_sources())
    np.save(folder / "images.npy", pixels)
    (folder / "steps").write_text(str(steps))
    return folder


def title(circuit: str, source: str, model: str) -> str:
    """Return the name of a run of ours."""
    return f"{circuit}, {source}, {model}"


def rounds(runs: dict[str, Run], n_rounds: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Run all in turn, n_rounds times, starting with another one each time; return the times."""
    names = list(runs)
    result: dict[str, dict[str, list[float]]] = {
        name: {"ms_a_time_step": [], "start_up_s": []} for name in names
    }
    for number in range(n_rounds):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            tell(f"round {number + 1} of {n_rounds}: {name}")
            took = runs[name]()
            result[name]["ms_a_time_step"].append(1e3 * took["seconds"] / took["time_steps"])
            result[name]["start_up_s"].append(took["start_up"])
    return result


def parallel(
    bundle: Path, replicas: list[int], n_rounds: int, tell: Callable[[str], None]
) -> dict[str, list[float]]:
    """Return time steps per second without start-up, by replicas and round."""
    result: dict[str, list[float]] = {str(number): [] for number in replicas}
    for number in range(n_rounds):
        for count in replicas:
            tell(f"{count} replicas, round {number + 1} of {n_rounds}")
            took = ours(bundle, "spikes", "fused", count)
            result[str(count)].append(took["time_steps"] / took["seconds"])
    return result


def main(
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    images: Annotated[int, typer.Option(min=4)] = 60,
    steps: Annotated[int, typer.Option(min=1)] = 64,
    n_rounds: Annotated[int, typer.Option("--rounds", min=3)] = 9,
    refused: Refused = None,
) -> None:
    """Measure and write the result and the page."""
    screen = console(quiet=True)
    with screen.status("convert") as status, tempfile.TemporaryDirectory() as folder:
        networks = convert_circuits(data_root)
        network = networks["one-layer"]
        data = load("mnist", "test", data_root, images)
        pixels, _ = encode(network.input, data.pixels, data.kind, data.name)
        active, spikes = share_active(network, pixels, steps)
        bundles = {
            name: prepare(networks[name], Path(folder, name), pixels, steps) for name in CIRCUITS
        }
        k, m = network.n_neurons, network.n_pixels
        length = images * (steps + 2)
        runs: dict[str, Run] = {
            f"stock {k} x {k}": partial(stock, k, k, active, 0, length),
            f"stock {m} x {k}": partial(stock, m, k, active, 0, length),
            f"stock {k} x {k}, 2 % active": partial(stock, k, k, 0.02, 0, length),
            f"stock {k} x {k}, graded": partial(stock, k, k, active, 24, length),
        }
        for name in CIRCUITS:
            for source in SOURCES:
                for model in MODELS:
                    runs[title(name, source, model)] = partial(ours, bundles[name], source, model)
        took = rounds(runs, n_rounds, status.update)
        cores = os.cpu_count() or 1
        replicas = sorted({1, 2, cores})
        together = parallel(bundles["one-layer"], replicas, 3, status.update)
    result = {
        "date": date.today().isoformat(),
        "command": "python -m benchmarks.lava_throughput",
        "machine": machine(),
        "lava": "lava-nc 0.10.0, Python 3.10",
        "network": NETWORK,
        "neurons": k,
        "pixels": m,
        "images": images,
        "steps": steps,
        "active": active,
        "spikes_a_step": spikes,
        "goal": GOAL,
        "rounds": n_rounds,
        "stock": f"stock {k} x {k}",
        "ours": [name for name in runs if not name.startswith("stock")],
        "runs": took,
        "replicas": together,
    }
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    write_text(PAGE, page(json.loads(RESULT.read_text())))
    screen.print(f"{RESULT} and {PAGE} written")


if __name__ == "__main__":
    typer.run(main)
