"""Options and arguments that several commands share, by the panel in which `--help` shows them.

Each command sets its own default: `limit: LimitOption = 100`. A command whose option needs another
help text declares its own (`train --data`, `convert --out`).
"""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ipvae_snn.cli import completion

if TYPE_CHECKING:
    from ipvae_snn.report.picture_files import PictureFolder

# The panels of `--help`. What is in none stands under "Options".
IMAGES: Final = "Images"
RUN: Final = "Run"
CHIP: Final = "Chip"
RESULTS: Final = "Results"
CLUSTER: Final = "Several processes or machines"

DATA_HELP: Final = "Name of a data set (see `ipvae-snn doctor`), .npy or .npz file, or folder."
OUT_NAMES: Final = ("--out", "-o")


def listed(text: str) -> list[str]:
    """Return the names of a comma-separated list in order, without repetitions."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def network_path(text: str | Path) -> Path:
    """Return a network's file, from its path or from the name of a pretrained one.

    It is a parser of arguments, which imports its module only when an argument is given.
    """
    from ipvae_snn import pretrained

    return pretrained.network_path(str(text))


def output_path(text: str | Path) -> Path:
    """Return the path of an output, with `~` replaced; a parser of options, as `network_path`."""
    from ipvae_snn.storage import outputs

    return outputs.output_path(text)


class PlotsFormat(str, Enum):
    """Format of pictures: pixels, or lines and letters that stay sharp at every size."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def picture_folder(folder: Path | None, form: PlotsFormat) -> "PictureFolder | None":
    """Return the folder of `--plots` with the format of its pictures, None without a folder."""
    from ipvae_snn.report import picture_files

    return picture_files.picture_folder(folder, form.value)


# The networks.
NetworkArgument = Annotated[
    Path,
    typer.Argument(
        parser=network_path, help="Integer network.", autocompletion=completion.networks
    ),
]
CheckpointArgument = Annotated[
    Path,
    typer.Argument(
        parser=network_path,
        help="Float checkpoint (model.safetensors), or pretrained name.",
        autocompletion=completion.networks,
    ),
]
AnyNetworkArgument = Annotated[
    Path,
    typer.Argument(
        parser=network_path,
        help="Integer network, float checkpoint, or pretrained name.",
        autocompletion=completion.networks,
    ),
]

# The images.
DataOption = Annotated[
    str,
    typer.Option(help=DATA_HELP, rich_help_panel=IMAGES, autocompletion=completion.data),
]
SplitOption = Annotated[
    str,
    typer.Option(
        help="Split of a named set: train or test.",
        rich_help_panel=IMAGES,
        autocompletion=completion.splits,
    ),
]
LimitOption = Annotated[int, typer.Option(min=1, help="Number of images.", rich_help_panel=IMAGES)]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Run on a Dask cluster: local, or tcp://host:8786.",
        rich_help_panel=CLUSTER,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Processes of a local Dask cluster.", rich_help_panel=CLUSTER),
]
FramesOption = Annotated[
    int | None,
    typer.Option(
        min=2,
        help="Frames of a sequence: potentials carry over from frame to frame, each shown for "
        "--steps steps. --limit then counts sequences.",
        rich_help_panel=IMAGES,
    ),
]
MotionOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="drift (still images that move) or video (films, or consecutive images); default: "
        "as in training, or drift.",
        rich_help_panel=IMAGES,
    ),
]
WhiteOption = Annotated[
    float | None,
    typer.Option(
        metavar="VALUE",
        help="Stored value that is white in your own images, 0: that of their number type. "
        "Default: as the network was trained.",
        rich_help_panel=IMAGES,
    ),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        help="Folder of public data sets.",
        envvar="IPVAE_SNN_DATA",
        show_envvar=True,
        rich_help_panel=IMAGES,
    ),
]

# The run.
StepsOption = Annotated[
    int, typer.Option(min=1, help="Time steps T per image.", rich_help_panel=RUN)
]
SeedOption = Annotated[
    int, typer.Option(min=0, help="Seed of the random numbers.", rich_help_panel=RUN)
]
DecodeOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Reconstruct from one sample of counts, mean:N (of the last N steps) or map (the "
        "rates). Default: as the network's file says, else sample.",
        rich_help_panel=RUN,
        autocompletion=completion.decodings,
    ),
]
StopOption = Annotated[
    str | None,
    typer.Option(
        metavar="NATS",
        help="End each image when the potentials of the neurons that send change by less than NATS "
        "on average (0.1, or 0.1:8 after 8 steps or more), or auto: R2 within .002 of all steps' "
        "(auto:8).",
        rich_help_panel=RUN,
    ),
]
BackendsOption = Annotated[
    str,
    typer.Option(
        help="Comma-separated back ends; each is compared with the reference.",
        rich_help_panel=RUN,
        autocompletion=completion.back_end_lists,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="IPVAE_SNN_THREADS",
        help="CPU threads (1); they change no figure.",
        rich_help_panel=RUN,
    ),
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        min=1,
        help="Lava: end the run after so many seconds. Default: by its size.",
        rich_help_panel=RUN,
    ),
]
StallOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Lava: end the run after so many seconds without a time step (60; 0: never).",
        rich_help_panel=RUN,
    ),
]

# The chips. `--profile` may be repeated where costs are compared.
MAX_MEAN_STEPS: Final = 4096  # ir.decoding.MAX_DECODING_STEPS, without its import
PROFILE_HELP: Final = "Profile name (see `ipvae-snn profiles`), or a .toml file"
ProfileOption = Annotated[
    str,
    typer.Option(help=f"{PROFILE_HELP}.", rich_help_panel=CHIP, autocompletion=completion.profiles),
]
ProfilesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        help=f"{PROFILE_HELP}; may be repeated.",
        rich_help_panel=CHIP,
        autocompletion=completion.profiles,
    ),
]

# The results.
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print the result as one JSON object.", rich_help_panel=RESULTS),
]
JsonFileOption = Annotated[
    Path | None,
    typer.Option(
        *OUT_NAMES,
        parser=output_path,
        metavar="FILE",
        help="Also write the result as JSON.",
        rich_help_panel=RESULTS,
    ),
]
PlotsOption = Annotated[
    Path | None,
    typer.Option(
        parser=output_path,
        metavar="FOLDER",
        help="Folder for pictures.",
        rich_help_panel=RESULTS,
    ),
]
PlotsFormatOption = Annotated[
    PlotsFormat,
    typer.Option(
        "--plots-format",
        help="Format of the pictures.",
        rich_help_panel=RESULTS,
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace existing files that this command did not write.",
        rich_help_panel=RESULTS,
    ),
]
QuietOption = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Show neither progress nor tables; --json is still printed.",
        rich_help_panel=RESULTS,
    ),
]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        help="Log each part of the work with its time, and tracebacks of errors.",
        rich_help_panel=RESULTS,
    ),
]
