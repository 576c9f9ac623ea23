"""The iP-VAE of the paper's figure 3 over seeds: R2, zeros and the distance to the ideal corner."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper import published
from benchmarks.paper.figures.rows import (
    CORNER,
    Get,
    Json,
    cell,
    difference,
    final,
    identity,
    with_interval,
)
from benchmarks.paper.figures.styles import COLOURS, noted, ruled
from benchmarks.paper.plan import Preset
from benchmarks.report import table
from ipvae_snn.metrics.seeds import over_seeds
from ipvae_snn.report.json_files import finite

TITLE: Final = "Seeds"
SIZE: Final = (7.0, 2.4)


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return a row per seed, then one of their mean and 95 % interval (Student's t)."""
    members = preset.figures["seeds"]
    rows = []
    for member in members:
        last = final(get(member, "evaluation")["final"])
        rows.append({**identity(member, get), **{name: last[name][0] for name in CORNER}})
    point = published.point_of(members[0].kind, members[0].steps, members[0].beta)
    theirs = None if point is None else {name: getattr(point, name) for name in CORNER}
    over = {name: _over([row[name] for row in rows]) for name in CORNER}
    most = max(row["iterations"] for row in rows)
    return [*rows, {"seeds": len(rows), "iterations": most, **over, "published": theirs}]


def _over(values: list[float]) -> list[float | None]:
    result = over_seeds(values)
    mean: list[float | None] = finite([result.mean, result.low, result.high])
    return mean


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a panel per figure: seeds, their interval, and the published point."""
    *seeds, over = rows
    colour = COLOURS[seeds[0]["kind"]]
    for axes, (name, title) in zip(figure.subplots(1, len(CORNER)), CORNER.items(), strict=True):
        mean, low, high = over[name]
        if low is not None:
            axes.plot([low, high], [0, 0], "-", color=colour, lw=2)
        axes.plot([row[name] for row in seeds], [0] * len(seeds), "o", color=colour, ms=4)
        axes.text(mean, 0.25, f"{mean:.3f}", ha="center", color=colour, fontsize=8)
        if over["published"] is not None:
            there = over["published"][name]
            axes.plot(there, 0, "o", color=colour, mfc="white", ms=7)
            axes.text(there, -0.4, f"{there:.3f}", ha="center", color="0.3", fontsize=8)
        axes.set_title(title, loc="left", fontweight="bold", fontsize=9)
        axes.set_ylim(-0.8, 0.8)
        axes.margins(x=0.25)
        axes.set_yticks([])
        ruled(axes, "x")
    noted(figure, f"filled: ours, hollow: published    {note}")


def section(rows: list[Json]) -> str:
    """Return the table: each seed, their mean, and the published point."""
    *seeds, over = rows
    cells = [[f"seed {row['seed']}", *(cell(row[name], 4) for name in CORNER)] for row in seeds]
    cells.append(["mean", *(with_interval(over[name], 4) for name in CORNER)])
    if over["published"] is not None:
        theirs = over["published"]
        cells.append(["published (one seed)", *(cell(theirs[name], 4) for name in CORNER)])
        off = [difference(over[name][0], theirs[name], 4) for name in CORNER]
        cells.append(["difference", *off])
    return table(["", *CORNER.values()], cells)
