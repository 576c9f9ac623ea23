"""Facts on the images of an imported network, from the file, the user or the user's images."""

import math
from pathlib import Path

from ipvae_snn.data.base import ImageSet
from ipvae_snn.errors import ConfigError
from ipvae_snn.image_shape import ImageShape, shape_text
from ipvae_snn.importers.draft import Draft, Options
from ipvae_snn.ir.parts import InputKind


def image_shape(file: Path, draft: Draft, options: Options, images: ImageSet | None) -> ImageShape:
    """Return the shape of an image as the file, the options or the images state it.

    Raises ConfigError if none does, or if the options contradict the file.
    """
    given, stated = options.image_shape, draft.image_shape
    if given is not None and math.prod(given) != draft.n_pixels:
        raise ConfigError(
            f"{file}: holds a dictionary of {draft.n_pixels} pixels, but --image-shape "
            f"{shape_text(given)} has {math.prod(given)}; give HEIGHTxWIDTH of {draft.n_pixels} "
            "pixels"
        )
    if given is not None and stated is not None and given != stated:
        raise ConfigError(
            f"{file}: is for images of {shape_text(stated)}, but --image-shape is "
            f"{shape_text(given)}; leave --image-shape out"
        )
    shape = given or stated or (None if images is None else images.image_shape)
    if shape is None:
        side = math.isqrt(draft.n_pixels)
        example = f"{side}x{side}" if side * side == draft.n_pixels else "HEIGHTxWIDTH"
        raise ConfigError(
            f"{file}: does not say how its {draft.n_pixels} pixels form an image; give "
            f"--image-shape, such as {example}, or images with --data"
        )
    return shape


def input_kind(file: Path, draft: Draft, options: Options, images: ImageSet | None) -> InputKind:
    """Return the kind of pixels, as `image_shape` does."""
    given, stated = options.input_kind, draft.input_kind
    if given is not None and stated is not None and given != stated:
        raise ConfigError(
            f"{file}: takes {stated} pixels, but --input is {given}; leave --input out"
        )
    kind = given or stated or (None if images is None else images.kind)
    if kind is None:
        raise ConfigError(
            f"{file}: does not say which pixels it takes; give --input unit (in [0, 1]) or --input "
            "standardised (zero mean, unit variance), or images with --data"
        )
    return kind
