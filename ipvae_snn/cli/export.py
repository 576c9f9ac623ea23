"""`ipvae-snn export`: export to Lava, ONNX, snnTorch or Norse, checked against the reference."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperOption

from ipvae_snn.cli.options import JsonOption, network_path, output_path
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, show

AGAINST = {"float": "float inference", "integer": "the reference, equal bit for bit"}


def target_name(text: str) -> str:
    """Return the name of a registered target; parser of an option, as `network_path`."""
    from ipvae_snn.export.targets import registered

    names = registered()
    if text not in names:
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, names))}.")
    return text


class ExportCommand(TyperCommand):
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
            parser=network_path, help="Integer network; for ONNX also a float checkpoint."
        ),
    ],
    target: Annotated[str, typer.Option(parser=target_name, metavar="NAME")],
    out: Annotated[
        Path,
        typer.Option(
            parser=output_path,
            metavar="FOLDER",
            help="Folder to write; an older export is replaced.",
        ),
    ],
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not compare the export with the reference.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export a network and check that the export gives the reference's spike counts."""
    from ipvae_snn.workflows.export import export_file

    done = export_file(network, target, out, check=not no_check)
    if as_json:
        emit_json(done.as_json())
        return
    state = f"checked against {AGAINST[done.kind]}" if done.checked else "unchecked"
    written = paragraph(Span(str(out), "strong"), f" written ({target}, {state})")
    show(console(), Document("Export", (written,)))
