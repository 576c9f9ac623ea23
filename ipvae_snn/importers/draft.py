"""Values that pass between the readers of foreign files and the import of a network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ipvae_snn.arrays import Float32
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data.array_images import COLOURS
from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import DataError
from ipvae_snn.image_shape import ImageShape, n_pixels, shape_text
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.models.stored_dictionary import StoredDictionary

# Bounds of our model for networks whose file states none (config/settings.py).
CLIP: Final = 10.0
FLOOR: Final = -8.0

# Loads images of a number of pixels.
ImageLoader = Callable[[int], ImageSet]


@dataclass(frozen=True)
class Options:
    """Facts that a file may leave out, as the user gives them.

    image_shape: (height, width) or (height, width, channels). penalty: weight of the sum of the
    code in the lasso, alpha of scikit-learn and lambda of LCA. positive: whether the code has no
    negative values. stride: pixels between two positions of a convolutional dictionary's kernels.
    """

    image_shape: ImageShape | None = None
    input_kind: InputKind | None = None
    penalty: float | None = None
    positive: bool | None = None
    stride: int | None = None


@dataclass(frozen=True)
class Source:
    """A foreign file with the user's options and, if they name any, their images."""

    path: Path
    options: Options = Options()
    load_images: ImageLoader | None = None

    def images(self, n_pixels: int, purpose: str) -> ImageSet:
        """Return the user's images of n_pixels pixels.

        purpose: what they are needed for, for the message. Raises DataError if none are named, or
        if they have another size.
        """
        if self.load_images is None:
            raise DataError(
                f"{self.path}: {purpose} needs images like those that it was made for; name them "
                "with --data (in Python: images=)"
            )
        result = self.load_images(n_pixels)
        if result.pixels.shape[1] != n_pixels:
            raise DataError(
                f"{result.name}: images of {shape_text(result.image_shape)} pixels, but "
                f"{self.path} is for {n_pixels} pixels; name images like those that it was made "
                f"for{_colours(result.image_shape, n_pixels)}"
            )
        return result


def _colours(shape: ImageShape, wanted: int) -> str:
    """Return the option that keeps colours, where grey images have a third of the values wanted."""
    if len(shape) == 3 or COLOURS * n_pixels(shape) != wanted:
        return ""
    return f", or give --image-shape {shape_text(shape)}x{COLOURS} to keep their colours"


@dataclass(frozen=True)
class Draft:
    """Parameters of a float network of M pixels and K neurons, as `models.float_network` has them.

    dictionary: the linear decoder phi (M, K). log_sigma (M,), u0 (K,), log_bias (K,). log_lr: None
    if a stable step size is to be chosen on images. image_shape, input_kind and trained_on: None or
    empty if the file does not state them. preparation: how its patches were made, if that is known.
    log_sigma_limit, training_steps, beta: of its training. remarks: sentences on what was assumed
    or left out. lasso_r2: mean R2 of the lasso's reconstruction, for dictionaries.
    """

    dictionary: StoredDictionary
    log_sigma: Float32
    u0: Float32
    log_bias: Float32
    log_lr: float | None = None
    clip: float = CLIP
    floor: float = FLOOR
    updates_per_step: int = 1
    leak: float = 0.0
    image_shape: ImageShape | None = None
    input_kind: InputKind | None = None
    trained_on: str = ""
    preparation: Preparation | None = None
    log_sigma_limit: float = 0.0
    training_steps: int = 16
    beta: float = 1.0
    remarks: tuple[str, ...] = ()
    lasso_r2: float = math.nan

    @property
    def phi(self) -> Float32:
        """The dictionary as a matrix (M, K)."""
        return self.dictionary.dense()

    @property
    def n_pixels(self) -> int:
        """Number of pixels M."""
        return self.dictionary.n_pixels

    @property
    def n_neurons(self) -> int:
        """Number of neurons K."""
        return self.dictionary.n_neurons
