"""`ipvae-snn train`: train a network on images, with a progress bar and exact resume."""

import os
from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples(
    "train --data digits --out runs/digits",
    "train --data photos/ --patches 16 --seed 1",
)
SETTINGS: Final = "Settings"


def train(
    data: Annotated[
        str | None,
        typer.Option(
            help=opt.DATA_HELP + " Default: the one in the preset or config.",
            rich_help_panel=opt.IMAGES,
            autocompletion=completion.data,
        ),
    ] = None,
    patches: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Cut whitened patches of so many pixels at a side from photographs of any size; "
            "whole photographs are held out. Short for --set data.patches=PIXELS.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    whiten: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How photographs become patches: olshausen (default), undivided, vafaii (as in "
            "the paper's code), or none; also of natural and vanhateren. Short for --set "
            "data.whiten=NAME.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    white: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            help="Stored value that is white, such as 16 or 4095, where it is not that of the "
            "number type; short for --set data.white=VALUE.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    colour: Annotated[
        bool | None,
        typer.Option(
            "--colour",
            help="Keep the colours of images, instead of their grey luminance; short for --set "
            "data.colour=true.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings.", rich_help_panel=SETTINGS)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Packaged settings: demo, patches, mnist, digits, photographs, images. "
            "Default: those for the data set, photographs with --patches, else images.",
            rich_help_panel=SETTINGS,
            autocompletion=completion.presets,
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="table.key=value; may be repeated.", rich_help_panel=SETTINGS),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Short for --set train.seed=...", rich_help_panel=SETTINGS),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Short for --set train.threads=...", rich_help_panel=SETTINGS),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="cpu or cuda; short for --set train.device=...", rich_help_panel=SETTINGS
        ),
    ] = None,
    quantise_aware: Annotated[
        int | None,
        typer.Option(
            metavar="BITS",
            help="Train with inference weights rounded to 2..8 bits, 0 for off; short for --set "
            "train.quantise_aware=BITS.",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    relaxation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Relaxation of the spike counts: sigmoid, or cubic; short for --set "
            "train.relaxation=NAME.",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Spike counts drawn per step, 1 or 2; short for --set train.samples=...",
            rich_help_panel=SETTINGS,
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            parser=opt.network_path,
            help="Checkpoint or pretrained name that gives initial parameters.",
            rich_help_panel=SETTINGS,
            autocompletion=completion.networks,
        ),
    ] = None,
    data_root: opt.DataRootOption = None,
    out: Annotated[
        Path,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="FOLDER",
            help="Folder of the run.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = Path("runs/run"),
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue where the run in OUT stopped.", rich_help_panel=opt.RESULTS
        ),
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option(
            "--tensorboard",
            help="Write TensorBoard events to OUT/tensorboard.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Train an iP-VAE; write model.safetensors, config.toml and metrics.jsonl into OUT.

    --set model.kind=gaussian, lca and others: the family (docs/family.md).

    Several processes share every batch under PyTorch's launcher:
    torchrun --nproc-per-node 2 -m ipvae_snn train ...
    """
    follows = os.environ.get("RANK", "0") != "0"  # under torchrun, the first process reports
    screen = Screen(as_json, quiet or follows, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import train as workflow

        short = {"seed": seed, "threads": threads, "device": device}
        short |= {"quantise_aware": quantise_aware, "relaxation": relaxation, "samples": samples}
        choice = workflow.SettingsChoice(
            config,
            preset,
            tuple(overrides or ()),
            data,
            workflow.given(short),
            workflow.OwnImages(patches, whiten, white, colour),
        )
        extras = workflow.Extras(resume, start_from, tensorboard)
        done = workflow.train_network(
            choice.resolve(), out, data_root, extras, progress, screen.note
        )
    if done.leads:
        screen.deliver(done)
