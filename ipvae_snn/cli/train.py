"""`ipvae-snn train`: train a network on images, with a progress bar and exact resume."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import DATA_HELP, DataRootOption, JsonOption, output_path
from ipvae_snn.cli.rendering import bar, say
from ipvae_snn.report.document import Document, Span, paragraph
from ipvae_snn.report.json_files import emit_json
from ipvae_snn.report.terminal import console, show


def notice(text: str) -> None:
    """Print a line that is no result."""
    typer.echo(f"ipvae-snn: {text}", err=True)


def train(
    data: Annotated[
        str | None, typer.Option(help=DATA_HELP + " Default: the one in the preset or config.")
    ] = None,
    out: Annotated[
        Path, typer.Option(parser=output_path, metavar="FOLDER", help="Folder of the run.")
    ] = Path("runs/run"),
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Packaged settings: demo, patches, mnist, digits, photographs, images. "
            "Default: those for the data set, photographs with --patches, else images."
        ),
    ] = None,
    patches: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Cut whitened patches of so many pixels at a side from photographs of any size; "
            "whole photographs are held out. Short for --set data.patches=PIXELS.",
        ),
    ] = None,
    whiten: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Before patches are cut: olshausen (default), or none; short for --set "
            "data.whiten=NAME.",
        ),
    ] = None,
    white: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="Stored value that is white, such as 16 or 4095, where it is not that of the "
            "number type; short for --set data.white=VALUE.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="table.key=value; may be repeated.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu or cuda; short for --set train.device=...")
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(help="Checkpoint or pretrained name that gives initial parameters."),
    ] = None,
    quantise_aware: Annotated[
        int | None,
        typer.Option(
            metavar="BITS",
            help="Train with inference weights rounded to 2..8 bits, 0 for off; short for --set "
            "train.quantise_aware=BITS.",
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard events to OUT/tensorboard.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue where the run in OUT stopped.")
    ] = False,
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train an iP-VAE; write model.safetensors, config.toml and metrics.jsonl into OUT.

    Several processes share every batch under PyTorch's launcher:
    torchrun --nproc-per-node 2 -m ipvae_snn train ...
    """
    from ipvae_snn.workflows import train as workflow

    settings = workflow.SettingsChoice(
        config,
        preset,
        tuple(overrides or ()),
        data,
        device,
        quantise_aware,
        workflow.OwnImages(patches, whiten, white),
    )
    extras = workflow.Extras(resume, start_from, tensorboard)
    display = partial(workflow.training_bar, console(quiet=as_json))
    screen = console(quiet=as_json)
    reading = workflow.Reading(partial(bar, as_json), partial(say, screen), notice)
    done = workflow.train_network(settings.resolve(), out, data_root, extras, display, reading)
    if not done.leads:
        return
    if as_json:
        emit_json(done.as_json())
        return
    result = done.result
    figures = (
        f": R2 {result.validation.r2:.3f} (median {result.validation.r2_median:.3f}, pooled "
        f"{result.validation.r2_pooled:.3f}), zeros {result.validation.zeros:.3f} on held-out "
        f"images after {result.iterations} iterations in {result.seconds:.0f} s"
    )
    lines = [paragraph(Span(str(result.checkpoint), "strong"), figures)]
    lines += [] if done.advice is None else [paragraph(done.advice)]
    lines.append(paragraph(f"next: ipvae-snn convert {result.checkpoint}"))
    show(console(), Document("Training", tuple(lines)))
