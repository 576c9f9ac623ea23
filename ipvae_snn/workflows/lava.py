"""Simulate a network in Lava; record traffic, monitored neurons and a raster."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from matplotlib.figure import Figure

from ipvae_snn.arrays import Float64
from ipvae_snn.errors import DataError
from ipvae_snn.hw.lava.backend import simulate
from ipvae_snn.hw.lava.simulation import TRAFFIC, LavaOptions, LavaRun, Source
from ipvae_snn.ir.files import load_network
from ipvae_snn.ir.graph import IMAGE
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.ir.trace import RunRequest
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.report.document import (
    Block,
    Document,
    Picture,
    Span,
    number,
    paragraph,
    table,
)
from ipvae_snn.report.picture_files import save as save_picture
from ipvae_snn.report.rasters import potentials_size, raster_and_potentials
from ipvae_snn.storage.array_files import save_arrays
from ipvae_snn.watcher import parts
from ipvae_snn.workflows.image_choice import ImageChoice
from ipvae_snn.workflows.images import Images, described
from ipvae_snn.workflows.moving import warn_if_still
from ipvae_snn.workflows.outputs import (
    PICTURE,
    RESULT,
    check_outputs,
    outputs,
    remove_partial,
    save_or_spare,
)

__all__ = [
    "BOTH",
    "ImageChoice",
    "LavaChoice",
    "LavaRuns",
    "RunRequest",
    "simulate_file",
]

BOTH: Final[tuple[Source, ...]] = ("spikes", "bias")
RASTER: Final = "raster"  # in a folder of pictures
COUNTED: Final = ("messages", "operations", "operations_by_payload")


@dataclass(frozen=True)
class LavaChoice:
    """Options of a simulation; none of them changes a count.

    sources: the image as graded "spikes", as "bias" that the host writes, or both in turn. fused,
    replicas: as in LavaOptions. monitor: neurons whose every step is recorded, as 0,5,20-29 or
    "all". raster: picture of the first image's spikes and potentials, of all neurons if monitor is
    empty. out: npz file of the result, including the monitored neurons. overwrite: replace files of
    other kinds there.
    """

    sources: tuple[Source, ...] = ("spikes",)
    fused: bool = False
    replicas: int = 1
    monitor: str = ""
    raster: Path | None = None
    out: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class LavaRuns:
    """Runs by source of the image; all gave the same counts.

    files: those written. raster: the picture, if one was requested.
    """

    network: IntegerNetwork
    images: int
    steps: int
    runs: Mapping[str, LavaRun]
    files: tuple[Path, ...] = ()
    raster: Picture | None = None

    @property
    def first(self) -> LavaRun:
        """The run that is saved and drawn."""
        return next(iter(self.runs.values()))

    def figures(self) -> dict[str, dict[str, Any]]:
        """Return the figures of the runs by source, as means per image."""
        return {source: _figures(run, source, self.network) for source, run in self.runs.items()}

    def as_json(self) -> dict[str, Any]:
        """Return plain data, without the arrays."""
        return {"images": self.images, "steps": self.steps, "runs": self.figures()}

    def document(self) -> Document:
        """Return a table with one column per run, the picture, and the files written."""
        runs = self.figures()
        title = (
            f"Lava, {self.network.circuit} circuit: means of {self.images} images, "
            f"{self.steps} steps"
        )
        figures = table(
            title, ("", *(f"image as {name}" for name in runs)), _rows(list(runs.values()))
        )
        files: list[Block] = [
            paragraph(Span(str(path), "strong"), " written") for path in self.files
        ]
        drawn = () if self.raster is None else (self.raster,)
        return Document("Simulation in Lava", (figures, *drawn, *files))


def _rows(runs: list[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of a table with one column per run."""
    names = list(dict.fromkeys(name for run in runs for name in run["traffic"]))
    yield "spikes", *(number(run["spikes"], 0) for run in runs)
    for key, label in (("messages", "messages"), ("operations", "synaptic operations")):
        for name in names:
            counted = (run["traffic"].get(name, {}).get(key) for run in runs)
            yield f"{label}, {name}", *(number(value, 0) for value in counted)
    totals = (sum(part["operations"] for part in run["traffic"].values()) for run in runs)
    yield "synaptic operations, all", *(number(total, 0) for total in totals)
    yield "words written by the host", *(number(float(run["host_writes"]), 0) for run in runs)
    saturated = (float(run["saturated"]) for run in runs)
    yield "saturated, all images and steps", *(number(value, 0) for value in saturated)
    yield "ms per time step", *(number(run["ms_a_time_step"], 3) for run in runs)


