"""Root of the command line: registers commands, and reports errors as one line and exit code."""

import errno
import os
import sys

import typer

from ipvae_snn import __version__
from ipvae_snn.cli import (
    bench,
    compare,
    convert,
    demo,
    doctor,
    energy,
    evaluate,
    export,
    inspect,
    lava,
    map,
    profiles,
    run,
    train,
    verify,
)
from ipvae_snn.cli.command import examples
from ipvae_snn.errors import IpvaeError

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130
TRACE = "; its traceback follows\n"  # in a BackendError of another process

EXAMPLES = examples("convert digits", "verify net.safetensors --data digits")

app = typer.Typer(
    name="ipvae-snn",
    help="Train an iP-VAE, convert it to an integer spiking network, run it with equal results.",
    no_args_is_help=True,
    epilog=EXAMPLES,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ipvae-snn {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Train an iP-VAE, convert it to an integer spiking network, run it with equal results."""


app.command("train", epilog=train.EXAMPLES)(train.train)
app.command("evaluate", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command("convert", cls=convert.ConvertCommand, epilog=convert.EXAMPLES)(convert.convert)
app.command("export", cls=export.ExportCommand, epilog=export.EXAMPLES)(export.export)
app.command("run", epilog=run.EXAMPLES)(run.run)
app.command("verify", epilog=verify.EXAMPLES)(verify.verify)
app.command("bench", cls=bench.BenchCommand, epilog=bench.EXAMPLES)(bench.bench)
app.command("compare", epilog=compare.EXAMPLES)(compare.compare)
app.command("inspect", epilog=inspect.EXAMPLES)(inspect.inspect)
app.command("energy", epilog=energy.EXAMPLES)(energy.energy)
app.command("map", epilog=map.EXAMPLES)(map.map_network)
app.command("profiles", epilog=profiles.EXAMPLES)(profiles.profiles)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.command("demo", epilog=demo.EXAMPLES)(demo.demo)
app.add_typer(lava.app, name="lava")


def main() -> None:
    """Run the command line; exit 0 on success, 1 for a reported error, 2 for wrong usage."""
    try:
        app()
    except IpvaeError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output is closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_ERROR)
        _fail(_describe(error))
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)


def _fail(message: str) -> None:
    first, _, trace = message.partition(TRACE)
    typer.echo(f"ipvae-snn: error: {' '.join(first.split())}", err=True)
    if trace:
        typer.echo(trace, err=True)
    sys.exit(EXIT_ERROR)


def _describe(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    advice = {
        errno.ENOSPC: "; free some space or choose another folder (no file is incomplete)",
        errno.EACCES: "; choose a path that you may write to",
        errno.EROFS: "; choose a path that you may write to",
    }.get(error.errno or 0, "")
    return f"{place}{error.strerror or error}{advice}"
