"""`ipvae-snn inspect`: contents of a file of this toolkit."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import JsonOption, network_path
from ipvae_snn.cli.rendering import deliver


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

    deliver(workflow.inspect_file(file), as_json)
