"""`ipvae-snn lava`: set up Lava's environment, and simulate networks in it."""

import typer

from ipvae_snn.cli.lava_run import lava_run
from ipvae_snn.cli.options import JsonOption
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console

app = typer.Typer(no_args_is_help=True, help="Lava's CPU simulator of Loihi.")
app.command("run")(lava_run)


@app.callback()
def root() -> None:
    """Lava's CPU simulator of Loihi: its environment, and runs with traffic and monitors."""


@app.command("setup")
def setup(as_json: JsonOption = False) -> None:
    """Find a Python 3.10 and install lava-nc 0.10.0 for it (about 300 MB), if not yet done."""
    from ipvae_snn.hw.lava import environment as workflow

    screen = console(quiet=True)
    with screen.status("Lava environment"):
        result = workflow.setup(lambda line: screen.print(line, highlight=False))
    if as_json:
        emit_json({"python": str(result.python), "kind": result.kind})
        return
    console().print(f"Lava runs in {result.python}")
