"""Pictures of an evaluation on sequences: R2 over frames, and reconstructions."""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ipvae_snn.data.sequences import Sequences
from ipvae_snn.evaluation.moving import EvaluatedMoving, FrameFigures, MovingEvaluation, Shown
from ipvae_snn.evaluation.plots import DICTIONARY_SIZE, MAX_COLUMNS, dictionary_by_use, spread
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.report.document import Picture
from ipvae_snn.report.plots import heading, picture_of, r2_limits, show

NAMES: Final = ("frames", "sequences", "dictionary")
FRAMES_SIZE: Final = (6.4, 4.2)
ROWS: Final = ("original", "carried over", "started anew")


def pictures(
    network: FloatNetwork, sequences: Sequences, result: EvaluatedMoving
) -> tuple[Picture, ...]:
    """Return the pictures of an evaluation that kept reconstructions of its first sequences.

    Raises ValueError if it kept none (`shown` of `evaluate_moving`).
    """
    count = len(result.shown.carried)
    if count == 0:
        raise ValueError("the evaluation kept no reconstruction; evaluate with shown of 1 or more")
    name, decoder = sequences.images.name, network.dictionary
    elements, shape = decoder.elements(network.image_shape)
    use = decoder.by_element(result.rates)
    title = f"Frames of {name}, reconstructed from the spikes of one step"
    columns = min(sequences.frames, MAX_COLUMNS)
    return (
        Picture(
            "frames",
            f"R2 over the frames of {name}",
            lambda figure: r2_over_frames(figure.add_subplot(), result.evaluation),
            FRAMES_SIZE,
        ),
        Picture(
            "sequences",
            title,
            lambda figure: reconstructions(figure, sequences, result.shown, title),
            (max(0.95 * columns + 1.1, 4.0), 2.85 * count + 0.7),
        ),
        Picture(
            "dictionary",
            "Dictionary, most used first",
            lambda figure: dictionary_by_use(figure, elements, shape, use),
            DICTIONARY_SIZE,
        ),
    )


def r2_over_frames(axes: Axes, result: MovingEvaluation) -> Axes:
    """Draw R2 after each frame, carried over and started anew, with 95 % bands."""
    lowest = 1.0
    for label, figures, colour in (
        ("potentials carry over", result.carried, "tab:blue"),
        ("started anew at every frame", result.restarted, "tab:orange"),
    ):
        lowest = min(lowest, _curve(axes, figures, label, colour))
    axes.set_xlabel("frame")
    axes.set_ylabel(f"R2 after {result.steps} steps per frame")
    axes.set_ylim(r2_limits(lowest))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_title(f"R2 over the frames of {result.data}, {result.sequences} sequences")
    axes.legend(frameon=False, loc="best")
    return axes


def _curve(axes: Axes, figures: FrameFigures, label: str, colour: str) -> float:
    """Draw one sample and the MAP read-out; return the lowest mean."""
    places = np.arange(1, len(figures.frames) + 1)
    for values, style, name in (
        ([f.r2 for f in figures.frames], "-", label),
        ([f.r2_map for f in figures.frames], "--", f"{label}, MAP"),
    ):
        means = [value.mean for value in values]
        axes.plot(places, means, style, marker=".", color=colour, label=name, linewidth=1.6)
        if all(np.isfinite([value.low, value.high]).all() for value in values):
            low, high = [value.low for value in values], [value.high for value in values]
            axes.fill_between(places, low, high, color=colour, alpha=0.15, linewidth=0)
    return min(f.r2.mean for f in figures.frames)


def reconstructions(figure: Figure, sequences: Sequences, shown: Shown, title: str) -> Figure:
    """Draw frames of the first sequences, and both reconstructions below them."""
    count = len(shown.carried)
    originals = sequences.pixels[:count]
    places = spread(range(sequences.frames))
    low, high = np.percentile(originals, [0.5, 99.5])
    grid = figure.subplots(3 * count, len(places), squeeze=False)
    for index in range(count):
        for line, (name, rows) in enumerate(
            zip(ROWS, (originals, shown.carried, shown.restarted), strict=True)
        ):
            row = grid[3 * index + line]
            for axes, frame in zip(row, places, strict=True):
                picture = picture_of(rows[index, frame], sequences.images.image_shape)
                show(axes, picture, low, high)
            row[0].text(-0.1, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
    for axes, frame in zip(grid[0], places, strict=True):
        axes.set_title(f"frame {frame + 1}", fontsize=9)
    heading(figure, title)
    return figure
