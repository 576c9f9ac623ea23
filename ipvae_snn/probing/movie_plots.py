"""Pictures of spike-triggered averages, a moving bar, sparsification, and runs without input."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure, SubFigure

from ipvae_snn.image_shape import ImageShape
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.probing.bar import LEAST, TURNS, MovingBar, frame_light
from ipvae_snn.probing.noise import STEPS, SpikeTriggered
from ipvae_snn.probing.plots import BLUE, FAINT, ORANGE
from ipvae_snn.probing.prior import Prior
from ipvae_snn.probing.sparsification import Sparsification
from ipvae_snn.report.plots import heading, picture_of, r2_limits, show

SHOWN: Final = 8  # neurons of a picture of averages
NOISE_SIZE: Final = (9.0, 5.6)
BAR_SIZE: Final = (9.6, 6.4)
ROWS: Final = 5  # steps of images without input
PRIOR_SIZE: Final = (8.0, 5.2)
SPARSE_SIZE: Final = (9.6, 3.5)
RASTERS: Final = (0, 4, 2)  # of TURNS: there, back, and across
FRAMES: Final = 5  # of the bar that are shown above the raster


def noise(figure: Figure, found: SpikeTriggered, title: str) -> Figure:
    """Draw features, their spike-triggered averages, and how the average comes and goes."""
    order = np.argsort(-np.nan_to_num(found.correlation, nan=-1.0))
    picks = np.unique(np.rint(np.linspace(0, len(order) - 1, min(SHOWN, len(order)))).astype(int))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 2))[:, 0]
    grid = above.subplots(2, len(picks), squeeze=False)
    for column, neuron in enumerate(order[picks]):
        pictures = (found.features.fields[neuron], found.averages[neuron, 0])
        for axes, picture in zip(grid[:, column], pictures, strict=True):
            most = float(np.abs(picture).max()) or 1.0
            show(axes, picture, -most, most)
        grid[0, column].set_title(f"neuron {found.features.neurons[neuron]}", fontsize=8)
        grid[1, column].set_title(f"r = {found.correlation[neuron]:.2f}", fontsize=8)
    for axes, label in zip(grid[:, 0], ("feature", "average at\nresponses"), strict=True):
        axes.text(-0.1, 0.5, label, transform=axes.transAxes, ha="right", va="center")
    axes = below.subplots()
    spiked = found.course[found.spikes > 0]
    steps = np.arange(found.course.shape[1])
    axes.plot(steps, spiked.T, color=FAINT, linewidth=0.8)
    if len(spiked):
        axes.plot(steps, spiked.mean(axis=0), color=BLUE, linewidth=2.2, label="mean of neurons")
    axes.axvline(STEPS, color="0.35", linestyle=":")
    axes.set_xlabel(f"steps since an image of noise appeared (it is replaced after {STEPS})")
    axes.set_ylabel("feature's answer to the\nmean image at responses")
    axes.legend(frameon=False)
    heading(figure, title)
    return figure


def bar(figure: Figure, found: MovingBar, shape: ImageShape, title: str) -> Figure:
    """Draw the bar over the neuron that it excites most, its spikes, and all responses."""
    neuron = _example(found, shape)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(5, 3))[0]
    _rasters(left, found, shape, neuron)
    _directions(right.add_subplot(2, 1, 1, projection="polar"), found)
    axes = right.add_subplot(2, 1, 2)
    for turn, colour in ((0, BLUE), (4, ORANGE)):
        sign = 1.0 if turn == 0 else -1.0
        response = found.responses[neuron, turn]
        axes.plot(
            sign * found.offsets, response, color=colour, label=f"{TURNS[turn]:.0f}°", linewidth=1.6
        )
    axes.axvline(0.0, color="0.35", linestyle=":")
    axes.set_xlabel("bar's place from the feature's centre (pixels)")
    axes.set_ylabel(found.unit)
    axes.set_ylim(bottom=0)
    axes.legend(title="direction", frameon=False)
    axes.set_title(f"neuron {found.features.neurons[neuron]}", fontsize=9)
    heading(figure, title)
    return figure


def _example(found: MovingBar, shape: ImageShape) -> int:
    """Return the neuron to show: of those that answer both ways, the one nearest to the middle."""
    both = ~np.isnan(found.delay)
    if not both.any():
        return int(found.responses.max(axis=(1, 2)).argmax())
    gabors = found.features.gabors
    away = np.hypot(gabors.x - (shape[1] - 1) / 2.0, gabors.y - (shape[0] - 1) / 2.0)
    return int(np.where(both, away, np.inf).argmin())


def _directions(axes: Axes, found: MovingBar) -> None:
    """Draw every neuron's mean response above the blank by direction, and their mean."""
    totals = np.maximum(found.responses.mean(axis=2) - found.blank[:, None], 0.0)
    known = totals[totals.max(axis=1) >= LEAST]
    turns = np.radians(np.append(TURNS, 360.0))
    if len(known):
        rows = known / known.max(axis=1, keepdims=True)
        rows = np.concatenate([rows, rows[:, :1]], axis=1)
        axes.plot(turns, rows.T, color=FAINT, linewidth=0.8)
        axes.plot(turns, rows.mean(axis=0), color=BLUE, linewidth=2.2)
    axes.set_xticks(np.radians(range(0, 360, 90)), [f"{turn}°" for turn in range(0, 360, 90)])
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([0.5, 1.0], ["", ""])
    axes.set_title(
        f"direction of motion: response of\n{len(known)} neurons, of each one's largest", fontsize=9
    )


