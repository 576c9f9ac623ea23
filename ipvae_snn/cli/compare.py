"""`ipvae-snn compare`: distance of integer from float inference on the same uniforms."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples(
    "compare digits net.safetensors --data digits",
    "compare digits net.safetensors --data digits --frames 8",
)


def compare(
    checkpoint: opt.CheckpointArgument,
    network: Annotated[
        Path,
        typer.Argument(
            parser=opt.network_path,
            help="Integer network converted from it.",
            autocompletion=completion.networks,
        ),
    ],
    data: opt.DataOption,
    limit: opt.LimitOption = 100,
    frames: opt.FramesOption = None,
    motion: opt.MotionOption = None,
    steps: opt.StepsOption = 64,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Number of seeds; intervals need two.", rich_help_panel=opt.RUN),
    ] = 5,
    seed: opt.SeedOption = 0,
    mean_steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=opt.MAX_MEAN_STEPS,
            help="Last steps whose mean of counts is decoded. Default: as the network's file says, "
            "else 4.",
            rich_help_panel=opt.RUN,
        ),
    ] = None,
    attribution: Annotated[
        bool,
        typer.Option(
            help="Also attribute the difference to single tensors, one at a time.",
            rich_help_panel=opt.RUN,
        ),
    ] = True,
    threads: opt.ThreadsOption = 2,
    split: opt.SplitOption = "test",
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    plots: opt.PlotsOption = None,
    plots_format: opt.PlotsFormatOption = opt.PlotsFormat.PNG,
    out: opt.JsonFileOption = None,
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Measure the distance of integer from float inference on the same uniforms, and its causes."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import compare as workflow

        settings = workflow.ComparisonSettings(
            split,
            limit,
            steps,
            seeds,
            seed,
            attribution,
            threads or 1,
            data_root,
            white,
            workflow.motion_of(frames, motion),
            mean_steps,
        )
        result = workflow.compare(
            checkpoint,
            network,
            data,
            settings,
            pictures=opt.picture_folder(plots, plots_format),
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
