"""`ipvae-snn lava run`: simulate a network in Lava, with traffic, monitor and raster."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    DataOption,
    DataRootOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
    OverwriteOption,
    SeedOption,
    SplitOption,
    StallOption,
    StepsOption,
    TimeoutOption,
    output_path,
)
from ipvae_snn.cli.rendering import deliver
from ipvae_snn.cli.terminal import watching
from ipvae_snn.report.terminal import console


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
        Path | None,
        typer.Option(
            parser=output_path,
            metavar="FILE",
            help="Picture of the first image's spikes and potentials (PNG).",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=output_path, metavar="FILE", help="Result file (npz), monitor included."
        ),
    ] = None,
    overwrite: OverwriteOption = False,
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
    choice = workflow.LavaChoice(sources, fused, replicas, monitor, raster, out, overwrite)
    with watching(console(quiet=True), "", out, (timeout, stall)) as line:
        result = workflow.simulate_file(network, images, request, choice, line.update)
    deliver(result, as_json)