def _rasters(figure: SubFigure, found: MovingBar, shape: ImageShape, neuron: int) -> None:
    """Draw the bar over the feature, and responses by trial and step, in a few directions."""
    rows = figure.subplots(2 * len(RASTERS), 1, sharex=True, height_ratios=(2, 3) * len(RASTERS))
    # Square-root scale: most responses are small, and a few are large.
    scale = PowerNorm(0.5, vmin=0, vmax=max(float(found.course[neuron].max()), 1.0))
    own = found.features.fields[neuron] / (float(np.abs(found.features.fields[neuron]).max()) or 1)
    trials, last = found.course.shape[2:]
    for place, turn in enumerate(RASTERS):
        strip, spikes = rows[2 * place : 2 * place + 2]
        frames = frame_light(found, shape, neuron, turn).reshape(-1, *shape[:2])
        strip.set_axis_off()
        for index in np.rint(np.linspace(0, len(frames) - 1, FRAMES + 2)).astype(int)[1:-1]:
            middle = (index + 0.5) * found.steps / last
            inset = strip.inset_axes((middle - 0.1, 0.0, 0.2, 1.0))
            show(inset, own + 0.6 * frames[index], -1, 1)
        picture = spikes.imshow(
            found.course[neuron, turn],
            cmap="Greys",
            norm=scale,
            aspect="auto",
            interpolation="nearest",
            extent=(0.5, last + 0.5, trials + 0.5, 0.5),
        )
        spikes.set_yticks([1, trials])
        spikes.set_ylabel(f"{TURNS[turn]:.0f}°\ntrial")
    rows[-1].set_xlabel("step")
    figure.colorbar(picture, ax=list(rows), label=found.unit, shrink=0.5, pad=0.01)


def sparsification(figure: Figure, found: Sparsification, title: str) -> Figure:
    """Draw the share of active neurons, sparseness and R2 over a logarithmic axis of steps."""
    active, sparse, quality = figure.subplots(1, 3)
    _curve(active, found, found.active, "share of active neurons")
    active.set_ylim(0, 1)
    _curve(sparse, found, found.sparseness, "population sparseness")
    sparse.set_ylim(0, 1)
    _curve(quality, found, found.r2, "R2 of one step's latents")
    quality.set_ylim(r2_limits(min(value.mean for value in found.r2)))
    heading(figure, title)
    return figure


def prior(figure: Figure, found: Prior, title: str) -> Figure:
    """Draw images without input: a row per step, a column per run, all on one scale."""
    rows = spread(range(len(found.steps)), ROWS)
    low, high = np.percentile(found.images[rows], [0.5, 99.5])
    grid = figure.subplots(len(rows), found.images.shape[1], squeeze=False)
    for line, row in zip(grid, rows, strict=True):
        for axes, image in zip(line, found.images[row], strict=True):
            show(axes, picture_of(image, found.image_shape), low, high)
        name = "prior\n(step 1)" if found.steps[row] == 1 else f"step {found.steps[row]}"
        line[0].text(-0.1, 0.5, name, transform=line[0].transAxes, ha="right", va="center")
    heading(figure, title)
    return figure


def spread(places: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of the places, evenly spaced, with the first and the last."""
    picks = np.unique(np.rint(np.linspace(0, len(places) - 1, min(most, len(places)))).astype(int))
    return [places[index] for index in picks]


def _curve(axes: Axes, found: Sparsification, values: Sequence[Estimate], label: str) -> None:
    axes.plot(found.steps, [v.mean for v in values], color=BLUE, marker=".", linewidth=1.6)
    low, high = [v.low for v in values], [v.high for v in values]
    if np.isfinite([low, high]).all():
        axes.fill_between(found.steps, low, high, color=BLUE, alpha=0.25, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(found.steps[::3], [f"{step}" for step in found.steps[::3]])
    axes.minorticks_off()
    axes.set_xlabel("step")
    axes.set_ylabel(label)
