"""`ipvae-snn profiles`: chip profiles, every number with its unit, source and confidence."""

from typing import Annotated

import typer

from ipvae_snn.cli.options import JsonOption, ProfilesOption
from ipvae_snn.cli.rendering import deliver


def profiles(
    name: Annotated[str | None, typer.Argument(help="Profile name, or a .toml file.")] = None,
    profile: ProfilesOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the chip profiles, or show every number of one: unit, source, confidence."""
    from ipvae_snn.workflows import profiles as workflow

    wanted = [*([name] if name else []), *(profile or [])]
    deliver(workflow.load_profiles(wanted), as_json)
