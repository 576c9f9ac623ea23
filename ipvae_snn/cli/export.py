"""`ipvae-snn export`: export to Lava, ONNX, snnTorch or Norse, checked against the reference."""

from pathlib import Path
from typing import Annotated, Final

import typer
from typer.core import TyperOption

from ipvae_snn.choices import suggestion
from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen
from ipvae_snn.cli.usage import Command

EXAMPLES: Final = examples(
    "export net.safetensors --target onnx --out net-onnx",
    "export digits --target onnx --out digits-onnx",
)


def target_name(text: str) -> str:
    """Return the name of a registered target; parser of an option, as `opt.network_path`."""
    from ipvae_snn.export.targets import registered

    names = registered()
    if text not in names:
        hint = suggestion(text, names)
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, names))}{hint}.")
    return text


class ExportCommand(Command):
    """Export command whose `--help` lists the targets of the registry."""

    def format_help(self, ctx, formatter) -> None:  # type: ignore[no-untyped-def]  # click's or typer's own
        """Fill in the targets, then write the help of the command."""
        from ipvae_snn.workflows.export import target_help

        targets = target_help()
        for parameter in self.params:
            if isinstance(parameter, TyperOption) and parameter.name == "target":
                parameter.metavar = "|".join(targets)
                parameter.help = " ".join(f"{name}: {text}" for name, text in targets.items())
        super().format_help(ctx, formatter)


def export(
    network: Annotated[
        Path,
        typer.Argument(
            parser=opt.network_path,
            help="Integer network; for ONNX also a float checkpoint.",
            autocompletion=completion.networks,
        ),
    ],
    target: Annotated[
        str,
        typer.Option(parser=target_name, metavar="NAME", autocompletion=completion.targets),
    ],
    out: Annotated[
        Path,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="FOLDER",
            help="Folder to write; an older export is replaced.",
            rich_help_panel=opt.RESULTS,
        ),
    ],
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not compare the export with the reference.")
    ] = False,
    decode: opt.DecodeOption = None,
    threads: opt.ThreadsOption = None,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Export a network and check that the export gives the reference's spike counts."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import export as workflow

        decoding = workflow.asked_decoding(decode)
        done = workflow.export_file(network, target, out, not no_check, progress, decoding)
    screen.deliver(done)
