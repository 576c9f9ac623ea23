"""The iP-VAE by its number of neurons K."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper import published
from benchmarks.paper.figures.rows import Get, Json, cell, difference, final, identity
from benchmarks.paper.figures.styles import COLOURS, noted, plain
from benchmarks.paper.plan import Preset
from benchmarks.report import table

TITLE: Final = "Number of neurons"
SIZE: Final = (8.2, 3.4)
PUBLISHED_K: Final = 512


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return the last step's figures by K; one K has a published point."""
    rows = []
    for member in preset.figures["latents"]:
        point = published.point_of(member.kind, member.steps, member.beta)
        known = point is not None and member.neurons == PUBLISHED_K
        theirs = {"r2": point.r2, "zeros": point.zeros} if point is not None and known else None
        last = final(get(member, "evaluation")["final"])
        rows.append({**identity(member, get), **last, "published": theirs})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw R2 and zeros over K."""
    colour = COLOURS["poisson"]
    names = (("r2", "R2 of one sample"), ("zeros", "zeros"))
    for axes, (name, label) in zip(figure.subplots(1, 2), names, strict=True):
        neurons = [row["K"] for row in rows]
        axes.plot(neurons, [row[name][0] for row in rows], "o-", color=colour, ms=5, lw=1.6)
        axes.fill_between(
            neurons,
            [row[name][1] for row in rows],
            [row[name][2] for row in rows],
            color=colour,
            alpha=0.15,
            lw=0,
        )
        for row in rows:
            if row["published"] is not None:
                axes.plot(row["K"], row["published"][name], "o", color=colour, mfc="white", ms=8)
        axes.set_xscale("log", base=2)
        axes.set_xticks(neurons, [f"{each}" for each in neurons])
        axes.minorticks_off()
        axes.set_ylim(0, 1)
        plain(axes, "neurons K", label)
    figure.axes[0].set_title("iP-VAE; hollow: published", loc="left", fontsize=8, color="0.3")
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = []
    for row in rows:
        theirs = row["published"] or {}
        figures = []
        for name in ("r2", "zeros"):
            there = theirs.get(name)
            figures += [cell(row[name][0]), cell(there), difference(row[name][0], there)]
        more = [cell(row["r2_map"][0]), cell(row["distance"][0]), f"{row['iterations']:,}"]
        cells.append([f"K {row['K']:,}", *figures, *more])
    part = ("published", "difference")
    head = ["", "R2", *part, "zeros", *part, "R2 MAP", "distance", "iterations"]
    return table(head, cells)
