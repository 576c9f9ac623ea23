"""`ipvae-snn energy`: operations of a run on chips and processors, and energy proxies."""

from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.options import (
    CHIP,
    PROFILE_HELP,
    DataOption,
    DataRootOption,
    JsonFileOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
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
    picture_folder,
)
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "energy net.safetensors --data digits",
    "energy net.safetensors --data digits --profile loihi1",
)


def energy(
    network: NetworkArgument,
    data: DataOption,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{PROFILE_HELP}; may be repeated. Default: all with energies.",
            rich_help_panel=CHIP,
            autocompletion=completion.profiles,
        ),
    ] = None,
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
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
    """Count events, operations and updates of a run, and estimate energy from published figures."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import energy as workflow

        settings = workflow.EnergySettings(
            tuple(profile or ()), split, limit, steps, seed, data_root, white
        )
        result = workflow.energy(
            network,
            data,
            settings,
            pictures=picture_folder(plots, plots_format),
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
