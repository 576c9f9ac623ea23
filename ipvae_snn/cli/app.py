"""Root of the command line: registers commands, and reports errors as one line and exit code."""

import errno
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

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
    import_network,
    inspect,
    lava,
    map,
    profiles,
    run,
    train,
    verify,
)
from ipvae_snn.cli.process import Root, prepare
from ipvae_snn.errors import TRACE, DataWarning, IpvaeError, one_line
from ipvae_snn.storage.memory import allocation_failure

EXIT_ERROR = 1
EXIT_INTERRUPTED = 130
NEAR = 40  # characters shown around one that cannot be encoded

app = typer.Typer(
    name="ipvae-snn",
    cls=Root,
    help="Train an iP-VAE, convert it to an integer spiking network, run it with equal results.",
    no_args_is_help=True,
    add_completion=False,
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


app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("import")(import_network.import_network)
app.command("convert")(convert.convert)
app.command("export", cls=export.ExportCommand)(export.export)
app.command("run")(run.run)
app.command("verify")(verify.verify)
app.command("bench")(bench.bench)
app.command("compare")(compare.compare)
app.command("inspect")(inspect.inspect)
app.command("energy")(energy.energy)
app.command("map")(map.map_network)
app.command("profiles")(profiles.profiles)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.add_typer(lava.app, name="lava")


def main() -> None:
    """Run the command line; exit 0 on success, 1 for a reported error, 2 for wrong usage."""
    prepare()
    warnings.showwarning = partial(_show_warning, warnings.showwarning, set())
    try:
        app()
    except IpvaeError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of our output is closed
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_ERROR)
        _fail(one_line(_describe(error)))
    except UnicodeEncodeError as error:
        text = error.object[max(error.start - NEAR, 0) : error.end + NEAR]
        _fail(f"{text!r} is not valid in {error.encoding}; rename the file or the setting")
    except (MemoryError, RuntimeError) as error:
        message = allocation_failure(error)
        if message is None:
            raise
        _fail(message)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)


def _show_warning(
    otherwise: Callable[..., None],
    shown: set[str],
    message: Warning | str,
    category: type[Warning],
    *place: Any,
) -> None:
    """Show a warning about the user's images as one line, once; others as Python shows them."""
    if not issubclass(category, DataWarning):
        otherwise(message, category, *place)
    elif str(message) not in shown:
        shown.add(str(message))
        typer.echo(f"ipvae-snn: warning: {message}", err=True)


def _fail(message: str) -> None:
    first, _, trace = message.partition(TRACE)
    typer.echo(f"ipvae-snn: error: {first}", err=True)
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
