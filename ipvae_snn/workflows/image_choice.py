"""Images as a user names them, loaded for a network."""

from dataclasses import dataclass
from pathlib import Path

from ipvae_snn.data import ImageSet
from ipvae_snn.data.given import image_set
from ipvae_snn.ir.encode import check_images
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.workflows.images import Images, load_for, selection_for


@dataclass(frozen=True)
class ImageChoice:
    """A data set and a part of it.

    data: name, .npy or .npz file, or folder. split: train or test, of a named set. limit: number of
    images, None for all. data_root: folder of the public sets.
    """

    data: str
    split: str = "test"
    limit: int | None = None
    data_root: Path | None = None

    def encoded_for(self, network: IntegerNetwork) -> Images:
        """Return the images as the integer network takes them; DataError if they do not fit."""
        return load_for(network, self.data, self.split, self.data_root, self.limit)

    def loaded_for(self, network: FloatNetwork) -> ImageSet:
        """Return the images as the float network takes them; DataError if they do not fit."""
        chosen = selection_for(network, self.split, self.data_root, self.limit)
        images = image_set(self.data, chosen)
        check_images(
            network.image_shape, network.input_kind, images.pixels, images.kind, images.name
        )
        return images
