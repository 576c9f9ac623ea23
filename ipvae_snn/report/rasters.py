"""Draw rasters: spike counts of neurons by step, as dots or as an image, with potentials."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ipvae_snn.arrays import Float64, Floats, Integers

LABELLED_NEURONS: Final = 40
LINES: Final = 8  # potentials drawn
RASTER_SIZE: Final = (7.0, 4.4)
LEAST_DOT: Final = 2.5  # points between dots; with less space, counts are drawn as an image
MOST_DOT: Final = 11.0  # diameter in points of the largest count's dot
POINTS: Final = 72  # per inch


def raster(axes: Axes, counts: Integers, title: str, neurons: Sequence[int] | None = None) -> Axes:
    """Draw the spike counts (T, K) of one image, as an image whose grey is the count.

    neurons: those drawn, in this order; by default all that spike, the most active first.
    """
    order = by_activity(counts) if neurons is None else np.asarray(neurons, np.int64)
    image(axes, counts[:, order])
    if neurons is None:
        axes.set_ylabel("neuron, most active first")
    else:
        label_neurons(axes, order)
    axes.set_xlabel("step")
    axes.set_title(title)
    return axes


def by_activity(counts: Integers) -> Integers:
    """Return the neurons that spike in counts (T, K), the most active first."""
    total = counts.sum(axis=0)
    order: Integers = np.argsort(-total, kind="stable")
    return order[: int((total > 0).sum())]


def image(axes: Axes, counts: Integers) -> Axes:
    """Draw counts (T, C) in grey; a step is a column from step - 1/2 to step + 1/2."""
    steps, n = counts.shape
    # Square-root scale: most counts are 0 or 1, and a few are large.
    scale = PowerNorm(0.5, vmin=0, vmax=max(int(counts.max(initial=1)), 1))
    extent = (0.5, steps + 0.5, max(n, 1) - 0.5, -0.5)
    shown = counts.T if n else np.zeros((1, steps))
    picture = axes.imshow(
        shown, cmap="Greys", norm=scale, aspect="auto", interpolation="nearest", extent=extent
    )
    bar = axes.figure.colorbar(picture, ax=axes, label="spike count", pad=0.02)
    bar.ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    return axes


def dots(axes: Axes, counts: Integers, size: tuple[float, float]) -> Axes:
    """Draw counts (T, C) as dots whose area is proportional to the count; with a legend.

    size: of the axes in inches. Where a dot would have less than LEAST_DOT points of space, the
    counts are drawn as an image.
    """
    steps, n = counts.shape
    space = POINTS * min(size[0] / max(steps, 1), size[1] / max(n, 1))
    if space < LEAST_DOT:
        return image(axes, counts)
    most = max(int(counts.max(initial=1)), 1)
    unit = min(space, MOST_DOT) ** 2 / most  # area of a spike, in square points
    step, place = np.nonzero(counts)
    axes.scatter(step + 1, place, s=unit * counts[step, place], c="k", linewidths=0)
    axes.set_xlim(0.5, steps + 0.5)
    axes.set_ylim(max(n, 1) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    examples = sorted({1, round(most / 2) or 1, most})
    handles = [axes.scatter([], [], s=unit * count, c="k", linewidths=0) for count in examples]
    axes.legend(
        handles,
        [f"{count}" for count in examples],
        title="spike count",
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=len(examples),
        frameon=False,
        fontsize=7,
        title_fontsize=7,
        borderpad=0.1,
    )
    return axes


def label_neurons(axes: Axes, neurons: Integers) -> None:
    """Label the rows with the neurons' indices, or count them if they are many."""
    if len(neurons) <= LABELLED_NEURONS:
        axes.set_yticks(range(len(neurons)), list(map(str, neurons)))
        axes.tick_params(axis="y", labelsize=6)
        axes.set_ylabel("neuron")
    else:
        axes.set_ylabel(f"{len(neurons)} neurons")


def potentials_size(neurons: int) -> tuple[float, float]:
    """Return the size in inches of a figure for this number of neurons."""
    return 7.4, float(np.clip(2.6 + 0.14 * neurons, 4.6, 11.0))


def raster_and_potentials(
    figure: Figure, neurons: Integers, counts: Integers, octaves: Floats, title: str
) -> Figure:
    """Draw counts (T, C) and potentials (T, C) of chosen neurons (C,) for one image.

    Potentials are in octaves, log2 of the rate in spikes per step, of the LINES most active ones.
    """
    width, height = figure.get_size_inches()
    ratio = (max(height - 3.0, 1.6), 2.0)
    upper, lower = figure.subplots(2, 1, height_ratios=ratio)
    dots(upper, counts, (0.85 * width, 0.85 * ratio[0]))
    label_neurons(upper, neurons)
    upper.set_title(title, loc="left")
    steps = np.arange(1, len(counts) + 1)
    mark = "." if len(counts) == 1 else ""
    for column in np.argsort(-counts.sum(axis=0), kind="stable")[:LINES]:
        values: Float64 = np.asarray(octaves[:, column], np.float64)
        lower.plot(steps, values, linewidth=1.1, marker=mark, label=str(neurons[column]))
    lower.set_xlim(0.5, len(counts) + 0.5)
    lower.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    lower.set_xlabel("step")
    lower.set_ylabel("membrane potential\n(log2 of spikes per step)")
    if lower.get_legend_handles_labels()[0]:
        lower.legend(
            title="neuron",
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize=7,
            title_fontsize=7,
        )
    return figure
