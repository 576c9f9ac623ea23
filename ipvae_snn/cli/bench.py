"""`ipvae-snn bench`: quality, spikes, energy and time of float and integer inference."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipvae_snn.cli.options import (
    BackendsOption,
    DataOption,
    DataRootOption,
    JsonFileOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
    SeedOption,
    SplitOption,
    StepsOption,
    listed,
)
from ipvae_snn.cli.tables import as_table, footnote
from ipvae_snn.cli.terminal import watching
from ipvae_snn.report.json_files import emit_json, write_json
from ipvae_snn.report.terminal import console

if TYPE_CHECKING:
    from rich.console import Console

    from ipvae_snn.workflows.back_ends import Comparison


def bench(
    network: NetworkArgument,
    checkpoint: Annotated[
        Path, typer.Option(help="Float checkpoint that the network was converted from.")
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
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare float inference with integer back ends on the same images and uniforms."""
    from ipvae_snn.workflows import back_ends as workflow

    images = workflow.ImageChoice(data, split, limit, data_root)
    request = workflow.RunRequest(steps, seed)
    contest = workflow.Contest(tuple(listed(backends)), energy)
    screen = console(quiet=as_json)
    with watching(screen) as line:
        result = workflow.bench_files(checkpoint, network, images, request, contest, line.update)
    if out is not None:
        write_json(out, result.as_json())
    if as_json:
        emit_json(result.as_json())
    else:
        show(screen, result)
    result.require_equal()


def show(screen: "Console", result: "Comparison") -> None:
    """Print the comparison."""
    screen.print(as_table(result))
    screen.print(
        f"{footnote(result)}\nspike counts equal to float: "
        f"{100 * result.counts_equal:.2f} % of all, "
        f"{100 * result.counts_equal_active:.2f} % of those where float is not 0",
        highlight=False,
    )
