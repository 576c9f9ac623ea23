"""`ipvae-snn lava setup`: make the separate environment in which Lava runs."""

import typer

from ipvae_snn.cli.common import JsonOption, console, emit_json

app = typer.Typer(no_args_is_help=True, help="The environment of Lava's CPU simulator.")


@app.callback()
def root() -> None:
    """Manage the environment of Lava's CPU simulator."""


@app.command("setup")
def setup(as_json: JsonOption = False) -> None:
    """Find a Python 3.10 and install lava-nc 0.10.0 for it (about 300 MB), unless that is done."""
    from ipvae_snn.hw.lava.environment import setup as make

    screen = console(quiet=True)
    with screen.status("Lava environment"):
        environment = make(lambda line: screen.print(line, highlight=False))
    if as_json:
        emit_json({"python": str(environment.python), "kind": environment.kind})
        return
    console().print(f"Lava runs in {environment.python}")
