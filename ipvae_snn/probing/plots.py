"""Pictures of features and of responses to gratings."""

from collections.abc import Sequence
from typing import Annotated, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ipvae_snn.arrays import Float64
from ipvae_snn.image_shape import ImageShape
from ipvae_snn.metrics.estimates import estimate
from ipvae_snn.probing.features import Features
from ipvae_snn.probing.latency import ContrastResponse
from ipvae_snn.probing.masking import Masking
from ipvae_snn.probing.orientation import OrientationTuning
from ipvae_snn.report.plots import heading, show, tiles

BLUE: Final = "tab:blue"
ORANGE: Final = "tab:orange"
FAINT: Final = "0.8"  # lines of single neurons
MAP: Final = "viridis"  # its ends differ for the colour-blind, and in print
FEATURES_SIZE: Final = (8.6, 7.4)
ROW_SIZE: Final = (10.4, 3.7)
MASKING_SIZE: Final = (9.2, 3.9)
TILES: Final = 64  # features that are drawn
CYCLES: Final = 1.5  # of the axes of envelope against wave


def features(figure: Figure, found: Features, shape: ImageShape, title: str) -> Figure:
    """Draw the best fitted features, and orientation, frequency and shape of all that are tuned.

    Where none is tuned, the best of all, and how well Gabor functions describe them.
    """
    tuned = found.chosen(np.flatnonzero(found.gabors.tuned))
    if not len(tuned):
        return _without_tuned(figure, found, shape, title)
    gabors = tuned.gabors
    best, tune = figure.add_subplot(2, 2, 1), figure.add_subplot(2, 2, 2, projection="polar")
    wave, envelope = figure.add_subplot(2, 2, 3), figure.add_subplot(2, 2, 4)
    _best(best, tuned, shape)
    edges = np.linspace(0.0, np.pi, 13)
    number, _ = np.histogram(np.radians(gabors.orientation), edges)
    tune.bar(edges[:-1], number, np.diff(edges), align="edge", color=BLUE, edgecolor="w")
    _half_circle(tune, int(number.max(initial=1)))
    tune.set_title(f"Orientation of {len(gabors)} features (stripes, degrees)", pad=-30)
    wave.hist(gabors.frequency, list(np.linspace(0.0, 0.5, 26)), color=BLUE, edgecolor="w")
    wave.set_xlabel("spatial frequency (cycles per pixel)")
    wave.set_ylabel("features")
    dots = envelope.scatter(
        np.minimum(gabors.across * gabors.frequency, CYCLES),
        np.minimum(gabors.along * gabors.frequency, CYCLES),
        c=tuned.asymmetry,
        cmap=MAP,
        vmin=0,
        vmax=90,
        s=12,
        clip_on=False,
    )
    envelope.set_xlabel(f"width across the stripes (cycles; {CYCLES:g} or more)")
    envelope.set_ylabel(f"length along the stripes (cycles; {CYCLES:g} or more)")
    envelope.set_xlim(0, CYCLES)
    envelope.set_ylim(0, CYCLES)
    envelope.set_aspect("equal")
    figure.colorbar(dots, ax=envelope, label="phase: 0 even, 90 odd (degrees)", shrink=0.8)
    heading(figure, title)
    return figure


def _without_tuned(figure: Figure, found: Features, shape: ImageShape, title: str) -> Figure:
    best, described = figure.subplots(2, 1, height_ratios=(3, 1))
    _best(best, found, shape)
    _histogram(described, np.maximum(found.gabors.r2, 0.0), np.linspace(0, 1, 21))
    described.set_xlabel("R2 of a Gabor function")
    described.set_ylabel("features")
    described.set_title("None of them prefers gratings to plain light")
    heading(figure, title)
    return figure


def _best(axes: Axes, tuned: Features, shape: ImageShape) -> None:
    """Draw the features that Gabor functions describe best, by orientation."""
    best = np.argsort(-tuned.gabors.r2)[:TILES]
    order = best[np.argsort(tuned.gabors.orientation[best])]
    columns = max(1, int(np.ceil(np.sqrt(len(order)))))
    fields = tuned.fields[order].reshape(len(order), -1)
    show(axes, tiles(fields, (shape[0], shape[1]), columns), -1, 1)
    axes.set_title(f"The {len(order)} best described, by orientation")


