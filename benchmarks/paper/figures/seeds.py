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
    of_point,
    over,
    with_interval,
)
from benchmarks.paper.figures.styles import COLOURS, noted, ruled
from benchmarks.paper.plan import Preset
from benchmarks.report import table

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
    theirs = of_point(point, CORNER)
    means = {name: over([row[name] for row in rows]) for name in CORNER}
    most = max(row["iterations"] for row in rows)
    return [*rows, {"seeds": len(rows), "iterations": most, **means, "published": theirs}]


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a panel per figure: seeds, their interval, and the published point."""
    *seeds, means = rows
    colour = COLOURS[seeds[0]["kind"]]
    for axes, (name, title) in zip(figure.subplots(1, len(CORNER)), CORNER.items(), strict=True):
        mean, low, high = means[name]
        if low is not None:
            axes.plot([low, high], [0, 0], "-", color=colour, lw=2)
        axes.plot([row[name] for row in seeds], [0] * len(seeds), "o", color=colour, ms=4)
        axes.text(mean, 0.25, f"{mean:.3f}", ha="center", color=colour, fontsize=8)
        if means["published"] is not None:
            there = means["published"][name]
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
    *seeds, means = rows
    cells = [[f"seed {row['seed']}", *(cell(row[name], 4) for name in CORNER)] for row in seeds]
    cells.append(["mean", *(with_interval(means[name], 4) for name in CORNER)])
    if means["published"] is not None:
        theirs = means["published"]
        cells.append(["published (one seed)", *(cell(theirs[name], 4) for name in CORNER)])
        off = [difference(means[name][0], theirs[name], 4) for name in CORNER]
        cells.append(["difference", *off])
    return table(["", *CORNER.values()], cells)
