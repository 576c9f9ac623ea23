"""`ipvae-snn lava run`: Lava's simulator with all that it can tell: traffic, monitor, raster."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    SeedOption,
    SplitOption,
    StepsOption,
    network_path,
)
from ipvae_snn.cli.terminal import partial_path, watching

if TYPE_CHECKING:
    from ipvae_snn.hw.lava.simulation import LavaRun, Source
    from ipvae_snn.ir.network import IntegerNetwork

SHOWN_NEURONS = 32  # in the picture of what is monitored


class SourceChoice(str, Enum):
    """How the image comes to the network."""

    SPIKES = "spikes"
    BIAS = "bias"
    BOTH = "both"


def lava_run(
    network: Annotated[Path, typer.Argument(parser=network_path, help="Integer network.")],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    limit: Annotated[int, typer.Option(min=1, help="Images at most.")] = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    source: Annotated[
        SourceChoice,
        typer.Option(help="Image as graded spikes, as bias that the host writes, or both in turn."),
    ] = SourceChoice.SPIKES,
    fused: Annotated[
        bool, typer.Option("--fused", help="The network as one process: faster, same counts.")
    ] = False,
    replicas: Annotated[int, typer.Option(help="Copies that share the images out.")] = 1,
    monitor: Annotated[
        str, typer.Option(help="Neurons to keep every step of: 0,5,20-29, or all.")
    ] = "",
    raster: Annotated[
        Path | None, typer.Option(help="Picture of the first image's spikes and potentials (PNG).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result file (npz), monitor included.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, help="End the run after so many seconds (default: by its size)."),
    ] = None,
    stall: Annotated[
        float | None,
        typer.Option(min=0, help="And after so many without a time step (60; 0 is never)."),
    ] = None,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a network in Lava: traffic of every connection, chosen neurons, a raster.

    The counts are those of every other back end (`ipvae-snn verify`). A run that fails keeps the
    images that it had finished, and names the cause.
    """
    from ipvae_snn.errors import DataError
    from ipvae_snn.hw.lava.backend import simulate
    from ipvae_snn.hw.lava.simulation import LavaOptions
    from ipvae_snn.ir.files import load_network
    from ipvae_snn.ir.trace import RunRequest
    from ipvae_snn.report.json_files import emit_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.images import load_for

    program = load_network(network)
    neurons = neurons_of(monitor, program.n_neurons)
    if raster is not None and not neurons:
        neurons = tuple(range(program.n_neurons))
    images = load_for(program, data, split, data_root, limit)
    sources: tuple[Source, ...] = ("spikes", "bias")
    if source is not SourceChoice.BOTH:
        sources = (source.value,)
    runs: dict[str, LavaRun] = {}
    with watching(console(quiet=True), "", out, (timeout, stall)) as line:
        for one in sources:
            line.update(f"image as {one}: {len(images.pixels)} images, {steps} steps")
            options = LavaOptions(one, fused, replicas, neurons)
            request = RunRequest(steps, seed)
            runs[one] = simulate(program, images.pixels, request, options)
    first = runs[sources[0]]
    if len(runs) == 2 and (first.trace.counts_sum != runs["bias"].trace.counts_sum).any():
        raise DataError("the two inputs gave different spike counts; please report this")
    if raster is not None:
        draw(raster, first, program)
    if out is not None:
        save(out, first)
        partial_path(out).unlink(missing_ok=True)  # of an earlier run that broke
    rows = {name: row(run, name, program) for name, run in runs.items()}
    if as_json:
        emit_json({"images": len(images.pixels), "steps": steps, "runs": rows})
        return
    show(rows, program, len(images.pixels), steps)
    for path in (raster, out):
        if path is not None:
            console().print(f"[bold]{path}[/] written", highlight=False)


