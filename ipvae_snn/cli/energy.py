"""`ipvae-snn energy`: what a run makes a chip or a processor do, and proxies of what that costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    LimitOption,
    SeedOption,
    SplitOption,
    StepsOption,
    network_path,
)

if TYPE_CHECKING:
    from ipvae_snn.hw.chips.profile import ChipProfile


def energy(
    network: Annotated[
        Path, typer.Argument(parser=network_path, help="Integer network (from `convert`).")
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    profile: Annotated[
        list[str] | None,
        typer.Option(help="A profile's name or .toml file, may be repeated [all that ship]."),
    ] = None,
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    plots: Annotated[Path | None, typer.Option(help="Folder for a picture of the ranges.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON.")] = None,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count events, operations and updates of a run, and price them by published figures."""
    from ipvae_snn.errors import FileFormatError
    from ipvae_snn.hw.cost.report import counts_table, draw, proxies_table, sources
    from ipvae_snn.ir.files import load_network
    from ipvae_snn.report.json_files import emit_json, write_json
    from ipvae_snn.report.terminal import console
    from ipvae_snn.workflows.energy import report
    from ipvae_snn.workflows.images import is_checkpoint, load_for

    profiles = _priced(profile)  # before the run, so that a wrong name costs no time
    if is_checkpoint(network):
        raise FileFormatError(
            f"{network}: a float checkpoint, but this counts an integer network's events; convert "
            f"it first: ipvae-snn convert {network} --calibrate {data} --out net.safetensors"
        )
    program = load_network(network)
    images = load_for(program, data, split, data_root, limit)
    screen = console(quiet=as_json)
    with screen.status(f"compiled: {len(images.pixels)} images, {steps} steps"):
        found = report(program, images, steps, seed, profiles)
    if plots is not None:
        draw(plots / "energy.png", found)
    if out is not None:
        write_json(out, found.as_json())
    if as_json:
        emit_json(found.as_json())
        return
    screen.print(counts_table(found))
    screen.print(proxies_table(found))
    for line in sources(found):
        screen.print(line, highlight=False, markup=False)


def _priced(names: list[str] | None) -> "list[ChipProfile]":
    """Return the profiles that were asked for; refuse one that names no energies at all."""
    from ipvae_snn.errors import ConfigError
    from ipvae_snn.hw.chips.profile import load_profile, profile_names

    found = [load_profile(name) for name in names or profile_names()]
    for profile in found:
        if names and not profile.energy:
            raise ConfigError(
                f"profile {profile.name} names no energies, so it prices nothing; choose one that "
                "does (`ipvae-snn profiles`)"
            )
    return [profile for profile in found if profile.energy]
