"""Input of a layer at one step: an image, or one step of an encoder's spike train, as tensors."""

import math
from typing import Final

import torch
from torch import Tensor

from ipvae_snn.data.array_images import COLOURS
from ipvae_snn.errors import DataError
from ipvae_snn.ir.encode import MAX_SATURATED
from ipvae_snn.ir.parts import InputCode

PACKAGES: Final = {"snntorch": "snnTorch", "norse": "Norse"}


def missing(package: str) -> str:
    """Return the message for a user who has not installed `package`."""
    return (
        f"{PACKAGES[package]} is not installed, and this layer is built on it; "
        "pip install 'ipvae-snn[frameworks]'"
    )


def flat(input_: Tensor, n_pixels: int) -> Tensor:
    """Return `input_` (N, ...) as (N, M); DataError unless a row holds the network's M values.

    Torch's order of colours, (N, 3, H, W), is refused: a network's rows have the colours of a pixel
    side by side.
    """
    if input_.ndim < 2 or math.prod(input_.shape[1:]) != n_pixels:
        raise DataError(
            f"the network takes N images of {n_pixels} values at a step, as (N, {n_pixels}) or in "
            f"any shape of that size, not {tuple(input_.shape)}; give one step of a spike train "
            "at a time"
        )
    if input_.ndim == 4 and input_.shape[1] == COLOURS != input_.shape[3]:
        raise DataError(
            f"images {tuple(input_.shape)} have their {COLOURS} colours in the second axis, but a "
            "network takes them last; give images.permute(0, 2, 3, 1)"
        )
    return input_.reshape(len(input_), n_pixels)


def to_levels(code: InputCode, input_: Tensor) -> Tensor:
    """Return `input_` (N, M) as uint8 pixels of the network, rounded as in `ipvae_snn.ir.encode`.

    uint8 is returned as it is. Other types hold values in the network's float range: a spike (1) of
    an encoder is the brightest pixel for a network of [0, 1] pixels, and one standard deviation
    for standardised pixels. Raises DataError for values that are not finite, and if more than 1 %
    lie outside the range; fewer saturate.
    """
    if input_.dtype == torch.uint8:
        return input_
    levels = (input_.detach().double() / code.scale).round_().add_(code.zero_point)
    inside = 1.0 - ((levels < 0) | (levels > 255) | levels.isnan()).sum().item() / max(
        1, levels.numel()
    )
    if inside < 1.0 and not bool(levels.isfinite().all()):
        raise DataError("an input value is not finite; check the layers before the network")
    if 1.0 - inside > MAX_SATURATED:
        low, high = -code.zero_point * code.scale, (255 - code.zero_point) * code.scale
        raise DataError(
            f"{100.0 * (1.0 - inside):.1f} % of the values lie outside the network's input range "
            f"[{low:.3g}, {high:.3g}]; scale them as the training data were"
        )
    return levels.clamp_(0, 255).to(torch.uint8)


def to_values(code: InputCode | None, input_: Tensor) -> Tensor:
    """Return `input_` (N, M) as float pixels; uint8 through `code`, anything else as it is.

    Raises DataError for uint8 where there is no code.
    """
    if input_.dtype != torch.uint8:
        return input_ if input_.is_floating_point() else input_.to(torch.get_default_dtype())
    if code is None:
        raise DataError(
            "a checkpoint does not say what uint8 levels stand for; give the float pixels that "
            "the network was trained on, or build the layer from a converted network"
        )
    return (input_.to(torch.get_default_dtype()) - code.zero_point) * code.scale
