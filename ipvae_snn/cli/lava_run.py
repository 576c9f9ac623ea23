"""`ipvae-snn lava run`: simulate a network in Lava, with traffic, monitor and raster."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "lava run net.safetensors --data digits --limit 4 --steps 16",
    "lava run net.safetensors --data digits --plots pictures",
)


class SourceChoice(str, Enum):
    """Form of the image at the network's input."""

    SPIKES = "spikes"
    BIAS = "bias"
    BOTH = "both"


def lava_run(
    network: opt.NetworkArgument,
    data: opt.DataOption,
    limit: opt.LimitOption = 20,
    steps: opt.StepsOption = 64,
    seed: opt.SeedOption = 0,
    source: Annotated[
        SourceChoice,
        typer.Option(
            help="Image as graded spikes, as bias that the host writes, or both in turn.",
            rich_help_panel=opt.RUN,
        ),
    ] = SourceChoice.SPIKES,
    fused: Annotated[
        bool,
        typer.Option(
            "--fused",
            help="Simulate the network as one process: faster, same counts.",
            rich_help_panel=opt.RUN,
        ),
    ] = False,
    replicas: Annotated[
        int,
        typer.Option(help="Copies of the network that share the images.", rich_help_panel=opt.RUN),
    ] = 1,
    monitor: Annotated[
        str,
        typer.Option(
            help="Neurons whose every step is recorded: 0,5,20-29, or all.", rich_help_panel=opt.RUN
        ),
    ] = "",
    timeout: opt.TimeoutOption = None,
    stall: opt.StallOption = None,
    split: opt.SplitOption = "test",
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    plots: opt.PlotsOption = None,
    plots_format: opt.PlotsFormatOption = opt.PlotsFormat.PNG,
    raster: Annotated[Path | None, typer.Option(parser=opt.output_path, hidden=True)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="FILE",
            help="Result file (npz), monitor included.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = None,
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Simulate a network in Lava: traffic per connection, monitored neurons, a raster.

    The counts equal those of every other back end (`ipvae-snn verify`). A run that fails saves the
    finished images and reports the cause.
    """
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(out, timeout, stall)) as progress:
        from ipvae_snn.workflows import lava as workflow

        images = workflow.ImageChoice(data, split, limit, data_root, white)
        request = workflow.RunRequest(steps, seed)
        sources = workflow.BOTH if source is SourceChoice.BOTH else (source.value,)
        folder = opt.picture_folder(plots, plots_format)
        picture = folder.file(workflow.RASTER) if folder else raster
        choice = workflow.LavaChoice(sources, fused, replicas, monitor, picture, out, overwrite)
        result = workflow.simulate_file(network, images, request, choice, progress)
    screen.deliver(result)
