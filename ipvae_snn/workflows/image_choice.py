"""Images as a user names them, loaded for a network."""

from dataclasses import dataclass, replace
from pathlib import Path

from ipvae_snn.config.preparation import MAX_WHITE, PLAIN, Preparation
from ipvae_snn.data import ImageSet
from ipvae_snn.data.given import ImageSource, Selection, image_set
from ipvae_snn.data.registry import is_named
from ipvae_snn.data.streams import ImageStream, image_stream
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, n_pixels
from ipvae_snn.ir.encode import check_images, check_size
from ipvae_snn.ir.network import IntegerNetwork
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.models.latent_network import LatentNetwork
from ipvae_snn.models.networks import Network
from ipvae_snn.progress import Progress, ignore
from ipvae_snn.storage.names import printable
from ipvae_snn.watcher import current_watcher
from ipvae_snn.workflows.images import Images, as_split, encoded, preparation_of


@dataclass(frozen=True)
class ImageChoice:
    """Images of a data set or of the user, and a part of them.

    data: name, path, array, or anything else that `data.given` reads. split: train or test, of a
    named set. limit: number of images, None for all. data_root: folder of the public sets. white:
    the stored value that is white in the user's own images, 0 for that of their number type, None
    for the one that the network was trained with. report: receives the progress of reading.
    """

    data: ImageSource
    split: str = "test"
    limit: int | None = None
    data_root: Path | None = None
    white: float | None = None
    report: Progress = ignore

    def encoded_for(self, network: IntegerNetwork) -> Images:
        """Return the images as the integer network takes them; DataError if they do not fit."""
        images = encoded(network, self._read(self.selection_for(network)))
        noted(images.floats)
        return images

    def stream_for(self, network: IntegerNetwork) -> ImageStream:
        """Return the images for an integer network, to be read part by part."""
        images = image_stream(self.data, self.selection_for(network))
        check_size(network.input.image_shape, n_pixels(images.image_shape), images.name)
        for remark in images.remarks:
            current_watcher().note(remark)
        return images

    def loaded_for(self, network: FloatNetwork | LatentNetwork) -> ImageSet:
        """Return the images as the float network takes them; DataError if they do not fit."""
        images = self._read(self.selection_for(network))
        check_images(
            network.image_shape, network.input_kind, images.pixels, images.kind, images.name
        )
        return noted(images)

    def selection_for(self, network: Network | LatentNetwork) -> Selection:
        """Return the selection of images, treated as the network's training images were.

        Raises DataError for a white value that is out of range, or of a named set.
        """
        owner = network.input if isinstance(network, IntegerNetwork) else network

        def fits(name: str, shape: ImageShape) -> None:
            check_size(owner.image_shape, n_pixels(shape), printable(name))

        chosen = self.selection(owner.image_shape[0], preparation_of(network))
        return replace(chosen, fits=fits, colour=len(owner.image_shape) == 3)

    def selection(self, side: int, preparation: Preparation | None = None) -> Selection:
        """Return the selection of images; side: of patches in pixels, of named sets of patches."""
        prepared = with_white(preparation, self.data, self.white)
        split = as_split(self.split)
        return Selection(
            split, self.limit, self.data_root, side, preparation=prepared, report=self.report
        )

    def read(
        self, side: int, preparation: Preparation | None = None, colour: bool = False
    ) -> ImageSet:
        """Return the images for a network that is yet to be made, as `selection` does."""
        return noted(self._read(replace(self.selection(side, preparation), colour=colour)))

    def _read(self, selection: Selection) -> ImageSet:
        return image_set(self.data, selection)


def noted(images: ImageSet) -> ImageSet:
    """Return the images; the current watcher receives the remarks on them."""
    for remark in images.remarks:
        current_watcher().note(remark)
    return images


def with_white(
    preparation: Preparation | None, data: ImageSource, white: float | None
) -> Preparation | None:
    """Return the preparation with another white value, which belongs to the images given.

    Raises DataError for a value that is out of range, or of a named set.
    """
    if white is None:
        return preparation
    if not 0 <= white <= MAX_WHITE:
        raise DataError(f"--white is {white:g}; give a number from 0 to {MAX_WHITE:.0f}")
    if isinstance(data, str) and is_named(data):
        raise DataError(
            f"{data}: a named set, whose scale is known; leave out --white ({white:g}), which is "
            "for your own images"
        )
    return replace(preparation or PLAIN, white=white)