def simulate_file(
    path: Path,
    choice: ImageChoice,
    request: RunRequest,
    lava: LavaChoice,
    progress: Progress = ignore,
) -> LavaRuns:
    """Simulate the integer network in the file `path`, and write the files that `lava` names.

    progress: receives the run that starts. Raises DataError for unknown neurons, OutputError for
    files that cannot be written, and as `hw.lava.backend.simulate` does.
    """
    written = outputs((lava.raster, PICTURE), (lava.out, RESULT))
    free = check_outputs(written, (path, choice.data), lava.overwrite)
    network = load_network(path)
    neurons = neurons_of(lava.monitor, network.n_neurons)
    if lava.raster is not None:
        octave_of(network)
        neurons = neurons or tuple(range(network.n_neurons))
    warn_if_still(network, str(path))
    progress(described(choice.data), 0, 0)
    images = replace(choice, report=progress).encoded_for(network)
    runs = _runs(network, images, request, lava, neurons, progress)
    done = LavaRuns(network, len(images.pixels), request.steps, runs)
    if lava.out is not None:
        save_or_spare(lava.out, lambda path: save(path, done.first), free)
        remove_partial(lava.out)
        done = replace(done, files=(lava.out,))
    if lava.raster is not None:
        done = replace(done, raster=save_picture(raster(done.first, network), lava.raster, free))
    return done


def _runs(
    network: IntegerNetwork,
    images: Images,
    request: RunRequest,
    lava: LavaChoice,
    neurons: tuple[int, ...],
    progress: Progress,
) -> dict[str, LavaRun]:
    runs: dict[str, LavaRun] = {}
    with parts(progress) as begin:
        for source in lava.sources:
            begin(f"image as {source}: {len(images.pixels)} images, {request.steps} steps")
            options = LavaOptions(source, lava.fused, lava.replicas, neurons)
            runs[source] = simulate(network, images.pixels, request, options)
    first, *others = runs.values()
    if any((first.trace.counts_sum != run.trace.counts_sum).any() for run in others):
        raise DataError("the two inputs gave different spike counts; please report this")
    return runs


def neurons_of(text: str, n_neurons: int) -> tuple[int, ...]:
    """Return the neurons that `text` lists, as 0,5,20-29 or all; DataError for other text."""
    if text == "all":
        return tuple(range(n_neurons))
    result: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        wrong = not first.isdecimal() or (last and not last.isdecimal())
        if wrong or int(last or first) < int(first):
            raise DataError(f"--monitor {text!r}: {part!r} is no neuron; give them as 0,5,20-29")
        result += range(int(first), int(last or first) + 1)
        if result[-1] >= n_neurons:
            raise DataError(f"--monitor {text!r}: {part!r} is not in 0..{n_neurons - 1}")
    return tuple(dict.fromkeys(result))


def _figures(run: LavaRun, source: str, network: IntegerNetwork) -> dict[str, Any]:
    limits = run.trace.saturated
    if limits is None:
        raise ValueError("a run in Lava counts saturations, but this one has no such array")
    # The host writes a payload for every residual neuron, or a current for every other one that the
    # image reaches.
    reached = {one.target for one in network.connections if one.source == IMAGE}
    held = [one for one in network.populations if one in network.relays or one.name in reached]
    writes = sum(one.size for one in held)
    return {
        "spikes": float(run.trace.spikes_per_step.sum(axis=1).mean()),
        "traffic": {
            name: dict(zip(COUNTED, map(float, counted.mean(axis=0)), strict=True))
            for name, counted in run.traffic.items()
        },
        "host_writes": writes if source == "bias" else 0,
        "saturated": int(limits.sum()),
        "ms_a_time_step": 1e3 * run.seconds / max(run.time_steps, 1),
        "time_steps": run.time_steps,
    }


def raster(run: LavaRun, network: IntegerNetwork) -> Picture:
    """Return a picture of spikes and potentials of the monitored neurons for the first image."""
    result = run.monitored
    if result is None:
        raise ValueError("a raster needs a run that monitors neurons")
    octaves = result.states[0] * octave_of(network)[result.neurons]
    title = f"Lava, first image: {len(result.neurons)} monitored neurons"

    def draw(figure: Figure) -> None:
        raster_and_potentials(figure, result.neurons, result.counts[0], octaves, title)

    return Picture("raster", title, draw, potentials_size(len(result.neurons)))


def octave_of(network: IntegerNetwork) -> Annotated[Float64, "K"]:
    """Return one unit of each neuron's state in octaves; DataError where some have no rate."""
    units = []
    for one in network.computing:
        bits = one.neurons.shared().get("fraction_bits")
        if bits is None:
            raise DataError(
                f"--plots: the states of {one.name}, {one.neurons.kind} neurons, are no rates to "
                "draw; leave it out"
            )
        units.append(np.full(one.size, 2.0**-bits))
    return np.concatenate(units)


def save(out: Path, run: LavaRun) -> None:
    """Write the trace, the traffic and the monitored neurons atomically."""
    arrays: dict[str, Any] = dict(run.trace.arrays())
    arrays |= {f"{TRAFFIC}{name}": counted for name, counted in run.traffic.items()}
    if run.monitored is not None:
        arrays |= {
            "monitor": run.monitored.neurons,
            "monitor_counts": run.monitored.counts,
            "monitor_states": run.monitored.states,
        }
    save_arrays(out, arrays)
