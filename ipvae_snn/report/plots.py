"""Draw dictionaries, reconstructions, R2 over steps and ranges.

Drawing functions take and return axes, or a figure if they need several axes.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ipvae_snn.arrays import Float32, Float64, Floats
from ipvae_snn.image_shape import ImageShape, n_pixels

GAP: Final = 1  # pixels between tiles
FRAME: Final = "#33475b"
MAX_TILES: Final = 144
COLOURS: Final = 3  # channels that a picture in colour has: red, green, blue
CHARACTERS: Final = 12  # of a title, per inch
LOWEST_R2: Final = -1.0  # of an axis; worse values are outside
DICTIONARY_SIZE: Final = (6.0, 6.3)
CURVES_SIZE: Final = (6.4, 4.0)


class Bar(NamedTuple):
    """A range; high is None if low is a minimum, low is None if nothing is public."""

    name: str
    low: float | None
    high: float | None


def picture_of(row: Floats, shape: ImageShape) -> Floats:
    """Return an image (M,) as it is drawn: (height, width) in grey, (height, width, 3) in colour.

    Of an image with another number of channels, these stand side by side.
    """
    image = row.reshape(shape)
    if len(shape) == 2 or shape[2] == COLOURS:
        return image
    return np.moveaxis(image, 2, 1).reshape(shape[0], -1)


def tiles(rows: Floats, shape: ImageShape, columns: int) -> Float64:
    """Return images (N, M) as one picture; each is scaled to [-1, 1] by its largest magnitude.

    All channels of an image are scaled alike, so that 0 is grey, and a hue keeps its sign. The
    frames around the images are NaN, and what is left of the last row is 1.
    """
    height, width, *colours = picture_of(np.empty(n_pixels(shape)), shape).shape
    count = -(-len(rows) // columns)
    sheet = np.ones((count * (height + GAP) + GAP, columns * (width + GAP) + GAP, *colours))
    for index, row in enumerate(rows):
        top = GAP + (index // columns) * (height + GAP)
        left = GAP + (index % columns) * (width + GAP)
        sheet[top - GAP : top + height + GAP, left - GAP : left + width + GAP] = np.nan
        peak = float(np.abs(row).max()) or 1.0
        sheet[top : top + height, left : left + width] = picture_of(row, shape) / peak
    return sheet


def show(axes: Axes, picture: Floats, low: float, high: float) -> Axes:
    """Draw a picture (H, W) in grey or (H, W, 3) in colour, without axes.

    Every channel is dark at `low` and full at `high`. What is NaN, a frame, is blue-grey.
    """
    if picture.ndim == 3:
        light = np.clip((picture - low) / (high - low or 1.0), 0.0, 1.0)
        framed = np.isnan(light).any(axis=2, keepdims=True)
        axes.imshow(np.where(framed, to_rgb(FRAME), light), interpolation="nearest")
    else:
        shades = colormaps["gray"].with_extremes(bad=FRAME)
        axes.imshow(picture, cmap=shades, vmin=low, vmax=high, interpolation="nearest")
    axes.set_axis_off()
    return axes


def dictionary(axes: Axes, phi: Float32, shape: ImageShape, use: Floats) -> Axes:
    """Draw the dictionary elements phi (M, K) with the highest `use` (K,)."""
    order = np.argsort(-use)[:MAX_TILES]
    columns = int(np.ceil(np.sqrt(len(order))))
    show(axes, tiles(phi.T[order], shape, columns), -1, 1)
    axes.set_title(f"Dictionary: the {len(order)} elements used most, of {phi.shape[1]}")
    return axes


def reconstructions_size(images: int, steps: int) -> tuple[float, float]:
    """Return the size in inches of a figure for reconstructions."""
    return 0.8 * images + 1.0, 0.82 * (steps + 1) + 0.5


def reconstructions(
    figure: Figure,
    originals: Floats,
    steps: Mapping[int, Floats],
    shape: ImageShape,
    title: str,
) -> Figure:
    """Draw originals (N, M) in the first row and their reconstructions by step below."""
    low, high = np.percentile(originals, [0.5, 99.5])
    rows = [("original", originals), *((f"step {t}", image) for t, image in steps.items())]
    grid = figure.subplots(len(rows), len(originals), squeeze=False)
    for line, (label, pictures) in zip(grid, rows, strict=True):
        for axes, picture in zip(line, pictures, strict=True):
            show(axes, picture_of(picture, shape), low, high)
        line[0].text(-0.12, 0.5, label, transform=line[0].transAxes, ha="right", va="center")
    heading(figure, title)
    return figure


def heading(figure: Figure, title: str) -> None:
    """Set the figure's title in as many lines as its width needs."""
    figure.suptitle("\n".join(textwrap.wrap(title, int(CHARACTERS * figure.get_figwidth()))))


def span(low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """Return limits of an axis: low..high with a margin, inside least..most.

    Values that are not finite count as the ends.
    """
    low = least if not np.isfinite(low) else max(low, least)
    high = most if not np.isfinite(high) else min(high, most)
    margin = 0.05 * max(high - low, 0.02 * (most - least))
    return max(low - margin, least), min(high + margin, most)


def r2_limits(lowest: float) -> tuple[float, float]:
    """Return the limits of an axis of R2: from 0, or from `lowest` if it is negative."""
    return (0.0, 1.0) if lowest >= 0.0 else (span(lowest, 1.0, LOWEST_R2, 1.0)[0], 1.0)


def r2_over_steps(
    axes: Axes, curves: Mapping[str, Sequence[tuple[float, float, float]]], title: str
) -> Axes:
    """Draw curves of (mean, low, high) R2 over the steps; low..high is the 95 % interval."""
    floor = 1.0
    for index, (name, points) in enumerate(curves.items()):
        mean, low, high = (np.array(part) for part in zip(*points, strict=True))
        steps = np.arange(1, len(mean) + 1)
        style = "-" if index == 0 else "--"
        mark = "." if len(mean) == 1 else ""
        (line,) = axes.plot(steps, mean, style, marker=mark, label=name, linewidth=1.6)
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
        floor = min(floor, float(np.percentile(mean, 10)))
    axes.set_xlabel("step")
    axes.set_ylabel("R2 of the step's spike counts")
    axes.set_ylim(r2_limits(floor))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_title(title)
    axes.legend(frameon=False, loc="lower right")
    return axes


def ranges_size(bars: int) -> tuple[float, float]:
    """Return the size in inches of a figure for this number of ranges."""
    return 7.4, 0.34 * bars + 1.1


def ranges(axes: Axes, bars: Sequence[Bar], title: str, label: str) -> Axes:
    """Draw bars up to low and on to high, on a logarithmic axis; an arrow where high is None.

    A bar without a public figure is labelled "not public".
    """
    known = [low for _, low, _ in bars if low]
    if not known:
        known = [1.0]
    least, most = min(known) / 4, 4 * max([*known, *(high for *_, high in bars if high)])
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars])
    for place, (_, low, high) in enumerate(bars):
        if not low:
            axes.text(least * 1.1, place, "not public", va="center", color="0.5")
            continue
        axes.barh(place, low - least, left=least, height=0.6, color="tab:blue")
        if high is None:
            arrow = {"arrowstyle": "->", "color": "tab:blue"}
            axes.annotate("", (low * 1.5, place), (low, place), arrowprops=arrow)
        elif high > low:
            axes.barh(place, high - low, left=low, height=0.6, color="tab:blue", alpha=0.35)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    axes.set_title(title, loc="left")
    return axes
