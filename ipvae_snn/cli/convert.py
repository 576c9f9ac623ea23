"""`ipvae-snn convert`: convert a checkpoint to an integer network, with a report."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    OverwriteOption,
    SeedOption,
    SplitOption,
    network_path,
    output_path,
)
from ipvae_snn.cli.rendering import deliver, line


def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="Float checkpoint (model.safetensors), or pretrained name."
        ),
    ],
    calibrate: Annotated[
        str | None,
        typer.Option(help=DATA_HELP + " Default: the training data of the checkpoint."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(parser=output_path, metavar="FILE", help="File of the integer network."),
    ] = Path("net.safetensors"),
    weight_bits: Annotated[int, typer.Option(help="Bits of both connections' weights, 2..8.")] = 8,
    feedforward_bits: Annotated[
        int | None, typer.Option(help="Bits of the feed-forward weights only.")
    ] = None,
    lateral_bits: Annotated[
        int | None,
        typer.Option(help="Bits of the lateral (two-layer: prediction) weights only."),
    ] = None,
    circuit: Annotated[
        str,
        typer.Option(help="one-layer (lateral competition) or two-layer (residual neurons)."),
    ] = "one-layer",
    sparsity: Annotated[
        float, typer.Option(help="Share of lateral weights to set to 0, the least salient ones.")
    ] = 0.0,
    fraction_bits: Annotated[int, typer.Option(help="Fraction bits of the state, 4..16.")] = 12,
    images: Annotated[int, typer.Option(min=8, help="Number of calibration images.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="Calibration steps per image.")] = 48,
    seed: SeedOption = 0,
    split: SplitOption = "train",
    data_root: DataRootOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            parser=output_path,
            metavar="FILE",
            help="Report file; default: OUT with .report.json.",
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Convert a trained network to an integer network; report its costs and proofs."""
    from ipvae_snn.workflows import convert as workflow

    settings = workflow.settings_of(
        weight_bits, feedforward_bits, lateral_bits, fraction_bits, circuit, sparsity
    )
    calibration = workflow.CalibrationSettings(calibrate, images, steps, seed, split, data_root)
    with line(as_json=True) as progress:
        result = workflow.convert(
            checkpoint,
            settings,
            calibration,
            out=out,
            report_file=report,
            overwrite=overwrite,
            progress=progress,
        )
    deliver(result, as_json)
