"""`ipvae-snn map`: check a network against a chip's limits, and place its neurons."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "map net.safetensors --profile loihi2",
    "map net.safetensors --data digits --plots pictures",
)


class InputAs(str, Enum):
    """Form of the image at the chip's input."""

    SPIKES = "spikes"
    BIAS = "bias"


def map_network(
    network: opt.NetworkArgument,
    profile: opt.ProfileOption = "loihi2",
    input_as: Annotated[
        InputAs,
        typer.Option(
            "--source",
            help="Image as graded spikes, or written into the state as bias.",
            rich_help_panel=opt.CHIP,
        ),
    ] = InputAs.SPIKES,
    chips: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of chips. Default: as many as needed.", rich_help_panel=opt.CHIP
        ),
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(
            help="Result of `ipvae-snn run --trace` whose events are counted.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help=f"Count events on images. {opt.DATA_HELP}",
            rich_help_panel=opt.IMAGES,
            autocompletion=completion.data,
        ),
    ] = None,
    limit: opt.LimitOption = 20,
    steps: opt.StepsOption = 64,
    seed: opt.SeedOption = 0,
    threads: opt.ThreadsOption = None,
    split: opt.SplitOption = "test",
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    plots: opt.PlotsOption = None,
    plots_format: opt.PlotsFormatOption = opt.PlotsFormat.PNG,
    plot: Annotated[Path | None, typer.Option(parser=opt.output_path, hidden=True)] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="FILE",
            help="JSON file for all figures and each neuron's core.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = None,
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Check every limit of a chip, split the network over its cores, and place the cores."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import mapping as workflow

        chip = workflow.ChipSettings(profile, input_as.value, chips)
        events = workflow.EventSettings(rates, data, split, limit, steps, seed, data_root, white)
        folder = opt.picture_folder(plots, plots_format)
        picture = folder.file(workflow.PLACEMENT) if folder else plot
        result = workflow.map_network(
            network,
            chip,
            events,
            picture=picture,
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
    result.require_fit()
