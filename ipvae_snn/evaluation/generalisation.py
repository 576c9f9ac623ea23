"""Out-of-distribution images for a network of 28x28 images: rotated, and from other sets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ipvae_snn.data import ImageSet
from ipvae_snn.data.rotate import rotated
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import shape_text

IMAGE_SHAPE: Final = (28, 28)
SETS: Final = ("mnist", "fashion-mnist", "kmnist", "omniglot")


@dataclass(frozen=True)
class OtherSets:
    """Sets to evaluate a network on; left_out: by name, why the others of SETS are missing."""

    found: tuple[ImageSet, ...]
    left_out: dict[str, str]


def other_sets(images: ImageSet, load: Callable[[str], ImageSet], seed: int = 0) -> OtherSets:
    """Return `images` rotated, and every other set of SETS that `load` finds.

    Raises DataError if the images are not 28x28 of kind "unit".
    """
    if images.image_shape != IMAGE_SHAPE or images.kind != "unit":
        raise DataError(
            f"{images.name}: {images.kind} images of {shape_text(images.image_shape)}, but "
            "generalisation is measured on unit images of 28x28 (digits, clothing, characters); "
            "leave out --generalise"
        )
    result, left_out = [rotated(images, seed)], {}
    for name in SETS:
        if name == images.name:
            continue
        try:
            result.append(load(name))
        except DataError as error:
            left_out[name] = str(error)
    return OtherSets(tuple(result), left_out)
