"""What the commands share: options, tables, JSON, and loading images for a program."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.console import Console
    from rich.table import Table

    from ipvae_snn.data import ImageSet, Split
    from ipvae_snn.ir import IntegerNetwork

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


@dataclass(frozen=True)
class Images:
    """Images of a data set as floats and as the program's 8-bit input."""

    floats: "ImageSet"
    pixels: "npt.NDArray[np.uint8]"
    saturated: int


def console(quiet: bool = False) -> "Console":
    """Return the console for tables; with `quiet` (JSON is asked for) it writes to stderr."""
    from rich.console import Console

    return Console(stderr=quiet)


def emit_json(value: dict[str, Any]) -> None:
    """Print one JSON object; numbers that are not finite become null, as JSON requires."""
    typer.echo(json.dumps(_finite(value), indent=2))


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write the same to a file, whole or not at all."""
    from ipvae_snn.atomic import write_text

    write_text(path, json.dumps(_finite(value), indent=2) + "\n")


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _finite(item) for key, item in value.items()}
        case list() | tuple():
            return [_finite(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value


def table(title: str, *columns: str, text: bool = False) -> "Table":
    """Return an empty table: the first column to the left, the others right unless `text`."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(title=title, box=SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(
            column, justify="left" if index == 0 or text else "right", no_wrap=index == 0
        )
    return made


def as_split(name: str) -> "Split":
    """Return the split called `name`; raise DataError for another word."""
    from ipvae_snn.errors import DataError

    match name:
        case "train" | "test":
            return name
        case _:
            raise DataError(f"split {name!r} is not known; give train or test")


def load_images(
    data: str, split: str, data_root: Path | None, limit: int | None, side: int | None = None
) -> "ImageSet":
    """Load images; `side` is the patch size for sets that are cut into patches."""
    from ipvae_snn.data import load

    return load(data, as_split(split), data_root, limit, patch_size=side or 16)


def load_for(
    program: "IntegerNetwork", data: str, split: str, data_root: Path | None, limit: int | None
) -> Images:
    """Load images and encode them as `program` takes them."""
    from ipvae_snn.encode import encode

    images = load_images(data, split, data_root, limit, program.input.image_shape[0])
    pixels, saturated = encode(program.input, images.pixels, images.kind, images.name)
    return Images(images, pixels, saturated)


def is_checkpoint(path: Path) -> bool:
    """Return whether the safetensors file at `path` says that it is a float checkpoint.

    Raises FileFormatError if it is missing, truncated, or neither ours.
    """
    from ipvae_snn import float_network, serialize
    from ipvae_snn.errors import FileFormatError

    found = float_network.read_format(path)
    if found not in (float_network.FORMAT, serialize.FORMAT):
        raise FileFormatError(
            f"{path}: its format is {found!r}, neither an ipvae-snn checkpoint nor an integer "
            "network; was another file meant?"
        )
    return found == float_network.FORMAT


def network_path(text: str | Path) -> Path:
    """Return a network's file, from its path or from the name of a pretrained one.

    Errors are told as the program's own, not as wrong usage.
    """
    from ipvae_snn import pretrained

    return pretrained.network_path(str(text))


def listed(text: str) -> list[str]:
    """Return the names of a comma-separated list, each once, in order."""
    return list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def number(value: float | None, digits: int = 3) -> str:
    """Return a number for a table; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.{digits}f}"
