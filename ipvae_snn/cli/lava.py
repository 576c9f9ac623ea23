"""`ipvae-snn lava`: set up Lava's environment, and simulate networks in it."""

from typing import Final

import typer

from ipvae_snn.cli import lava_run
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen
from ipvae_snn.cli.usage import Command, Group

SETUP_EXAMPLES: Final = examples("lava setup", "lava setup --json")

app = typer.Typer(cls=Group, no_args_is_help=True, help="Lava's CPU simulator of Loihi.")
app.command("run", cls=Command, epilog=lava_run.EXAMPLES)(lava_run.lava_run)


@app.callback()
def root() -> None:
    """Lava's CPU simulator of Loihi: its environment, and runs with traffic and monitors."""


@app.command("setup", cls=Command, epilog=SETUP_EXAMPLES)
def setup(
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Find a Python 3.10 and install lava-nc 0.10.0 for it (about 300 MB), if not yet done."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import lava_setup as workflow

        progress("Lava environment", 0, 0)
        result = workflow.setup(progress.print)
    screen.deliver(result)
