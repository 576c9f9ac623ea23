"""`ipvae-snn convert`: convert a checkpoint to an integer network, with a report."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples, with_old_names
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "convert digits --out net.safetensors",
    "convert digits --readout --out classes.safetensors",
)
ConvertCommand: Final = with_old_names({"--images": "--limit"})
INTEGERS: Final = "Integer network"


def convert(
    checkpoint: opt.CheckpointArgument,
    calibrate: Annotated[
        str | None,
        typer.Option(
            help=opt.DATA_HELP + " Default: the training data of the checkpoint.",
            rich_help_panel=opt.IMAGES,
            autocompletion=completion.data,
        ),
    ] = None,
    weight_bits: Annotated[
        int,
        typer.Option(help="Bits of both connections' weights, 2..8.", rich_help_panel=INTEGERS),
    ] = 8,
    feedforward_bits: Annotated[
        int | None,
        typer.Option(help="Bits of the feed-forward weights only.", rich_help_panel=INTEGERS),
    ] = None,
    lateral_bits: Annotated[
        int | None,
        typer.Option(
            help="Bits of the lateral (two-layer: prediction) weights only.",
            rich_help_panel=INTEGERS,
        ),
    ] = None,
    fraction_bits: Annotated[
        int, typer.Option(help="Fraction bits of the state, 4..16.", rich_help_panel=INTEGERS)
    ] = 12,
    circuit: Annotated[
        str,
        typer.Option(
            help="one-layer (lateral competition) or two-layer (residual neurons).",
            rich_help_panel=INTEGERS,
            autocompletion=completion.circuits,
        ),
    ] = "one-layer",
    sparsity: Annotated[
        float,
        typer.Option(
            help="Share of lateral weights to set to 0, the least salient ones.",
            rich_help_panel=INTEGERS,
        ),
    ] = 0.0,
    decode: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Reconstruct from one sample of counts, mean:N (of the last N steps) or map (the "
            "rates).",
            rich_help_panel=INTEGERS,
            autocompletion=completion.decodings,
        ),
    ] = "sample",
    frames: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Calibrate on sequences of so many frames, each shown for --steps steps; --limit "
            "counts frames.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    motion: opt.MotionOption = None,
    readout: Annotated[
        bool,
        typer.Option(
            "--readout",
            help="Attach a linear read-out: an accumulator for each class of the labelled images.",
            rich_help_panel=INTEGERS,
        ),
    ] = False,
    readout_limit: Annotated[
        int,
        typer.Option(
            min=20, help="Number of images that train the read-out.", rich_help_panel=opt.IMAGES
        ),
    ] = 10_000,
    readout_steps: Annotated[
        int,
        typer.Option(
            min=1, help="Steps per image in training the read-out.", rich_help_panel=opt.RUN
        ),
    ] = 64,
    limit: Annotated[
        int | None,
        typer.Option(
            min=8,
            help="Number of calibration images. Default: 2,000 up to 800 neurons, then fewer in "
            "proportion, and 100 at least.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Calibration steps per image.", rich_help_panel=opt.RUN)
    ] = 48,
    seed: opt.SeedOption = 0,
    threads: opt.ThreadsOption = None,
    split: opt.SplitOption = "train",
    data_root: opt.DataRootOption = None,
    white: opt.WhiteOption = None,
    out: Annotated[
        Path,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="FILE",
            help="File of the integer network.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = Path("net.safetensors"),
    report: Annotated[
        Path | None,
        typer.Option(
            parser=opt.output_path,
            metavar="FILE",
            help="Report file; default: OUT with .report.json.",
            rich_help_panel=opt.RESULTS,
        ),
    ] = None,
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Convert a trained network to an integer network; report its costs and proofs."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import convert as workflow

        settings = workflow.settings_of(
            weight_bits, feedforward_bits, lateral_bits, fraction_bits, circuit, sparsity, decode
        )
        calibration = workflow.CalibrationSettings(
            calibrate,
            limit,
            steps,
            seed,
            split,
            data_root,
            white,
            workflow.motion_of(frames, motion),
        )
        result = workflow.convert(
            checkpoint,
            settings,
            calibration,
            workflow.ReadoutSettings(readout_limit, readout_steps) if readout else None,
            out=out,
            report_file=report,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
