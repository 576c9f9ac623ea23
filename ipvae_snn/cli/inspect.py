"""`ipvae-snn inspect`: contents of a file of this toolkit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ipvae_snn.cli.options import JsonOption, network_path
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, table

if TYPE_CHECKING:
    from ipvae_snn.workflows.inspect import FileContents


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            parser=network_path, help="Checkpoint, pretrained name, integer network or result."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show the contents of a checkpoint, an integer network or a result.npz."""
    from ipvae_snn.workflows import inspect as workflow

    result = workflow.inspect_file(file)
    if as_json:
        emit_json(result.as_json())
    else:
        console().print(as_table(file, result))


def as_table(file: Path, result: "FileContents") -> Table:
    """Return one row per figure; figures of an inner table are named table.key."""
    shown = table(f"{file}: {result.what}", "", "value", text=True)
    for name, value in result.as_json().items():
        rows = value.items() if isinstance(value, dict) else [(None, value)]
        for key, inner in rows:
            shown.add_row(name if key is None else f"{name}.{key}", str(inner))
    return shown
