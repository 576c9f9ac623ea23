"""`ipvae-snn compare`: distance of integer from float inference on the same uniforms."""

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
from ipvae_snn.cli.rendering import bar, deliver


def compare(
    checkpoint: Annotated[
        Path, typer.Argument(parser=network_path, help="Float checkpoint, or pretrained name.")
    ],
    network: Annotated[
        Path, typer.Argument(parser=network_path, help="Integer network converted from it.")
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds; intervals need two.")] = 5,
    seed: SeedOption = 0,
    attribution: Annotated[
        bool,
        typer.Option(help="Also attribute the difference to single tensors, one at a time."),
    ] = True,
    plots: PlotsOption = None,
    out: JsonFileOption = None,
    overwrite: OverwriteOption = False,
    threads: Annotated[
        int,
        typer.Option(min=1, envvar="IPVAE_SNN_THREADS", help="CPU threads; they change no figure."),
    ] = 2,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the distance of integer from float inference on the same uniforms, and its causes."""
    from ipvae_snn.workflows import compare as workflow

    settings = workflow.ComparisonSettings(
        split, limit, steps, seeds, seed, attribution, threads, data_root
    )
    with bar(as_json) as progress:
        result = workflow.compare(
            checkpoint,
            network,
            data,
            settings,
            pictures=plots,
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    deliver(result, as_json)
