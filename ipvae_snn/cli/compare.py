"""`ipvae-snn compare`: distance of integer from float inference on the same uniforms."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.options import (
    RUN,
    CheckpointArgument,
    DataOption,
    DataRootOption,
    JsonFileOption,
    JsonOption,
    LimitOption,
    OverwriteOption,
    PlotsFormat,
    PlotsFormatOption,
    PlotsOption,
    QuietOption,
    SeedOption,
    SplitOption,
    StepsOption,
    ThreadsOption,
    VerboseOption,
    WhiteOption,
    network_path,
    picture_folder,
)
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples(
    "compare digits net.safetensors --data digits",
    "compare digits net.safetensors --data digits --plots pictures",
)


def compare(
    checkpoint: CheckpointArgument,
    network: Annotated[
        Path,
        typer.Argument(
            parser=network_path,
            help="Integer network converted from it.",
            autocompletion=completion.networks,
        ),
    ],
    data: DataOption,
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seeds: Annotated[
        int,
        typer.Option(min=1, help="Number of seeds; intervals need two.", rich_help_panel=RUN),
    ] = 5,
    seed: SeedOption = 0,
    attribution: Annotated[
        bool,
        typer.Option(
            help="Also attribute the difference to single tensors, one at a time.",
            rich_help_panel=RUN,
        ),
    ] = True,
    threads: ThreadsOption = 2,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    white: WhiteOption = None,
    plots: PlotsOption = None,
    plots_format: PlotsFormatOption = PlotsFormat.PNG,
    out: JsonFileOption = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Measure the distance of integer from float inference on the same uniforms, and its causes."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import compare as workflow

        settings = workflow.ComparisonSettings(
            split, limit, steps, seeds, seed, attribution, threads or 1, data_root, white
        )
        result = workflow.compare(
            checkpoint,
            network,
            data,
            settings,
            pictures=picture_folder(plots, plots_format),
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
