"""`ipvae-snn import`: make a checkpoint of a network or dictionary of another program."""

from pathlib import Path
from typing import Annotated, Final

import typer

from ipvae_snn.cli import completion
from ipvae_snn.cli import options as opt
from ipvae_snn.cli.command import examples
from ipvae_snn.cli.terminal import Screen

EXAMPLES: Final = examples(
    "import model.pt --out model.safetensors",
    "import lca.pt --data natural --penalty 0.1 --out lca.safetensors",
)
UNSTATED: Final = "Facts that the file leaves out"


def import_network(
    file: Annotated[
        Path,
        typer.Argument(
            help="Checkpoint of the iP-VAE's authors or of a P-VAE (.pt), dictionary of "
            "scikit-learn (.skops, .npy), LCA-PyTorch state (.pt), or arrays (.npz, .npy)."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            *opt.OUT_NAMES,
            parser=opt.output_path,
            metavar="FILE",
            help="File of the checkpoint.",
            rich_help_panel=opt.RESULTS,
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            help="ip-vae, poisson-vae, scikit-learn, lca-pytorch or arrays. Default: recognised.",
            rich_help_panel=UNSTATED,
        ),
    ] = None,
    image_shape: Annotated[
        str | None,
        typer.Option(
            help="HEIGHTxWIDTH in pixels (x3 in colour), if the file does not state it.",
            rich_help_panel=UNSTATED,
        ),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            help="unit (pixels in [0, 1]) or standardised, if the file does not state it.",
            rich_help_panel=UNSTATED,
        ),
    ] = None,
    penalty: Annotated[
        float | None,
        typer.Option(
            help="Dictionaries: alpha of scikit-learn, lambda of LCA.", rich_help_panel=UNSTATED
        ),
    ] = None,
    positive: Annotated[
        bool | None,
        typer.Option(
            "--positive/--signed",
            help="Dictionaries: sign of the code. Default: as the file or its program says.",
            rich_help_panel=UNSTATED,
        ),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="PIXELS",
            help="Convolutional LCA layers: distance of two positions of a kernel.",
            rich_help_panel=UNSTATED,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Images like those that it was made for. " + opt.DATA_HELP,
            rich_help_panel=opt.IMAGES,
            autocompletion=completion.data,
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=8, help="Number of these images.", rich_help_panel=opt.IMAGES)
    ] = 500,
    split: opt.SplitOption = "train",
    data_root: opt.DataRootOption = None,
    patches: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Cut whitened patches of so many pixels at a side from photographs.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    whiten: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How photographs become patches: olshausen (default), undivided, vafaii, or none.",
            rich_help_panel=opt.IMAGES,
        ),
    ] = None,
    white: opt.WhiteOption = None,
    overwrite: opt.OverwriteOption = False,
    as_json: opt.JsonOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Import a network or a dictionary of another program as a checkpoint; executes no code of it.

    The checkpoint is one like any other: run it, convert it, train from it (--start-from).
    """
    screen = Screen(as_json, quiet, verbose)
    with screen.working() as progress:
        from ipvae_snn.workflows import import_network as workflow

        options = workflow.Options(
            None if image_shape is None else workflow.image_shape_of(image_shape),
            None if input is None else workflow.input_kind_of(input),
            penalty,
            positive,
            stride,
        )
        cut = workflow.cut_of(patches, whiten)
        given = (
            None
            if data is None
            else workflow.GivenImages(data, limit, split, data_root, white, cut)
        )
        result = workflow.import_network(
            file, out, workflow.ImportSettings(format, options, given), progress, overwrite
        )
    screen.deliver(result)
