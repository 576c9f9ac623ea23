"""`ipvae-snn energy`: operations of a run on chips and processors, and energy proxies."""

from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "energy net.safetensors --data digits",
    "energy net.safetensors --data digits --profile loihi1",
)


def energy(
    network: opt.NetworkArgument,
    data: opt.DataOption,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{opt.PROFILE_HELP}; may be repeated. Default: all with energies.",
            rich_help_panel=opt.CHIP,
            autocompletion=completion.profiles,
        ),
    ] = None,
    limit: opt.LimitOption = 100,
    steps: opt.StepsOption = 64,
    seed: opt.SeedOption = 0,
    decode: opt.DecodeOption = None,
    stop: opt.StopOption = None,
    threads: opt.ThreadsOption = None,
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
    """Count events, operations and updates of a run, and estimate energy from published figures."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import energy as workflow

        settings = workflow.EnergySettings(
            tuple(profile or ()),
            split,
            limit,
            steps,
            seed,
            data_root,
            white,
            workflow.asked_decoding(decode),
            workflow.asked_stop(stop),
        )
        result = workflow.energy(
            network,
            data,
            settings,
            pictures=opt.picture_folder(plots, plots_format),
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