def _half_circle(axes: Axes, most: int) -> None:
    """Show the upper half of a polar plot, with a few whole numbers of features."""
    axes.set_xlim(0.0, np.pi)
    axes.set_xticks(np.radians(range(0, 181, 45)), [f"{angle}°" for angle in range(0, 181, 45)])
    axes.set_yticks(sorted({max(1, most // 2), most}))


def orientation(figure: Figure, found: OrientationTuning, title: str) -> Figure:
    """Draw the tuning curves, the widths, and how phase modulates responses."""
    curve, width, phase = figure.subplots(1, 3)
    rows = found.curves / np.maximum(found.curves.max(axis=1, keepdims=True), 1e-9)
    offsets = np.append(found.offsets, -found.offsets[0])
    rows = np.concatenate([rows, rows[:, :1]], axis=1)  # 90 degrees are -90 degrees
    curve.plot(offsets, rows.T, color=FAINT, linewidth=0.8)
    _mean(curve, offsets, rows, BLUE, "mean and 95 %")
    curve.set_xticks(range(-90, 91, 45))
    curve.set_ylim(0, 1.05)
    curve.set_xlabel("orientation, from the Gabor function's (degrees)")
    curve.set_ylabel("response, of each neuron's largest")
    curve.legend(frameon=False, loc="upper right")
    _histogram(width, found.half_width, np.linspace(0, 60, 13))
    width.set_xlabel("half width at half height (degrees)")
    _histogram(phase, found.modulation, np.linspace(0, 2, 11))
    phase.axvline(1.0, color="0.35", linestyle=":")
    phase.set_xlabel("modulation by phase, F1 / F0\n(above 1: simple cell)")
    heading(figure, title)
    return figure


def contrast(figure: Figure, found: ContrastResponse, title: str) -> Figure:
    """Draw responses over time, latency and sustained response against contrast."""
    course, late, strong = figure.subplots(1, 3)
    shades = colormaps[MAP](np.linspace(0.0, 0.9, len(found.contrasts)))
    for index in range(len(found.contrasts))[::-2]:
        steps = np.arange(1, found.course.shape[2] + 1)
        label = f"{found.contrasts[index]:.3g}"
        mean = found.course[:, index].mean(axis=0)
        course.plot(steps, mean, color=shades[index], label=label, linewidth=1.6)
    course.set_xlabel("step from the onset")
    course.set_ylabel(f"{found.unit}, mean of neurons")
    course.set_xlim(left=0)
    course.set_ylim(bottom=0)
    # The curves grow with contrast, so between the two upper ones there is space.
    course.legend(
        title="contrast",
        frameon=False,
        fontsize=8,
        ncols=2,
        loc="center right",
        bbox_to_anchor=(1.0, 0.64),
    )
    late.plot(found.contrasts, found.latency.T, color=FAINT, linewidth=0.8)
    _mean(late, found.contrasts, found.latency, BLUE, "mean and 95 %")
    late.set_ylabel("steps to half of the peak response")
    late.set_ylim(bottom=0)
    late.legend(frameon=False, loc="upper right")
    strong.plot(found.contrasts, found.sustained.T, color=FAINT, linewidth=0.8)
    _mean(strong, found.contrasts, found.sustained, BLUE, "mean and 95 %")
    strong.set_ylabel(f"sustained response ({found.unit})")
    strong.set_ylim(bottom=0)
    for axes in (late, strong):
        _contrasts(axes, found.contrasts[::2])
        axes.set_xlabel("contrast of the grating")
    heading(figure, title)
    return figure


def masking(figure: Figure, found: Masking, title: str) -> Figure:
    """Draw responses by contrast under masks, and suppression by the mask's contrast."""
    driven, lost = figure.subplots(1, 2)
    shades = colormaps[MAP](np.linspace(0.0, 0.9, len(found.contrasts)))
    largest = np.maximum(found.responses[:, -1, :1], 1e-9)
    for index, mask in enumerate(found.contrasts):
        rows = found.responses[:, :, index] / largest
        label = f"{mask:.3g}" if mask else "none"
        driven.errorbar(
            found.contrasts,
            *_interval(rows),
            color=shades[index],
            marker="o",
            markersize=3,
            label=label,
        )
    driven.set_xlabel("contrast of the preferred grating")
    driven.set_ylabel("response, of that to the strongest grating alone")
    driven.set_ylim(bottom=0)
    driven.legend(title="contrast of the mask", frameon=False, fontsize=8)
    beside = 0.004  # so that intervals do not hide each other
    for index in range(len(found.contrasts) - 1, 1, -1):
        rows = 100.0 * found.suppression[:, index]
        label = f"{found.contrasts[index]:.3g}"
        lost.errorbar(
            found.contrasts + beside * (index - 3),
            *_interval(rows),
            color=shades[index],
            marker="o",
            markersize=3,
            label=label,
        )
    lost.axhline(0.0, color="0.35", linestyle=":")
    lost.set_xlabel("contrast of the orthogonal mask")
    lost.set_ylabel("suppression (% of the response)")
    lost.legend(
        title="contrast of\nthe grating",
        frameon=False,
        fontsize=8,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )
    heading(figure, title)
    return figure


def _contrasts(axes: Axes, shown: Sequence[float] | Float64) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(shown, [f"{value:.3g}" for value in shown])
    axes.minorticks_off()


def _histogram(axes: Axes, values: Float64, edges: Float64) -> None:
    """Draw a histogram of the values that are defined; those beyond an end count at that end."""
    known = values[~np.isnan(values)]
    axes.hist(np.clip(known, edges[0], edges[-1]), list(edges), color=BLUE, edgecolor="w")
    axes.set_ylabel(f"neurons ({known.size} of {values.size})")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def _interval(rows: Annotated[Float64, "n C"]) -> tuple[Float64, Float64]:
    """Return the mean of each column and the half width of its 95 % interval."""
    estimates = [estimate(column) for column in rows.T]
    half = np.array([value.high - value.mean for value in estimates])
    return np.array([value.mean for value in estimates]), np.where(np.isfinite(half), half, 0.0)


def _mean(
    axes: Axes, places: Float64, rows: Annotated[Float64, "n C"], colour: str, label: str
) -> None:
    """Draw the mean of each column with its 95 % band."""
    mean, half = _interval(rows)
    axes.plot(places, mean, color=colour, linewidth=2.2, label=label)
    axes.fill_between(places, mean - half, mean + half, color=colour, alpha=0.25, linewidth=0)
