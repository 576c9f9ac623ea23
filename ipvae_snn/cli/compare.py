"""`ipvae-snn compare`: how far integer inference is from float inference on the same uniforms."""

from pathlib import Path
from typing import Annotated

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
from ipvae_snn.cli.rendering import bar, deliver


def compare(
    checkpoint: Annotated[
        Path, typer.Argument(parser=network_path, help="Float checkpoint, or pretrained name.")
    ],
    network: Annotated[
        Path, typer.Argument(parser=network_path, help="The integer network made of it.")
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; intervals need two.")] = 5,
    seed: SeedOption = 0,
    attribution: Annotated[
        bool,
        typer.Option(help="Also put each tensor of the program into the float network, alone."),
    ] = True,
    plots: Annotated[Path | None, typer.Option(help="Folder for pictures.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the result as JSON.")] = None,
    threads: Annotated[
        int, typer.Option(min=1, envvar="IPVAE_SNN_THREADS", help="CPU threads; no figure changes.")
    ] = 2,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell how far integer inference is from float inference on the same uniforms, and why."""
    from ipvae_snn.workflows import compare as workflow

    settings = workflow.ComparisonSettings(
        split, limit, steps, seeds, seed, attribution, threads, data_root
    )
    with bar(as_json) as progress:
        result = workflow.compare(
            checkpoint, network, data, settings, pictures=plots, out=out, progress=progress
        )
    deliver(result, as_json)
