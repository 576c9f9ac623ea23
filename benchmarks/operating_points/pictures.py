"""Pictures of the front: R2 against synaptic operations and against energy proxies."""

from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes

from benchmarks.operating_points.networks import MAP, MEAN, SAMPLE
from benchmarks.operating_points.rows import COMPRESSED, DENSE_ROWS
from benchmarks.operating_points.selection import NETWORK, Choice, choices, families, front
from ipvae_snn.report.picture_files import page as sheet

Json = dict[str, Any]
STYLES: Final[Mapping[str, str]] = {SAMPLE: ":", MEAN: "-", MAP: "--"}
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
            _draw(axes, result, data, lambda each: each.operations)
            axes.set_title(data, loc="left")
            axes.set_xlabel("synaptic operations per image, by events")
        handles, names = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    with sheet(folder / "operating_points_energy.png", 9.0, 8.2) as figure:
        grid = figure.subplots(2, 2)
        for axes, chip in zip(grid.flat, CHIPS, strict=True):
            _draw(axes, result, next(iter(result["data"])), _energy(chip))
            axes.set_title(chip, loc="left")
            axes.set_xlabel("least dynamic proxy, microjoule per image")
        handles, names = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)


def microjoule(row: Json, profile: str) -> float | None:
    """Return the least proxy of a row; a processor reads whichever rows are cheaper."""
    energy = row["energy_nj"]
    ways = [f"{profile}, {COMPRESSED}", f"{profile}, {DENSE_ROWS}", profile]
    low = [energy[way][0] for way in ways if way in energy and energy[way][0] is not None]
    return min(low) / 1000.0 if low else None


def _energy(profile: str) -> Callable[[Choice], float]:
    return lambda each: microjoule(each.row, profile) or float("nan")


def _draw(axes: Axes, result: Json, data: str, cost: Callable[[Choice], float]) -> None:
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
                axes.plot(*line, style, color=colour, label=f"{name}: {readout}", linewidth=1.3)
        else:
            colour, mark = OTHERS[name]
            found = front(choices(points, data))
            line = [cost(each) for each in found], [each.r2 for each in found]
            axes.plot(*line, "-", color=colour, marker=mark, markersize=4, label=name)
    axes.set_xscale("log")
    axes.set_ylim(BOTTOM.get(data, LOWEST), 1.0)
    axes.set_ylabel("R2")
    axes.grid(alpha=0.25, linewidth=0.6)