def neurons_of(text: str, n_neurons: int) -> tuple[int, ...]:
    """Return the neurons that `text` lists, as 0,5,20-29 or all; DataError if it lists none."""
    from ipvae_snn.errors import DataError

    if text == "all":
        return tuple(range(n_neurons))
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        wrong = not first.isdecimal() or (last and not last.isdecimal())
        if wrong or int(last or first) < int(first):
            raise DataError(f"--monitor {text!r}: {part!r} is no neuron; give them as 0,5,20-29")
        found += range(int(first), int(last or first) + 1)
        if found[-1] >= n_neurons:
            raise DataError(f"--monitor {text!r}: {part!r} is not in 0..{n_neurons - 1}")
    return tuple(dict.fromkeys(found))


def row(run: "LavaRun", source: str, program: "IntegerNetwork") -> dict[str, Any]:
    """Return what a run tells, as means an image."""
    limits = run.trace.saturated
    assert limits is not None
    # What the host writes: a current for every neuron, or a payload for every residual neuron.
    writes = program.n_neurons if program.residual is None else program.n_pixels
    return {
        "spikes": float(run.trace.spikes_per_step.sum(axis=1).mean()),
        "traffic": {
            name: dict(
                zip(
                    ("messages", "operations", "operations_by_payload"),
                    (float(value) for value in counted.mean(axis=0)),
                    strict=True,
                )
            )
            for name, counted in run.traffic.items()
        },
        "host_writes": writes if source == "bias" else 0,
        "saturated": int(limits.sum()),
        "ms_a_time_step": 1e3 * run.seconds / max(run.time_steps, 1),
        "time_steps": run.time_steps,
    }


def show(
    rows: dict[str, dict[str, Any]], program: "IntegerNetwork", images: int, steps: int
) -> None:
    """Print the runs side by side."""
    from ipvae_snn.report.terminal import console, number, table

    title = f"Lava, {program.circuit} circuit: means of {images} images, {steps} steps"
    made = table(title, "", *(f"image as {name}" for name in rows))
    names = list(dict.fromkeys(name for run in rows.values() for name in run["traffic"]))

    def add(label: str, values: list[float | None], digits: int = 0) -> None:
        made.add_row(label, *(number(value, digits) for value in values))

    add("spikes", [run["spikes"] for run in rows.values()])
    for key, label in (("messages", "messages"), ("operations", "synaptic operations")):
        for name in names:
            found = [run["traffic"].get(name, {}).get(key) for run in rows.values()]
            add(f"{label}, {name}", found)
        if key == "operations":
            sums = [sum(part[key] for part in run["traffic"].values()) for run in rows.values()]
            add(f"{label}, all", list(sums))
    add("words the host writes", [float(run["host_writes"]) for run in rows.values()])
    add("saturated, all images and steps", [float(run["saturated"]) for run in rows.values()])
    add("ms a time step", [run["ms_a_time_step"] for run in rows.values()], 3)
    console().print(made)


def draw(path: Path, run: "LavaRun", program: "IntegerNetwork") -> None:
    """Draw what the monitored neurons did while the first image was shown."""
    from ipvae_snn.report.plots import POTENTIALS_SIZE, page, raster_and_potentials

    found = run.monitored
    assert found is not None
    order = (-found.counts[0].sum(axis=0)).argsort(kind="stable")[:SHOWN_NEURONS]
    octaves = found.states[0][:, order] / (1 << program.neurons.fraction_bits)
    with page(path, *POTENTIALS_SIZE) as figure:
        raster_and_potentials(
            figure,
            found.neurons[order],
            found.counts[0][:, order],
            octaves,
            f"Lava, first image: {len(order)} of {len(found.neurons)} monitored neurons",
        )


def save(out: Path, run: "LavaRun") -> None:
    """Write the trace, the traffic and what was monitored, whole or not at all."""
    from ipvae_snn.hw.lava.simulation import TRAFFIC
    from ipvae_snn.storage.array_files import save_arrays

    arrays: dict[str, Any] = dict(run.trace.arrays())
    arrays |= {f"{TRAFFIC}{name}": counted for name, counted in run.traffic.items()}
    if run.monitored is not None:
        arrays |= {
            "monitor": run.monitored.neurons,
            "monitor_counts": run.monitored.counts,
            "monitor_states": run.monitored.states,
        }
    save_arrays(out, arrays)
