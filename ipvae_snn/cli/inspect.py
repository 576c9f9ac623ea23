"""`ipvae-snn inspect`: contents of a file of this toolkit."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples("inspect net.safetensors", "inspect digits --json")


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            parser=opt.network_path,
            help="Checkpoint, pretrained name, integer network or result.",
            autocompletion=completion.networks,
        ),
    ],
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Show the contents of a checkpoint, an integer network or a result.npz."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working():
        from ipvae_snn.workflows import inspect as workflow

        result = workflow.inspect_file(file)
    screen.deliver(result)
