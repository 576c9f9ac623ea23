"""`ipvae-snn bench`: quality, spikes, energy and time of float and integer inference."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import (
    BackendsOption,
    DataOption,
    DataRootOption,
    JsonFileOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
    OverwriteOption,
    SeedOption,
    SplitOption,
    StepsOption,
    listed,
    network_path,
)
from ipvae_snn.cli.rendering import deliver
from ipvae_snn.cli.terminal import watching
from ipvae_snn.report.terminal import console


def bench(
    network: NetworkArgument,
    checkpoint: Annotated[
        Path,
        typer.Option(
            parser=network_path,
            help="Float checkpoint that the network was converted from, or its pretrained name.",
        ),
    ],
    data: DataOption,
    backends: BackendsOption = "onnx",
    energy: Annotated[
        str, typer.Option(help="Profile with energies (see `ipvae-snn profiles`), or a .toml file.")
    ] = "cpu-45nm",
    limit: LimitOption = 100,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    out: JsonFileOption = None,
    overwrite: OverwriteOption = False,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare float inference with integer back ends on the same images and uniforms."""
    from ipvae_snn.workflows import back_ends as workflow

    images = workflow.ImageChoice(data, split, limit, data_root)
    request = workflow.RunRequest(steps, seed)
    contest = workflow.Contest(tuple(listed(backends)), energy)
    with watching(console(quiet=as_json)) as line:
        file = workflow.OutputFile(out, overwrite)
        result = workflow.bench_files(
            checkpoint, network, images, request, contest, line.update, file
        )
    deliver(result, as_json)
    result.require_equal()
