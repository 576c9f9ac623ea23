"""Root of the command line: registers commands, and reports errors as one line and exit code."""

import errno
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Final

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
    lca,
    map,
    probe,
    profiles,
    run,
    train,
    verify,
)
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.process import Root, prepare
from ipvae_snn.cli.usage import Command, UsageError
from ipvae_snn.errors import TRACE, IpvaeError, IpvaeWarning, one_line, printable
from ipvae_snn.storage.memory import allocation_failure

NAME: Final = "ipvae-snn"
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
NEAR = 40  # characters shown around one that cannot be encoded

# The panels of `ipvae-snn --help`.
FLOATS: Final = "Float networks"
INTEGERS: Final = "Integer networks"
COSTS: Final = "Comparisons, chips and costs"
PLACE: Final = "This installation"
EXAMPLES: Final = examples("convert digits", "verify net.safetensors --data digits")

app = typer.Typer(
    name=NAME,
    cls=Root,
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


def _add(
    name: str, panel: str, shown: str, kind: type[Command] = Command
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the decorator of a command; panel: of `--help`; shown: its examples."""
    return app.command(name, cls=kind, epilog=shown, rich_help_panel=panel)


_add("train", FLOATS, train.EXAMPLES)(train.train)
_add("evaluate", FLOATS, evaluate.EXAMPLES)(evaluate.evaluate)
_add("import", FLOATS, import_network.EXAMPLES)(import_network.import_network)
_add("convert", INTEGERS, convert.EXAMPLES, convert.ConvertCommand)(convert.convert)
_add("lca", INTEGERS, lca.EXAMPLES)(lca.lca)
_add("export", INTEGERS, export.EXAMPLES, export.ExportCommand)(export.export)
_add("run", INTEGERS, run.EXAMPLES)(run.run)
_add("verify", INTEGERS, verify.EXAMPLES)(verify.verify)
_add("inspect", INTEGERS, inspect.EXAMPLES)(inspect.inspect)
_add("bench", COSTS, bench.EXAMPLES, bench.BenchCommand)(bench.bench)
_add("compare", COSTS, compare.EXAMPLES)(compare.compare)
_add("energy", COSTS, energy.EXAMPLES)(energy.energy)
_add("map", COSTS, map.EXAMPLES)(map.map_network)
_add("probe", FLOATS, probe.EXAMPLES)(probe.probe)
_add("profiles", COSTS, profiles.EXAMPLES)(profiles.profiles)
_add("doctor", PLACE, doctor.EXAMPLES)(doctor.doctor)
_add("demo", PLACE, demo.EXAMPLES)(demo.demo)
app.add_typer(lava.app, name="lava", rich_help_panel=COSTS)


def main() -> None:
    """Run the command line; exit 0 on success, 1 for a reported error, 2 for wrong usage."""
    prepare()
    warnings.showwarning = partial(_show_warning, warnings.showwarning, set())
    try:
        app(prog_name=NAME)  # also under python -m and torchrun
    except UsageError as error:
        _fail(str(error), EXIT_USAGE)
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
    """Show a warning of ours as one line, once; others as Python shows them."""
    if not issubclass(category, IpvaeWarning):
        otherwise(message, category, *place)
    elif str(message) not in shown:
        shown.add(str(message))
        typer.echo(f"ipvae-snn: warning: {printable(str(message))}", err=True)


def _fail(message: str, code: int = EXIT_ERROR) -> None:
    first, _, trace = message.partition(TRACE)
    typer.echo(f"ipvae-snn: error: {first}", err=True)
    if trace:
        typer.echo(trace, err=True)
    sys.exit(code)


def _describe(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    advice = {
        errno.ENOSPC: "; free some space or choose another folder (no file is incomplete)",
        errno.EACCES: "; choose a path that you may write to",
        errno.EROFS: "; choose a path that you may write to",
    }.get(error.errno or 0, "")
    return f"{place}{error.strerror or error}{advice}"
