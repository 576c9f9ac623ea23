"""`ipvae-snn energy`: operations of a run on chips and processors, and energy proxies."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonFileOption,
    JsonOption,
    LimitOption,
    OverwriteOption,
    PlotsOption,
    SeedOption,
    SplitOption,
    StepsOption,
    network_path,
)
from ipvae_snn.cli.rendering import deliver, line


def energy(
    network: Annotated[
        Path, typer.Argument(parser=network_path, help="Integer network (from `convert`).")
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            help="Profile name or .toml file; may be repeated. Default: all with energies."
        ),
    ] = None,
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    plots: PlotsOption = None,
    out: JsonFileOption = None,
    overwrite: OverwriteOption = False,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count events, operations and updates of a run, and estimate energy from published figures."""
    from ipvae_snn.workflows import energy as workflow

    settings = workflow.EnergySettings(tuple(profile or ()), split, limit, steps, seed, data_root)
    with line(as_json) as progress:
        result = workflow.energy(
            network,
            data,
            settings,
            pictures=plots,
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    deliver(result, as_json)
