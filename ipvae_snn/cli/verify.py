"""`ipvae-snn verify`: exit 0 only if all back ends equal the reference in counts and states."""

from typing import TYPE_CHECKING

from rich.table import Table

from ipvae_snn.cli.options import (
    BackendsOption,
    DataOption,
    DataRootOption,
    JsonOption,
    LimitOption,
    NetworkArgument,
    SeedOption,
    SplitOption,
    StepsOption,
    listed,
)
from ipvae_snn.cli.terminal import watching
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, table

if TYPE_CHECKING:
    from ipvae_snn.workflows.verify import Verification


def verify(
    network: NetworkArgument,
    data: DataOption,
    backends: BackendsOption = "compiled,torch,onnx,lava",
    limit: LimitOption = 20,
    steps: StepsOption = 64,
    seed: SeedOption = 0,
    split: SplitOption = "test",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare back ends spike by spike; report the first image, step and neuron that differ."""
    from ipvae_snn.workflows import verify as workflow

    images = workflow.ImageChoice(data, split, limit, data_root)
    request = workflow.RunRequest(steps, seed)
    screen = console(quiet=as_json)
    with watching(screen) as line:
        result = workflow.verify_file(network, images, request, listed(backends), line.update)
    if as_json:
        emit_json(result.as_json())
    else:
        screen.print(as_table(result, workflow.REFERENCE))
    result.require_equal()
    if not as_json:
        screen.print(f"[green]all {result.compared:,} counts and states are equal[/]")


def as_table(result: "Verification", reference: str) -> Table:
    """Return one row per back end: seconds and verdict."""
    title = (
        f"{result.images} images of {result.data}, {result.steps} steps, {result.neurons} neurons, "
        f"seed {result.seed}"
    )
    shown = table(title, "back end", "seconds", "counts and states")
    for each in result.backends:
        verdict = "[green]equal[/]" if each.equal else "[red]DIFFERENT[/]"
        verdict = "reference" if each.backend == reference else verdict
        shown.add_row(each.backend, f"{each.seconds:.2f}", verdict)
    return shown
