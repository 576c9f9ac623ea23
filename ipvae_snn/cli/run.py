"""`ipvae-snn run`: run images through one back end, and write the result to an npz file."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    DataOption,
    DataRootOption,
    JsonOption,
    LimitOption,
    OverwriteOption,
    SeedOption,
    SplitOption,
    StallOption,
    StepsOption,
    TimeoutOption,
    network_path,
    output_path,
)
from ipvae_snn.cli.rendering import deliver
from ipvae_snn.cli.terminal import watching
from ipvae_snn.report.terminal import console


class OnOverflow(str, Enum):
    """Reaction to saturation, which is counted in either case."""

    ERROR = "error"
    SATURATE = "saturate"


def run(
    network: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="Integer network, float checkpoint, or pretrained name."
        ),
    ],
    data: DataOption,
    backend: Annotated[
        str | None,
        typer.Option(
            help="reference, compiled (the fastest on a CPU), onnx, onnx-reference, torch, "
            "torch-cuda, lava or lava-fused; float for a checkpoint."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(parser=output_path, metavar="FILE", help="Result file.")
    ] = Path("result.npz"),
    overwrite: OverwriteOption = False,
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    first_image: Annotated[
        int, typer.Option(min=0, help="Index that keys the first image's random draws.")
    ] = 0,
    trace: Annotated[
        bool, typer.Option("--trace", help="Also write counts and states of every step.")
    ] = False,
    on_overflow: Annotated[
        OnOverflow,
        typer.Option(help="error: fail, and write no result, if any neuron saturates."),
    ] = OnOverflow.SATURATE,
    timeout: TimeoutOption = None,
    stall: StallOption = None,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run images through a network and write spike counts, states and reconstructions."""
    from ipvae_snn.workflows import run as workflow

    images = workflow.ImageChoice(data, split, limit, data_root)
    request = workflow.RunRequest(steps, seed, first_image, trace)
    options = workflow.RunOptions(backend, out, on_overflow is OnOverflow.ERROR, overwrite)
    text = f"up to {limit} images, {steps} steps"
    with watching(console(quiet=True), text, out, (timeout, stall)):
        result = workflow.run_file(network, images, request, options)
    deliver(result, as_json)
