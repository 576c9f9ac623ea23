"""Composites: images made of training images, so that inference learns unlike images as well.

Weights of inference of their own learn what the training images need, and lose the rest: a network
of sparse weights that has seen digits alone no longer infers other images. A composite joins two
training images, each turned, scaled, shifted and dimmed at random, by their maximum or by what the
first has beyond the second (images of light), or by their sum or difference (standardised images).
It has edges, areas and crossings that no training image has, at every place.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from ipvae_snn.image_shape import ImageShape, n_channels
from ipvae_snn.ir.parts import InputKind
from ipvae_snn.training.random_streams import Stream, keyed_generator

LEAST_VIEW: Final = 0.3  # of an image's side that a part of a composite shows, magnified
MOST_VIEW: Final = 1.8
SHIFT: Final = 0.25  # of the image's side, to each side
DIMMEST: Final = 0.4

Join = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Composites:
    """The share of a batch that is composites, and what they are made of.

    images: N images (N, M) of the given shape and kind. seed: of the run.
    """

    images: Tensor
    shape: ImageShape
    kind: InputKind
    share: float
    seed: int

    def mixed(self, x: Tensor, rows: slice, n_rows: int, iteration: int) -> Tensor:
        """Return rows (B, M) of a batch of n_rows images, of which the first are composites.

        They depend on seed, iteration and their rows only, and not on how processes share a batch.
        """
        n = round(self.share * n_rows)
        here = slice(min(rows.start, n), min(rows.stop, n))
        if here.start == here.stop:
            return x
        generator = keyed_generator(torch.device("cpu"), self.seed, Stream.COMPOSITES, iteration)
        made = composites(self.images, self.shape, self.kind, n, generator, here)
        return torch.cat([made, x[len(made) :]])


def composites(
    images: Tensor,
    shape: ImageShape,
    kind: InputKind,
    n: int,
    generator: torch.Generator,
    rows: slice = slice(None),
) -> Tensor:
    """Return the given rows of n composites, (n, M) where all are asked for.

    images (N, M) on any device; the generator is the CPU's, so that devices draw alike. Images of
    light stay within [0, 1] and in steps of 1 / 255.
    """
    sources = torch.randint(len(images), (2, n), generator=generator)
    place = torch.rand((2, 5, n), generator=generator)
    choice = torch.rand((n, 1), generator=generator)
    first, second = (
        _seen(images[sources[i, rows].to(images.device)], shape, place[i, :, rows].to(images))
        for i in (0, 1)
    )
    return _JOINS[kind](first, second, choice[rows].to(images))


def _seen(images: Tensor, shape: ImageShape, place: Tensor) -> Tensor:
    """Return images (B, M), turned, scaled, shifted and dimmed by place (5, B) in [0, 1)."""
    turn = 2 * math.pi * place[0]
    view = LEAST_VIEW * (MOST_VIEW / LEAST_VIEW) ** place[1]
    down, right = 4 * SHIFT * (place[2:4] - 0.5)  # the grid goes from -1 to 1
    cos, sin = view * turn.cos(), view * turn.sin()
    # affine_grid takes pixels as squares; so images that are not square are turned in their own
    # proportions.
    affine = torch.stack([cos, -sin, right, sin, cos, down], 1).reshape(-1, 2, 3)
    planes = images.reshape(len(images), shape[0], shape[1], n_channels(shape)).movedim(3, 1)
    grid = functional.affine_grid(affine, list(planes.shape), align_corners=False)
    seen = functional.grid_sample(planes, grid, align_corners=False).movedim(1, 3)
    dimmed = DIMMEST + (1 - DIMMEST) * place[4]
    return seen.reshape(images.shape) * dimmed.unsqueeze(1)


def _light(first: Tensor, second: Tensor, choice: Tensor) -> Tensor:
    joined = torch.where(choice < 0.5, torch.maximum(first, second), (first - second).clamp(min=0))
    return (joined * 255).round() / 255


def _standardised(first: Tensor, second: Tensor, choice: Tensor) -> Tensor:
    return torch.where(choice < 0.5, first + second, first - second)


_JOINS: Final[Mapping[InputKind, Join]] = {"unit": _light, "standardised": _standardised}
