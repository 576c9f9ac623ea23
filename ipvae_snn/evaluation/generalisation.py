"""Out-of-distribution images for a network of 28x28 images: turned ones, and other sets.

Within the data set: the same images, turned by random angles, and all by one angle after another.
Between sets: clothing, other characters, and grey patches of natural photographs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ipvae_snn.data import ImageSet
from ipvae_snn.data.rotate import rotated, rotated_by
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import shape_text

IMAGE_SHAPE: Final = (28, 28)
# Patches of natural photographs; their pixels in [0, 1] are not whitened.
NATURAL: Final = ("natural", "vanhateren")
SETS: Final = ("mnist", "fashion-mnist", "kmnist", "omniglot", *NATURAL)
ANGLES: Final = tuple(range(0, 181, 15))  # degrees, counter-clockwise


@dataclass(frozen=True)
class OtherSets:
    """Sets to evaluate a network on.

    within: the network's images, turned. between: other sets. left_out: by name, why the others of
    SETS are missing. by_angle: the first images by the angle that all of them are turned by.
    """

    within: tuple[ImageSet, ...]
    between: tuple[ImageSet, ...]
    left_out: dict[str, str]
    by_angle: dict[int, ImageSet]

    @property
    def found(self) -> tuple[ImageSet, ...]:
        """The sets of both categories."""
        return (*self.within, *self.between)


def other_sets(
    images: ImageSet, load: Callable[[str], ImageSet], seed: int = 0, per_angle: int = 0
) -> OtherSets:
    """Return `images` rotated, and every other set of SETS that `load` finds.

    per_angle: number of the first images that are turned by each of ANGLES, 0 for none. Raises
    DataError if the images are not 28x28 of kind "unit".
    """
    if images.image_shape != IMAGE_SHAPE or images.kind != "unit":
        raise DataError(
            f"{images.name}: {images.kind} images of {shape_text(images.image_shape)}, but "
            "generalisation is measured on unit images of 28x28 (digits, clothing, characters); "
            "leave out --generalise"
        )
    between, left_out = list[ImageSet](), dict[str, str]()
    for name in SETS:
        if name == images.name:
            continue
        try:
            between.append(load(name))
        except DataError as error:
            left_out[name] = str(error)
    by_angle = {angle: rotated_by(images.first(per_angle), angle) for angle in ANGLES if per_angle}
    return OtherSets((rotated(images, seed),), tuple(between), left_out, by_angle)
