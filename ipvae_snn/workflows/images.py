"""Images and networks as a user names them."""

from dataclasses import dataclass
from pathlib import Path

from ipvae_snn import pretrained
from ipvae_snn.arrays import UInt8
from ipvae_snn.data import ImageSet, Split, load
from ipvae_snn.errors import DataError, FileFormatError
from ipvae_snn.ir import files
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models import float_network
from ipvae_snn.storage import tensor_files


@dataclass(frozen=True)
class Images:
    """Images of a data set as floats and as the program's 8-bit input."""

    floats: ImageSet
    pixels: UInt8
    saturated: int


def as_split(name: str) -> Split:
    """Return the split called `name`; raise DataError for another word."""

    match name:
        case "train" | "test":
            return name
        case _:
            raise DataError(f"split {name!r} is not known; give train or test")


def load_images(
    data: str, split: str, data_root: Path | None, limit: int | None, side: int | None = None
) -> ImageSet:
    """Load images; `side` is the patch size for sets that are cut into patches."""

    return load(data, as_split(split), data_root, limit, patch_size=side or 16)


def load_for(
    program: IntegerNetwork, data: str, split: str, data_root: Path | None, limit: int | None
) -> Images:
    """Load images and encode them as `program` takes them."""

    images = load_images(data, split, data_root, limit, program.input.image_shape[0])
    pixels, saturated = encode(program.input, images.pixels, images.kind, images.name)
    return Images(images, pixels, saturated)


def is_checkpoint(path: Path) -> bool:
    """Return whether the safetensors file at `path` says that it is a float checkpoint.

    Raises FileFormatError if it is missing, truncated, or neither ours.
    """

    found = tensor_files.read_format(path)
    if found not in (float_network.FORMAT, files.FORMAT):
        raise FileFormatError(
            f"{path}: its format is {found!r}, neither an ipvae-snn checkpoint nor an integer "
            "network; was another file meant?"
        )
    return found == float_network.FORMAT


def network_path(text: str | Path) -> Path:
    """Return a network's file, from its path or from the name of a pretrained one.

    Errors are told as the program's own, not as wrong usage.
    """

    return pretrained.network_path(str(text))
