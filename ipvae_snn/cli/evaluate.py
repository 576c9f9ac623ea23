"""`ipvae-snn evaluate`: figures of a float network by step, with intervals."""

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
    StepsOption,
    network_path,
)
from ipvae_snn.cli.rendering import bar, deliver


def evaluate(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="Float checkpoint (model.safetensors), or pretrained name."
        ),
    ],
    data: Annotated[str, typer.Option(help=DATA_HELP)],
    split: Annotated[
        str,
        typer.Option(help="train or test; of your own images, every tenth is in test."),
    ] = "test",
    limit: LimitOption = 1000,
    steps: StepsOption = 1000,
    seed: SeedOption = 0,
    readout_train: Annotated[
        int,
        typer.Option(
            min=0, help="Training images of the linear read-out of labels; 0: no read-out."
        ),
    ] = 5000,
    generalise: Annotated[
        bool,
        typer.Option(
            "--generalise",
            help="Also evaluate rotated images and other 28x28 sets that are available.",
        ),
    ] = False,
    plots: PlotsOption = None,
    out: JsonFileOption = None,
    overwrite: OverwriteOption = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; they change no figure.")] = 1,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a float network: R2, zeros, free energy, sparseness, read-out, run-aways."""
    from ipvae_snn.workflows import evaluate as workflow

    settings = workflow.EvaluationSettings(
        split, limit, steps, seed, readout_train, generalise, threads, data_root
    )
    with bar(as_json) as progress:
        result = workflow.evaluate(
            checkpoint,
            data,
            settings,
            pictures=plots,
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    deliver(result, as_json)
