"""Energy and latency beside those of the simulator SANA-FE, for a placed network's own spikes.

    python -m benchmarks.operating_points.sanafe_check NETWORK ... --python PYTHON
        --data-root FOLDER

PYTHON: the interpreter of an environment with `pip install sanafe`. Its licence is GPL-3.0, so it
is no dependency of this project: `sanafe_replay.py` runs there, in a process of its own. Writes
benchmarks/results/sanafe.json and its section of docs/operating_points.md.
"""

import json
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, Literal

import numpy as np
import typer

from benchmarks.operating_points.networks import encoded, place
from benchmarks.operating_points.rows import with_graded_spikes
from benchmarks.report import machine
from ipvae_snn.arrays import Int32, UInt8
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet, load
from ipvae_snn.errors import BackendError, FitError
from ipvae_snn.hw.chips.profile import load_profile
from ipvae_snn.hw.cost.activity import activity
from ipvae_snn.hw.cost.duration import least_time
from ipvae_snn.hw.cost.energy import chip_energy, total
from ipvae_snn.hw.mapping.events import counted
from ipvae_snn.hw.mapping.mapping import Placed
from ipvae_snn.hw.mapping.placement import traffic
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest, counts_of
from ipvae_snn.models.networks import load_float
from ipvae_snn.storage.atomic import write_text

RESULT: Final = Path(__file__).parents[1] / "results" / "sanafe.json"
REPLAY: Final = Path(__file__).parent / "sanafe_replay.py"
PROFILE: Final = "loihi1-sanafe"
CHIP: Final = "loihi1"
ROWS: Final = 4  # tiles of SANA-FE's Loihi in a column, numbered down each column
TILES: Final = 32
DATA: Final = "mnist"
CALIBRATION_IMAGES: Final = 2000
LONGEST_CALIBRATION: Final = 48
Sent = Literal["one message per count", "one spike per unit of a count"]
WAYS: Final[tuple[Sent, ...]] = ("one message per count", "one spike per unit of a count")
SPIKES: Final = "spikes sent"  # the item of `hw/cost/energy.py`
JOULE: Final = 1e9  # nanojoule
Steps = list[list[int]]


@dataclass(frozen=True)
class Run:
    """An integer network with its placement, pixels (N, M) and counts (N, T, K) of images."""

    network: IntegerNetwork
    placed: Placed
    pixels: UInt8
    counts: Int32


