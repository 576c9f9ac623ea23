"""`ipvae-snn convert`: checkpoint + calibration images -> integer network and its report."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    DATA_HELP,
    DataRootOption,
    JsonOption,
    SeedOption,
    SplitOption,
    network_path,
)
from ipvae_snn.cli.rendering import deliver, line


def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(parser=network_path, help="RUN/model.safetensors, or a pretrained name."),
    ],
    calibrate: Annotated[
        str | None,
        typer.Option(help=DATA_HELP + " Its training split is used. Default: the data trained on."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The integer network's file.")] = Path(
        "net.safetensors"
    ),
    weight_bits: Annotated[int, typer.Option(help="Bits of both connections' weights, 2..8.")] = 8,
    feedforward_bits: Annotated[
        int | None, typer.Option(help="Bits of the feed-forward weights, where they differ.")
    ] = None,
    lateral_bits: Annotated[
        int | None,
        typer.Option(help="Bits of the lateral (two-layer: prediction) weights, likewise."),
    ] = None,
    circuit: Annotated[
        str,
        typer.Option(help="one-layer (lateral competition) or two-layer (residual neurons)."),
    ] = "one-layer",
    sparsity: Annotated[
        float, typer.Option(help="Share of lateral weights to set to zero, the least salient.")
    ] = 0.0,
    fraction_bits: Annotated[int, typer.Option(help="Fraction bits of the state, 4..16.")] = 12,
    images: Annotated[int, typer.Option(min=8, help="Calibration images.")] = 2000,
    steps: Annotated[int, typer.Option(min=1, help="Calibration steps an image.")] = 48,
    seed: SeedOption = 0,
    split: SplitOption = "train",
    data_root: DataRootOption = None,
    report: Annotated[
        Path | None, typer.Option(help="Report file; default: OUT with .report.json.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a trained network to integers; prints and writes what it cost and what is proved."""
    from ipvae_snn.workflows import convert as workflow

    settings = workflow.settings_of(
        weight_bits, feedforward_bits, lateral_bits, fraction_bits, circuit, sparsity
    )
    calibration = workflow.CalibrationSettings(calibrate, images, steps, seed, split, data_root)
    with line(as_json=True) as progress:
        result = workflow.convert(
            checkpoint, settings, calibration, out=out, report_file=report, progress=progress
        )
    deliver(result, as_json)
