"""What the commands share: options, tables, JSON, and loading images for a program."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    pass

DATA_HELP: Final = "A data set's name (see `ipvae-snn doctor`), a .npy or .npz file, or a folder."

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root", help="Folder of public data sets.", envvar="IPVAE_SNN_DATA", show_envvar=True
    ),
]
LimitOption = Annotated[int, typer.Option(min=1, help="How many images.")]
StepsOption = Annotated[int, typer.Option(min=1, help="Time steps T an image.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the keyed generator.")]
SplitOption = Annotated[str, typer.Option(help="Which split of a named set: train or test.")]


def listed(text: str) -> list[str]:
    """Return the names of a comma-separated list, each once, in order."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def network_path(text: str | Path) -> Path:
    """Return a network's file, from its path or from the name of a pretrained one.

    A parser of arguments: it is named where a command is declared, and loads when one is given.
    """
    from ipvae_snn.workflows import images

    return images.network_path(text)
