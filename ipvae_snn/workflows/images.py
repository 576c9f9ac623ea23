"""Load images of a network's size and kind, and encode them for an integer network."""

import os
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ipvae_snn.arrays import UInt8
from ipvae_snn.choices import suggestion
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import ImageSet, Split
from ipvae_snn.data.given import ImageSource
from ipvae_snn.errors import DataError
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import PREPARATION
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.networks import Network, is_checkpoint, network_path

__all__ = [
    "Images",
    "as_split",
    "described",
    "encoded",
    "is_checkpoint",
    "network_path",
    "preparation_of",
]

SPLITS: Final = ("train", "test")
SPLIT_SYNONYMS: Final = MappingProxyType(
    dict.fromkeys(("val", "valid", "validation", "dev", "eval", "held_out"), "test")
)


@dataclass(frozen=True)
class Images:
    """Images of a data set as floats and as an integer network's 8-bit input.

    pixels (N, M) uint8; of sequences (N, F, M), and `floats` are then their frames in order.
    saturated: number of pixels clipped to the range of the input code.
    """

    floats: ImageSet
    pixels: UInt8
    saturated: int

    def first(self, n: int) -> "Images":
        """Return up to n of the first still images; `saturated` stays that of all."""
        n = min(n, len(self.pixels))
        return Images(self.floats.first(n), self.pixels[:n], self.saturated)


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


def preparation_of(network: Network | LatentNetwork) -> Preparation | None:
    """Return what was done to the user's own images that a network was trained on.

    Raises FileFormatError if an integer network's record of it is malformed.
    """
    if not isinstance(network, IntegerNetwork):
        return network.preparation
    text = network.provenance.get(PREPARATION)
    return None if text is None else Preparation.from_text(text, "integer network")


def encoded(network: IntegerNetwork, images: ImageSet) -> Images:
    """Return images with the 8-bit input that `network` takes; DataError if they do not fit."""
    pixels, saturated = encode(network.input, images.pixels, images.kind, images.name)
    return Images(images, pixels, saturated)
