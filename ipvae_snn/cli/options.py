"""The options and arguments that two or more commands take, each declared once.

A command sets its own default beside the alias: `limit: LimitOption = 100`. Where a command says
more about an option than all others, it declares its own (`train --data`, `convert --out`).
"""

from pathlib import Path
from typing import Annotated, Final

import typer

DATA_HELP: Final = "A data set's name (see `ipvae-snn doctor`), a .npy or .npz file, or a folder."


def listed(text: str) -> list[str]:
    """Return the names of a comma-separated list, each once, in order."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def network_path(text: str | Path) -> Path:
    """Return a network's file, from its path or from the name of a pretrained one.

    A parser of arguments: it is named where a command is declared, and loads when one is given.
    """
    from ipvae_snn.workflows import images

    return images.network_path(text)


# The networks.
NetworkArgument = Annotated[Path, typer.Argument(parser=network_path, help="Integer network.")]
CheckpointArgument = Annotated[
    Path,
    typer.Argument(
        parser=network_path, help="Float checkpoint (model.safetensors), or pretrained name."
    ),
]

# The images.
DataOption = Annotated[str, typer.Option(help=DATA_HELP)]
SplitOption = Annotated[str, typer.Option(help="Which split of a named set: train or test.")]
LimitOption = Annotated[int, typer.Option(min=1, help="How many images.")]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root", help="Folder of public data sets.", envvar="IPVAE_SNN_DATA", show_envvar=True
    ),
]

# The run.
StepsOption = Annotated[int, typer.Option(min=1, help="Time steps T per image.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the keyed generator.")]
BackendsOption = Annotated[
    str, typer.Option(help="Comma-separated back ends; each is compared with the reference.")
]
ThreadsOption = Annotated[
    int, typer.Option(min=1, envvar="IPVAE_SNN_THREADS", help="CPU threads; no figure changes.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(min=1, help="Lava: end the run after so many seconds (default: by its size)."),
]
StallOption = Annotated[
    float | None,
    typer.Option(min=0, help="Lava: and after so many without a time step (60; 0 is never)."),
]

# The chips. `--profile` may be repeated where costs are compared.
PROFILE_HELP: Final = "A profile's name (see `ipvae-snn profiles`), or a path that ends in .toml"
ProfileOption = Annotated[str, typer.Option(help=f"{PROFILE_HELP}.")]
ProfilesOption = Annotated[
    list[str] | None, typer.Option("--profile", help=f"{PROFILE_HELP}; may be repeated.")
]

# The results.
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
JsonFileOption = Annotated[Path | None, typer.Option(help="Also write the result as JSON.")]
PlotsOption = Annotated[Path | None, typer.Option(help="Folder for pictures.")]
