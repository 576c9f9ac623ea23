"""`ipvae-snn lava run`: simulate a network in Lava, with traffic, monitor and raster."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ipvae_snn.cli.options import (
    DataOption,
    DataRootOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
    SeedOption,
    SplitOption,
    StallOption,
    StepsOption,
    TimeoutOption,
)
from ipvae_snn.cli.terminal import watching
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, number, table

if TYPE_CHECKING:
    from ipvae_snn.workflows.lava import LavaRuns


class SourceChoice(str, Enum):
    """Form of the image at the network's input."""

    SPIKES = "spikes"
    BIAS = "bias"
    BOTH = "both"


def lava_run(
    network: NetworkArgument,
    data: DataOption,
    limit: LimitOption = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    source: Annotated[
        SourceChoice,
        typer.Option(help="Image as graded spikes, as bias that the host writes, or both in turn."),
    ] = SourceChoice.SPIKES,
    fused: Annotated[
        bool,
        typer.Option("--fused", help="Simulate the network as one process: faster, same counts."),
    ] = False,
    replicas: Annotated[int, typer.Option(help="Copies of the network that share the images.")] = 1,
    monitor: Annotated[
        str, typer.Option(help="Neurons whose every step is recorded: 0,5,20-29, or all.")
    ] = "",
    raster: Annotated[
        Path | None, typer.Option(help="Picture of the first image's spikes and potentials (PNG).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result file (npz), monitor included.")] = None,
    timeout: TimeoutOption = None,
    stall: StallOption = None,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate a network in Lava: traffic per connection, monitored neurons, a raster.

    The counts equal those of every other back end (`ipvae-snn verify`). A run that fails saves the
    finished images and reports the cause.
    """
    from ipvae_snn.workflows import lava as workflow

    images = workflow.ImageChoice(data, split, limit, data_root)
    request = workflow.RunRequest(steps, seed)
    sources = workflow.BOTH if source is SourceChoice.BOTH else (source.value,)
    choice = workflow.LavaChoice(sources, fused, replicas, monitor, raster, out)
    with watching(console(quiet=True), "", out, (timeout, stall)) as line:
        result = workflow.simulate_file(network, images, request, choice, line.update)
    if as_json:
        emit_json(result.as_json())
        return
    console().print(as_table(result))
    for path in (raster, out):
        if path is not None:
            console().print(f"[bold]{path}[/] written", highlight=False)


def as_table(result: "LavaRuns") -> Table:
    """Return a table with one column per run."""
    runs = result.figures()
    shown = table(
        f"Lava, {result.program.circuit} circuit: means of {result.images} images, "
        f"{result.steps} steps",
        "",
        *(f"image as {name}" for name in runs),
    )
    rows = {
        "spikes": [run["spikes"] for run in runs.values()],
        **_traffic(list(runs.values())),
        "words written by the host": [float(run["host_writes"]) for run in runs.values()],
        "saturated, all images and steps": [float(run["saturated"]) for run in runs.values()],
    }
    for label, values in rows.items():
        shown.add_row(label, *(number(value, 0) for value in values))
    shown.add_row("ms per time step", *(number(run["ms_a_time_step"], 3) for run in runs.values()))
    return shown


def _traffic(runs: list[dict[str, Any]]) -> dict[str, list[float | None]]:
    """Return messages and operations per connection, and the sum of operations."""
    names = list(dict.fromkeys(name for run in runs for name in run["traffic"]))
    rows: dict[str, list[float | None]] = {}
    for key, label in (("messages", "messages"), ("operations", "synaptic operations")):
        for name in names:
            rows[f"{label}, {name}"] = [run["traffic"].get(name, {}).get(key) for run in runs]
    rows["synaptic operations, all"] = [
        sum(part["operations"] for part in run["traffic"].values()) for run in runs
    ]
    return rows
