"""`ipvae-snn import`: make a checkpoint of a network or dictionary of another program."""

from pathlib import Path
from typing import Annotated

import typer

from ipvae_snn.cli.options import DATA_HELP, DataRootOption, JsonOption, SplitOption
from ipvae_snn.cli.rendering import deliver, line


def import_network(
    file: Annotated[
        Path,
        typer.Argument(
            help="Checkpoint of the iP-VAE's authors or of a P-VAE (.pt), dictionary of "
            "scikit-learn (.skops, .npy), LCA-PyTorch state (.pt), or arrays (.npz, .npy)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="File of the checkpoint.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="ip-vae, poisson-vae, scikit-learn, lca-pytorch or arrays. Default: recognised."
        ),
    ] = None,
    image_shape: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH in pixels, if the file does not state it.")
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            help="unit (pixels in [0, 1]) or standardised, if the file does not state it."
        ),
    ] = None,
    penalty: Annotated[
        float | None,
        typer.Option(help="Dictionaries: alpha of scikit-learn, lambda of LCA."),
    ] = None,
    positive: Annotated[
        bool | None,
        typer.Option(
            "--positive/--signed",
            help="Dictionaries: sign of the code. Default: as the file or its program says.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Images like those that it was made for. " + DATA_HELP),
    ] = None,
    images: Annotated[int, typer.Option(min=8, help="Number of these images.")] = 500,
    split: SplitOption = "train",
    data_root: DataRootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import a network or a dictionary of another program as a checkpoint; executes no code of it.

    The checkpoint is one like any other: run it, convert it, train from it (--start-from).
    """
    from ipvae_snn.workflows import import_network as workflow

    options = workflow.Options(
        None if image_shape is None else workflow.image_shape_of(image_shape),
        None if input is None else workflow.input_kind_of(input),
        penalty,
        positive,
    )
    given = None if data is None else workflow.GivenImages(data, images, split, data_root)
    with line(as_json=True) as progress:
        result = workflow.import_network(
            file, out, workflow.ImportSettings(format, options, given), progress
        )
    deliver(result, as_json)
