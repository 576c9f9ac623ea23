"""Pictures of the front: R2 against synaptic operations and against energy proxies."""

from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.operating_points.codes import MAP, MEAN, SAMPLE
from benchmarks.operating_points.rows import COMPRESSED, DENSE_ROWS
from benchmarks.operating_points.selection import (
    NETWORK,
    Choice,
    choices,
    families,
    front,
    label,
    stopped,
)
from ipvae_snn.report.picture_files import page as sheet

Json = dict[str, Any]
STYLES: Final[Mapping[str, Literal[":", "-", "--"]]] = {SAMPLE: ":", MEAN: "-", MAP: "--"}
OTHERS: Final[Mapping[str, tuple[str, str]]] = {
    "encoder, code not negative": ("tab:red", "s"),
    "encoder, code of either sign": ("tab:orange", "D"),
    "PCA": ("0.3", "^"),
    "LCA": ("tab:purple", "v"),
}
NETWORKS: Final = ("tab:blue", "tab:green", "tab:cyan", "tab:olive", "tab:pink", "tab:brown")
CHIPS: Final = ("cpu-45nm", "loihi1-sanafe", "spinnaker2", "truenorth")
LOWEST: Final = 0.5  # R2 of the axes; worse points are below it
BOTTOM: Final = {"mnist": 0.8}


def pictures(result: Json, folder: Path) -> None:
    """Draw both pictures."""
    with sheet(folder / "operating_points.png", 9.0, 8.2) as figure:
        grid = figure.subplots(2, 2)
        for axes, data in zip(grid.flat, result["data"], strict=True):
            draw(axes, result, data, lambda each: each.operations)
            axes.set_title(data, loc="left")
            axes.set_xlabel("synaptic operations per image, by events")
        legend(figure, grid.flat[0])
    with sheet(folder / "operating_points_energy.png", 9.0, 8.2) as figure:
        grid = figure.subplots(2, 2)
        for axes, chip in zip(grid.flat, CHIPS, strict=True):
            draw(axes, result, next(iter(result["data"])), energy_of(chip))
            axes.set_title(chip, loc="left")
            axes.set_xlabel("least dynamic proxy, microjoule per image")
        legend(figure, grid.flat[0])

    if stopped(result["points"], next(iter(result["data"]))):
        with sheet(folder / "operating_points_stop.png", 9.0, 4.6) as figure:
            _stops(figure, result)


def _stops(figure: Figure, result: Json) -> None:
    """Draw R2 by rates against steps taken: a stop per image, beside equal steps for all."""
    sets = list(result["data"])[:2]
    for axes, data in zip(figure.subplots(1, len(sets)), sets, strict=True):
        for colour, (point, ends) in zip(cycle(NETWORKS), stopped(result["points"], data)):
            for rows, style in ((point["data"][data]["rows"], ":"), (ends, "o-")):
                line = [each["steps"] for each in rows], [each["r2"][MAP][0] for each in rows]
                name = label(point) if rows is ends else None
                axes.plot(*line, style, color=colour, label=name, markersize=4, linewidth=1.3)
        axes.set_title(data, loc="left")
        axes.set_xscale("log", base=2)
        axes.set_xlabel("steps, or mean steps taken until a stop")
        axes.set_ylabel(f"R2, {MAP}")
        axes.grid(alpha=0.25, linewidth=0.6)
    figure.axes[0].set_ylim(BOTTOM.get(sets[0], LOWEST), 1.0)
    handles, names = figure.axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="0.3", linestyle=":"))
    names.append("equal steps for all images")
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)


def legend(figure: Figure, axes: Axes) -> None:
    """Name the colours, and the styles of the read-outs."""
    handles, names = axes.get_legend_handles_labels()
    handles += [Line2D([], [], color="0.3", linestyle=style) for style in STYLES.values()]
    names += [f"network, {readout}" for readout in STYLES]
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)


def microjoule(row: Json, profile: str) -> float | None:
    """Return the least proxy of a row; a processor reads whichever rows are cheaper."""
    energy = row["energy_nj"]
    ways = [f"{profile}, {COMPRESSED}", f"{profile}, {DENSE_ROWS}", profile]
    low = [energy[way][0] for way in ways if way in energy and energy[way][0] is not None]
    return min(low) / 1000.0 if low else None


def energy_of(profile: str) -> Callable[[Choice], float]:
    """Return the least proxy of a choice, NaN where the profile gives none."""
    return lambda each: microjoule(each.row, profile) or float("nan")


def draw(axes: Axes, result: Json, data: str, cost: Callable[[Choice], float]) -> None:
    """Draw the networks of 8 bits by read-out, and the others at their best."""
    colours = cycle(NETWORKS)
    for name, points in families(result["points"]).items():
        if points[0]["kind"] == NETWORK:
            if points[0]["bits"] != 8:
                continue
            colour = next(colours)
            for readout, style in STYLES.items():
                found = list(choices(points, data, (readout,)))
                line = [cost(each) for each in found], [each.r2 for each in found]
                axes.plot(
                    *line,
                    style,
                    color=colour,
                    label=name if readout == MEAN else None,
                    linewidth=1.3,
                )
        else:
            colour, mark = OTHERS[name]
            found = front(choices(points, data), cost)
            line = [cost(each) for each in found], [each.r2 for each in found]
            axes.plot(*line, "-", color=colour, marker=mark, markersize=4, label=name)
    lowest = BOTTOM.get(data, LOWEST)
    seen = [cost(each) for each in choices(result["points"], data) if each.r2 >= lowest]
    axes.set_xscale("log")
    axes.set_xlim(min(seen) / 1.5, max(seen) * 1.5)
    axes.set_ylim(lowest, 1.0)
    axes.set_ylabel("R2")
    axes.grid(alpha=0.25, linewidth=0.6)