def prepared(name: str, training: ImageSet, images: ImageSet, steps: int) -> Run:
    """Convert a float network to 8 bits, place it, and run the images."""
    floats, few = load_float(name, "the check"), training.first(CALIBRATION_IMAGES)
    longest = min(LONGEST_CALIBRATION, 3 * floats.training_steps // 2)
    calibration = calibrate(floats, few.pixels, few.name, longest)
    network, _ = convert(floats, calibration, ConversionSettings())
    placed = place(network, images, (steps,))
    if placed is None:
        raise FitError(f"{name}: a neuron fits on no core of {CHIP}; choose another network")
    pixels = encoded(network, images)
    counts = counts_of(network.prepare().run(pixels, RunRequest(steps, trace=True)))
    return Run(network, placed, pixels, counts)


def sub_steps(counts: Int32, way: Sent) -> Steps:
    """Return the neurons that send in each step of the chip, for the counts (T, K) of an image.

    A chip without graded spikes sends a count of 3 in three steps, so a step of the network takes
    as many of the chip's as its largest count, and one if nothing is sent.
    """
    result = []
    for row in counts:
        most = 1 if way == WAYS[0] else max(1, int(row.max()))
        result += [np.flatnonzero(row > level).tolist() for level in range(most)]
    return result


def case_of(run: Run, way: Sent) -> dict[str, Any]:
    """Return what SANA-FE replays."""
    cores = _cores(run.placed)
    taken = {tile for tile, _ in cores.values()}
    free = [tile for tile in range(TILES) if tile not in taken]
    if run.placed.placement.mesh.chips > 1 or not free:
        raise FitError(
            f"the network takes {len(cores)} cores, but one chip of {TILES} tiles must hold it and "
            "its pixels; choose a smaller network"
        )
    (population,) = run.network.computing
    core_of = run.placed.placement.partition.core_of[population.name]
    zero = run.network.input.zero_point
    return {
        "pixels": run.network.n_pixels,
        "pixel_core": [free[0], 0],
        "cores": [cores[int(core)] for core in core_of],
        "feedforward": _pairs(run.network, lambda source: source == IMAGE),
        "lateral": _pairs(run.network, lambda source: source != IMAGE),
        "images": [
            {"pixels": np.flatnonzero(shown != zero).tolist(), "steps": sub_steps(counts, way)}
            for shown, counts in zip(run.pixels, run.counts, strict=True)
        ],
    }


def _cores(placed: Placed) -> dict[int, tuple[int, int]]:
    """Return the tile of SANA-FE's Loihi and the place in it, of each core."""
    result: dict[int, tuple[int, int]] = {}
    filled: dict[int, int] = {}
    for use in placed.uses:
        tile = use.x * ROWS + use.y
        result[use.core] = (tile, filled.get(tile, 0))
        filled[tile] = filled.get(tile, 0) + 1
    return result


def _pairs(network: IntegerNetwork, wanted: Any) -> list[list[int]]:
    """Return (source, target) of every nonzero weight of the connections from wanted sources."""
    pairs: list[list[int]] = []
    for connection in network.connections:
        if wanted(connection.source):
            targets, sources = np.nonzero(connection.synapses.weights.dense())
            pairs += np.stack([sources, targets], axis=1).tolist()
    return pairs


def replay(python: Path, case: dict[str, Any]) -> dict[str, Any]:
    """Run SANA-FE on a case; raise BackendError with the last line of what it says."""
    with TemporaryDirectory() as folder:
        given, out = Path(folder) / "case.json", Path(folder) / "result.json"
        given.write_text(json.dumps(case), encoding="utf-8")
        try:
            done = subprocess.run(
                [str(python), str(REPLAY), str(given), str(out)], capture_output=True, text=True
            )
        except OSError as error:
            raise BackendError(f"{python}: cannot be run ({error.strerror}); check it") from error
        if done.returncode or not out.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise BackendError(
                f"SANA-FE ended with code {done.returncode}: {last}; --python must be the "
                "interpreter of an environment with `pip install sanafe`"
            )
        result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return result


def theirs(images: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return SANA-FE's means per image: nanojoule, microseconds and counts."""

    def mean(key: str) -> float:
        return float(np.mean([image[key] for image in images]))

    return {
        "synapses_nj": JOULE * mean("synapse"),
        "neurons_nj": JOULE * (mean("soma") + mean("dendrite")),
        "messages_nj": JOULE * mean("network"),
        "microseconds": 1e6 * mean("count_sim_time"),
        "synaptic_operations": mean("count_spikes"),
        "messages": mean("count_packets_sent"),
        "updates_with_input": mean("count_neurons_updated"),
        "chip_steps": mean("count_timesteps_executed"),
    }


def ours(run: Run, way: Sent) -> dict[str, Any]:
    """Return the same of our profile, as [low, high] where its figures are ranges.

    With one message per count the profile is charged as a chip with graded spikes.
    """
    profile = load_profile(PROFILE)
    if way == WAYS[0]:
        profile = with_graded_spikes(profile)
    steps, counts = run.counts.shape[1], run.counts
    events = counted(run.network, [(run.pixels, counts)], DATA)
    moved, work = traffic(run.placed.placement, events), activity(run.network, run.pixels, counts)
    found = chip_energy(profile, work, moved)
    fullest = max(use.neurons for use in run.placed.uses)
    least = least_time(load_profile(CHIP), fullest, moved.barriers, steps)
    # SANA-FE counts what a neuron pays for a spike among the neurons, our profile among messages.
    spikes = total(item for item in found.items if item.what == SPIKES)
    neurons = total(item for item in found.items if item.kind == "neurons" or item.what == SPIKES)
    messages = total(i for i in found.items if i.kind == "messages" and i.what != SPIKES)
    synapses = found.part("synapses")
    payload = way == WAYS[1]
    return {
        "synapses_nj": [synapses.low, synapses.high],
        "of_these_spikes_nj": [spikes.low, spikes.high],
        "neurons_nj": [neurons.low, neurons.high],
        "messages_nj": [messages.low, messages.high],
        "microseconds_at_least": None if least is None else least.image_ns / 1000.0,
        "synaptic_operations": (
            work.synaptic_operations_by_payload if payload else work.synaptic_operations
        ),
        "messages": moved.messages * (work.binary_messages / work.messages if payload else 1.0),
        "updates": work.updates / work.steps * (work.binary_steps if payload else work.steps),
        "chip_steps": moved.barriers + (work.binary_steps - work.steps if payload else 0.0),
    }


def figures(name: str, run: Run, python: Path) -> dict[str, Any]:
    """Return both sides for both ways to send a count."""
    rows = []
    for way in WAYS:
        done = replay(python, case_of(run, way))
        rows.append({"sent": way, "sanafe": theirs(done["images"]), "ours": ours(run, way)})
    return {
        "network": name,
        "cores": run.placed.placement.partition.cores,
        "images": len(run.pixels),
        "steps": run.counts.shape[1],
        "version": done["version"],
        "rows": rows,
    }


def main(
    networks: Annotated[list[str], typer.Argument(metavar="NETWORK ...")],
    python: Annotated[Path, typer.Option(help="Interpreter of an environment with sanafe.")],
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Test images.")] = 20,
    steps: Annotated[int, typer.Option(min=1)] = 8,
) -> None:
    """Measure and write the results and their section of the page."""
    # Both write the same page from the results of both.
    from benchmarks.operating_points.__main__ import redraw, short

    training = load(DATA, "train", data_root, CALIBRATION_IMAGES)
    images = load(DATA, "test", data_root, limit)
    result = {
        "date": date.today().isoformat(),
        "command": "python -m benchmarks.operating_points.sanafe_check",
        "machine": machine(),
        "networks": [
            figures(short(name), prepared(name, training, images, steps), python)
            for name in _once(networks)
        ],
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    redraw()


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


if __name__ == "__main__":
    typer.run(main)
