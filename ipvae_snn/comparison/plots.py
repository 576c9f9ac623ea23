"""Pictures of a comparison: quality, counts, agreement, state error and attribution."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ipvae_snn.arrays import Float64
from ipvae_snn.comparison.attribution import JOINT, Attribution, Cause
from ipvae_snn.comparison.figures import SIDES, Compared, Fidelity, StateError
from ipvae_snn.metrics.estimates import Estimate
from ipvae_snn.report.document import Picture
from ipvae_snn.report.plots import heading, r2_limits, span

BLUE: Final = "tab:blue"
ORANGE: Final = "tab:orange"
GREY: Final = "0.45"
FRAME_TICKS: Final = 8  # at most so many frames are labelled
TAIL: Final = 1e-6  # the histogram ends where this share of the counts lies above


def pictures(fidelity: Fidelity, causes: Attribution | None, name: str) -> tuple[Picture, ...]:
    """Return the pictures of a comparison on images of the set called `name`."""
    title = f"Float and integer inference on {name}"
    drawn = [
        Picture(file, f"{title}: {caption}", partial(draw, fidelity=fidelity, title=title), size)
        for file, caption, draw, size in (
            ("quality", "R2 and zeros by step", quality, (7.2, 5.4)),
            ("counts", "frequency of each count", counts, (6.4, 5.0)),
            ("agreement", "counts that are equal, by step", agreement, (6.4, 5.6)),
            ("state_error", "error of the potentials", state_error, (7.2, 3.6)),
        )
    ]
    if causes is not None:
        draw = partial(attribution, result=causes, fidelity=fidelity, title=title)
        caption = f"{title}: one change at a time"
        drawn.append(Picture("attribution", caption, draw, attribution_size(causes)))
    return tuple(drawn)


def quality(figure: Figure, fidelity: Fidelity, title: str) -> Figure:
    """Draw R2 and zeros of both runs by step, and their difference, with intervals over seeds."""
    grid = figure.subplots(2, 2, sharex=True)
    for column, (name, label) in enumerate((("r2", "R2"), ("zeros", "zeros"))):
        values = [compared[name] for compared in fidelity.curve.values()]
        above, below = grid[0][column], grid[1][column]
        for side, colour, style in zip(SIDES, (BLUE, ORANGE), ("-", "--"), strict=False):
            _band(above, fidelity, values, side, colour, style)
        _band(below, fidelity, values, "delta", ORANGE, "-", 1e3)
        below.axhline(0.0, color=GREY, linewidth=0.8, linestyle=":")
        above.set_title("R2 of a step's counts" if name == "r2" else "share of counts that are 0")
        above.set_ylabel(label)
        below.set_ylabel(f"{label}: integer - float, 1e-3")
        below.set_xlabel(_steps_label(fidelity))
        if name == "r2":
            lowest = min(v.seeds[side].mean for v in values for side in SIDES[:2])
            above.set_ylim(r2_limits(lowest))
    grid[0][0].legend(frameon=False, loc="lower right")
    _step_axis(grid[1][0], fidelity, list(fidelity.curve))
    heading(figure, f"{title}; bands: 95 % over {_seeds(fidelity)}")
    return figure


def counts(figure: Figure, fidelity: Fidelity, title: str) -> Figure:
    """Draw the frequency of each count in both runs, and the difference of both."""
    shares = fidelity.distances.pooled / fidelity.distances.pooled.sum(axis=1, keepdims=True)
    above = 1.0 - np.cumsum(shares, axis=1).min(axis=0)
    last = max(int(np.argmax(above < TAIL)), 4)
    x = np.arange(last + 1)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for row, side, colour, style in zip(shares, SIDES, (BLUE, ORANGE), ("-", "--"), strict=False):
        shown = np.where(row[: last + 1] > 0, row[: last + 1], np.nan)
        top.step(x, shown, style, where="mid", color=colour, label=side, linewidth=1.6)
    top.set_yscale("log")
    top.set_ylabel("share of all counts")
    top.legend(frameon=False)
    below.bar(x, 1e4 * (shares[1] - shares[0])[: last + 1], width=0.8, color=ORANGE)
    below.axhline(0.0, color=GREY, linewidth=0.8)
    if (shares[0] == shares[1]).all():
        below.set_ylim(-1.0, 1.0)
        below.text(0.5, 0.6, "no difference", transform=below.transAxes, ha="center")
    else:
        below.set_yscale("symlog", linthresh=0.1)  # zeros are frequent, large counts rare
    below.set_ylabel("integer - float, 1e-4")
    below.set_xlabel("spike count of a neuron and step")
    below.margins(x=0.01)
    result = fidelity.distances
    top.set_title(
        f"{title}\ntotal variation {result.total_variation.mean:.1e}, Wasserstein-1 "
        f"{result.wasserstein.mean:.1e} spikes",
        fontsize=9,
    )
    return figure


def agreement(figure: Figure, fidelity: Fidelity, title: str) -> Figure:
    """Draw the share of counts that differ from the float run's, free-running and in one step."""
    steps, mark = np.arange(1, fidelity.steps + 1), _marker(fidelity.steps)
    kinds = (("free-running", fidelity.free, BLUE), ("one step", fidelity.single, ORANGE))
    top, below = figure.subplots(2, 1, sharex=True)
    for label, result, colour in kinds:
        for extent, values, style in (
            ("all counts", result.by_step, "-"),
            ("float count not 0", result.active_by_step, "--"),
        ):
            name = f"{label}, {extent}"
            if result is fidelity.free:
                top.plot(steps, values, style, color=colour, label=name, linewidth=1.6, marker=mark)
            missed = 1.0 - values
            shown = np.where(missed > 0, missed, np.nan)
            below.plot(steps, shown, style, color=colour, label=name, linewidth=1.6, marker=mark)
    lowest = min(result.active_by_step.min() for _, result, _ in kinds[:1])
    bottom = span(min(float(lowest), 0.95), 1.0, 0.0, 1.0)[0]  # so that labels differ
    top.set_ylim(bottom, 1.0 + 0.03 * (1.0 - bottom))  # a mark at 100 % is whole
    top.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    top.set_ylabel("counts equal to the float run's")
    median = fidelity.divergence.median_step
    if median is not None:
        top.axvline(median + 1, color=GREY, linestyle=":", linewidth=1.2)
        top.annotate(
            "half of the images\nhave differed",
            (median + 1, 0.06),
            (4, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color="0.35",
        )
    top.legend(frameon=False, loc="best")
    below.set_yscale("log")
    if (fidelity.free.by_step == 1.0).all() and (fidelity.single.by_step == 1.0).all():
        below.set_ylim(1e-7, 1.0)  # nothing differs, so there is no range to choose
    below.set_ylabel("share of counts that differ")
    below.set_xlabel(_steps_label(fidelity))
    below.legend(frameon=False, loc="best", ncols=2, fontsize=8)
    _step_axis(below, fidelity, steps.tolist())
    heading(figure, title)
    return figure


def state_error(figure: Figure, fidelity: Fidelity, title: str) -> Figure:
    """Draw the potentials' error by step, and its distribution over the neurons."""
    kinds = (
        ("free-running", fidelity.free_error, BLUE),
        ("one step", fidelity.single_error, ORANGE),
    )
    steps, mark = np.arange(1, fidelity.steps + 1), _marker(fidelity.steps)
    left, right = figure.subplots(1, 2)
    for label, result, colour in kinds:
        text = f"{label}: {_bits(result)}"
        left.plot(
            steps, _finite(result.by_step), color=colour, label=text, linewidth=1.6, marker=mark
        )
        known = result.by_neuron[np.isfinite(result.by_neuron)]
        right.hist(known, bins=30, color=colour, alpha=0.6, label=label)
    left.set_ylabel("rms error of the potential, bits")
    left.set_xlabel(_steps_label(fidelity))
    left.set_ylim(bottom=min(0.0, left.get_ylim()[0]))
    left.legend(frameon=False, loc="best")
    _step_axis(left, fidelity, steps.tolist())
    right.set_xlabel("rms error per neuron, bits")
    right.set_ylabel("neurons")
    right.set_ylim(top=1.2 * right.get_ylim()[1])  # space for the legend
    right.legend(frameon=False, loc="upper right")
    heading(figure, f"{title}; 0 bits: one unit of the state")
    return figure


def attribution_size(result: Attribution) -> tuple[float, float]:
    """Return the size in inches of a figure for an attribution."""
    return 8.4, 0.27 * (len(result.causes) + 1) + 1.1


def attribution(figure: Figure, result: Attribution, fidelity: Fidelity, title: str) -> Figure:
    """Draw the effect of each change alone, and of the whole integer network."""
    last = fidelity.curve[fidelity.steps]
    names = [*(cause.text for cause in result.causes), "the integer network itself"]
    panels = (
        ("R2: change, 1e-3", [c.r2 for c in result.causes], last["r2"].seeds["delta"]),
        ("zeros: change, 1e-3", [c.zeros for c in result.causes], last["zeros"].seeds["delta"]),
    )
    y = np.arange(len(names))[::-1]
    colours = [*(_colour(cause) for cause in result.causes), GREY]
    axes = figure.subplots(1, 3, sharey=True)
    for panel, (label, estimates, network) in zip(axes[:2], panels, strict=True):
        _bars(panel, y, [*estimates, network], colours)
        panel.set_xlabel(label)
    errors = [*(cause.bits for cause in result.causes), fidelity.free_error.by_step[-1]]
    axes[2].barh(y, np.nan_to_num(_finite(np.array(errors))), color=colours, height=0.7)
    axes[2].set_xlabel("state error, bits")
    for at, error in zip(y, errors, strict=True):
        if not np.isfinite(error):
            axes[2].annotate("none", (0.0, at), (3, 0), textcoords="offset points", va="center")
    axes[0].set_yticks(y, names)
    for panel in axes:
        panel.tick_params(axis="y", length=0)
    heading(figure, f"{title}: one change at a time, after {fidelity.steps} steps")
    return figure


def _bars(
    axes: Axes, y: npt.NDArray[np.intp], values: Sequence[Estimate], colours: list[str]
) -> None:
    axes.barh(y, [1e3 * value.mean for value in values], color=colours, height=0.7)
    for at, value in zip(y, values, strict=True):
        if np.isfinite([value.low, value.high]).all():
            axes.plot([1e3 * value.low, 1e3 * value.high], [at, at], color="black", linewidth=1.0)
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.locator_params(axis="x", nbins=4)


def _colour(cause: Cause) -> str:
    return ORANGE if cause.name in JOINT else BLUE


def _band(
    axes: Axes,
    fidelity: Fidelity,
    values: Sequence[Compared],
    side: str,
    colour: str,
    style: str,
    factor: float = 1.0,
) -> None:
    steps, result = list(fidelity.curve), [value.seeds[side] for value in values]
    axes.plot(
        steps,
        [factor * e.mean for e in result],
        style,
        marker="." if len(steps) == 1 else "",
        color=colour,
        label=side,
        linewidth=1.6,
    )
    if all(np.isfinite([e.low, e.high]).all() for e in result):
        low, high = [factor * e.low for e in result], [factor * e.high for e in result]
        axes.fill_between(steps, low, high, color=colour, alpha=0.25, linewidth=0)


def _steps_label(fidelity: Fidelity) -> str:
    over = fidelity.over_frames
    return "step" if over is None else f"step, {over.steps} of each frame"


def _step_axis(axes: Axes, fidelity: Fidelity, steps: Sequence[int]) -> None:
    """Label the step axis with powers of 4 and the last step, or with the ends of frames."""
    if fidelity.over_frames is not None:
        ends = fidelity.marks
        axes.set_xticks(ends[-1 :: -max(1, -(-len(ends) // FRAME_TICKS))])
        return
    last = steps[-1]
    axes.set_xscale("log", base=2)
    axes.set_xticks([*(4**i for i in range(11) if 2 * 4**i <= last), last])
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0f}")
    axes.minorticks_off()


def _marker(steps: int) -> str:
    """Return the dot marker for short runs, where a line may be a single point."""
    return "." if steps < 16 else ""


def _finite(values: Float64) -> Float64:
    return np.where(np.isfinite(values), values, np.nan)


def _bits(result: StateError) -> str:
    return f"{result.bits.mean:.1f} bits" if np.isfinite(result.bits.mean) else "none"


def _seeds(fidelity: Fidelity) -> str:
    n = len(fidelity.seeds)
    return f"{n} seeds" if n > 1 else "one seed: none"
