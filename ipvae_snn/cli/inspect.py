"""`ipvae-snn inspect`: contents of a file of this toolkit."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.options import JsonOption, QuietOption, VerboseOption, network_path
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples("inspect net.safetensors", "inspect digits --json")


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            parser=network_path,
            help="Checkpoint, pretrained name, integer network or result.",
            autocompletion=completion.networks,
        ),
    ],
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show the contents of a checkpoint, an integer network or a result.npz."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working():
        from ipvae_snn.workflows import inspect as workflow

        result = workflow.inspect_file(file)
    screen.deliver(result)
