"""Options and arguments that several commands share.

Each command sets its own default: `limit: LimitOption = 100`. A command whose option needs another
help text declares its own (`train --data`, `convert --out`).
"""

from pathlib import Path
from typing import Annotated, Final

import typer

DATA_HELP: Final = "Name of a data set (see `ipvae-snn doctor`), .npy or .npz file, or folder."


def listed(text: str) -> list[str]:
    """Return the names of a comma-separated list in order, without repetitions."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def network_path(text: str | Path) -> Path:
    """Return a network's file, from its path or from the name of a pretrained one.

    It is a parser of arguments, which imports its modules only when an argument is given.
    """
    from ipvae_snn.workflows import images

    return images.network_path(text)


def output_path(text: str | Path) -> Path:
    """Return the path of an output, with `~` replaced; a parser of options, as `network_path`."""
    from ipvae_snn.storage import outputs

    return outputs.output_path(text)


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
SplitOption = Annotated[str, typer.Option(help="Split of a named set: train or test.")]
LimitOption = Annotated[int, typer.Option(min=1, help="Number of images.")]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root", help="Folder of public data sets.", envvar="IPVAE_SNN_DATA", show_envvar=True
    ),
]

# The run.
StepsOption = Annotated[int, typer.Option(min=1, help="Time steps T per image.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the random numbers.")]
BackendsOption = Annotated[
    str, typer.Option(help="Comma-separated back ends; each is compared with the reference.")
]
ThreadsOption = Annotated[
    int, typer.Option(min=1, envvar="IPVAE_SNN_THREADS", help="CPU threads; they change no figure.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(min=1, help="Lava: end the run after so many seconds. Default: by its size."),
]
StallOption = Annotated[
    float | None,
    typer.Option(
        min=0, help="Lava: end the run after so many seconds without a time step (60; 0: never)."
    ),
]

# The chips. `--profile` may be repeated where costs are compared.
PROFILE_HELP: Final = "Profile name (see `ipvae-snn profiles`), or a .toml file"
ProfileOption = Annotated[str, typer.Option(help=f"{PROFILE_HELP}.")]
ProfilesOption = Annotated[
    list[str] | None, typer.Option("--profile", help=f"{PROFILE_HELP}; may be repeated.")
]

# The results.
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
JsonFileOption = Annotated[
    Path | None,
    typer.Option(parser=output_path, metavar="FILE", help="Also write the result as JSON."),
]
PlotsOption = Annotated[
    Path | None, typer.Option(parser=output_path, metavar="FOLDER", help="Folder for pictures.")
]
OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace existing files that this command did not write."),
]
