"""`ipvae-snn profiles`: chip profiles, every number with its unit, source and confidence."""

from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples("profiles loihi1", "profiles generic --toml > mine.toml")


def profiles(
    name: Annotated[
        str | None,
        typer.Argument(help="Profile name, or a .toml file.", autocompletion=completion.profiles),
    ] = None,
    profile: opt.ProfilesOption = None,
    toml: Annotated[
        bool,
        typer.Option(
            "--toml",
            help="Print the profile as a file that --profile FILE.toml reads.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """List the chip profiles, or show every number of one: unit, source, confidence."""
    screen = Screen(as_json, quiet, verbose)
    wanted = [*([name] if name else []), *(profile or [])]
    with screen.working():
        from ipvae_snn.workflows import profiles as workflow

        result = workflow.load_profiles(wanted)
        text = workflow.as_toml(result) if toml else ""
    if toml:
        typer.echo(text, nl=False)
    else:
        screen.deliver(result)
