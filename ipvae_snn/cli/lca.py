"""`ipvae-snn lca`: make an integer LCA network of a dictionary."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Limits, Screen

EXAMPLES: Final = examples(
    "lca digits --penalty 0.1 --out lca.safetensors",
    "lca dictionary.safetensors --penalty 0.05 --calibrate images.npy",
)


def lca(
    checkpoint: opt.CheckpointArgument,
    penalty: Annotated[
        float,
        typer.Option(
            help="Penalty lambda on the sum of a code, for elements of length 1.",
            rich_help_panel=opt.RUN,
        ),
    ] = 0.1,
    calibrate: Annotated[
        str | None,
        typer.Option(
            help=opt.DATA_HELP + " Default: the training data of the checkpoint.",
            rich_help_panel=opt.IMAGES,
            autocompletion=completion.data,
        ),
    ] = None,
    weight_bits: Annotated[
        int, typer.Option(min=2, max=8, help="Bits of the weights.", rich_help_panel=opt.RUN)
    ] = 8,
    coarse: Annotated[
        bool,
        typer.Option(
            "--coarse",
            help="Leave out the second feed-forward connection, which holds what the first loses "
            "by its rounding.",
            rich_help_panel=opt.RUN,
        ),
    ] = False,
    limit: Annotated[
        int, typer.Option(min=8, help="Number of calibration images.", rich_help_panel=opt.IMAGES)
    ] = 500,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps per image.", rich_help_panel=opt.RUN)
    ] = 256,
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
    ] = Path("lca.safetensors"),
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Make an integer network that codes images by LCA: sparse, deterministic, in fixed point."""
    screen = Screen(as_json, quiet, verbose)
    with screen.working(Limits(threads=threads)) as progress:
        from ipvae_snn.workflows import lca as workflow

        result = workflow.make_lca(
            checkpoint,
            penalty,
            workflow.CalibrationSettings(calibrate, limit, steps, 0, split, data_root, white),
            bits=weight_bits,
            fine=not coarse,
            out=out,
            overwrite=overwrite,
            progress=progress,
        )
    screen.deliver(result)
