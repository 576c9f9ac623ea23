"""Picture of images in parts: the strongest features of each, and what the first of them sum to."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ipvae_snn.arrays import Float32
from ipvae_snn.probing.movie_plots import spread
from ipvae_snn.probing.recombination import SHOWN, STRONGEST, Example, Recombination
from ipvae_snn.report.plots import heading, picture_of, show

SUMS: Final = 4  # of an image that are shown, the last by all features
FEWEST: Final = 4  # features of the first of them
SIZE: Final = (11.0, 1.05 * SHOWN + 1.0)


def recombination(figure: Figure, found: Recombination, title: str) -> Figure:
    """Draw a row per image: the image, its strongest features, and sums of growing number."""
    from_here = next(i for i, most in enumerate(found.kept) if most >= min(FEWEST, found.kept[-1]))
    picks = spread(range(from_here, len(found.kept)), SUMS)
    columns = 1 + STRONGEST + len(picks)
    grid = figure.subplots(len(found.examples), columns, squeeze=False)
    for line, example in zip(grid, found.examples, strict=True):
        _row(line, found, example, picks)
    for axes, label in zip(grid[0], _labels(found, picks), strict=True):
        axes.set_title(label, fontsize=8)
    heading(figure, title)
    return figure


def _labels(found: Recombination, picks: list[int]) -> list[str]:
    features = ["strongest\nfeature", *(f"{place}." for place in range(2, STRONGEST + 1))]
    sums = [f"sum of\n{found.kept[index]:,}" for index in picks[:-1]]
    return ["image", *features, *sums, f"all\n{found.kept[-1]:,}"]


def _row(line: list[Axes], found: Recombination, example: Example, picks: list[int]) -> None:
    """Draw one image; features share a scale about 0, and sums share that of the image."""
    low, high = float(example.image.min()), float(example.image.max())
    most = float(np.abs(example.features).max()) or 1.0

    def draw(axes: Axes, image: Float32, least: float, largest: float) -> None:
        show(axes, picture_of(image, found.image_shape), least, largest)

    draw(line[0], example.image, low, high)
    for axes in line[1:]:
        axes.set_axis_off()
    for axes, feature in zip(line[1:], example.features, strict=False):
        draw(axes, feature, -most, most)
    for axes, index in zip(line[1 + STRONGEST :], picks, strict=True):
        draw(axes, example.sums[index], low, high)
        _below(axes, f"R2 {example.r2[index]:.2f}")


def _below(axes: Axes, text: str) -> None:
    axes.text(0.5, -0.06, text, transform=axes.transAxes, ha="center", va="top", fontsize=7.5)
