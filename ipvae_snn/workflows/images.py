"""Load images of a network's size and kind, and encode them for an integer network."""

import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ipvae_snn.arrays import UInt8
from ipvae_snn.choices import suggestion
from ipvae_snn.data import ImageSet, Split, load
from ipvae_snn.data.given import ImageSource, Selection, image_set
from ipvae_snn.errors import DataError
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.networks import is_checkpoint, network_path

__all__ = [
    "Images",
    "as_split",
    "described",
    "encoded",
    "is_checkpoint",
    "load_for",
    "load_images",
    "network_path",
]

SPLITS: Final = ("train", "test")
SPLIT_SYNONYMS: Final = MappingProxyType(
    dict.fromkeys(("val", "valid", "validation", "dev", "eval", "held_out"), "test")
)


@dataclass(frozen=True)
class Images:
    """Images of a data set as floats and as an integer network's 8-bit input.

    pixels (N, M) uint8. saturated: number of pixels clipped to the range of the input code.
    """

    floats: ImageSet
    pixels: UInt8
    saturated: int


def as_split(name: str) -> Split:
    """Return the split called `name`; raise DataError for another word."""
    match name:
        case "train" | "test":
            return name
        case _:
            hint = suggestion(name, SPLITS, SPLIT_SYNONYMS)
            raise DataError(f"split {name!r} is not known{hint}; give {' or '.join(SPLITS)}")


def described(data: ImageSource) -> str:
    """Return the part of a workflow that loads these images, for its progress."""
    return f"images of {os.fspath(data)}" if isinstance(data, str | os.PathLike) else "images"


def load_images(
    data: str, split: str, data_root: Path | None, limit: int | None, side: int | None = None
) -> ImageSet:
    """Load images; `side` is the patch size for sets that are cut into patches."""
    return load(data, as_split(split), data_root, limit, patch_size=side or 16)


def load_for(
    network: IntegerNetwork,
    data: ImageSource,
    split: str,
    data_root: Path | None,
    limit: int | None,
) -> Images:
    """Load images and encode them as `network` takes them; DataError where they do not fit."""
    side = network.input.image_shape[0]
    return encoded(network, image_set(data, Selection(as_split(split), limit, data_root, side)))


def encoded(network: IntegerNetwork, images: ImageSet) -> Images:
    """Return images with the 8-bit input that `network` takes; DataError if they do not fit."""
    pixels, saturated = encode(network.input, images.pixels, images.kind, images.name)
    return Images(images, pixels, saturated)
