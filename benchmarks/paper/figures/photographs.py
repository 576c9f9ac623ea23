"""R2, zeros and the distance to the corner by photograph: what the choice of images decides."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper import published
from benchmarks.paper.figures.rows import (
    CORNER,
    Get,
    Json,
    cell,
    identity,
    of_point,
    over,
    titled,
    with_interval,
)
from benchmarks.paper.figures.styles import COLOURS, noted, ruled
from benchmarks.paper.plan import Preset
from benchmarks.report import table
from ipvae_snn.models.family import MEMBERS

TITLE: Final = "Photographs"
SIZE: Final = (9.0, 3.0)
DENSE: Final = 1e-3  # share of zeros below which the distance says what R2 says


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return a row per network: every photograph's figures, and their mean and 95 % interval."""
    rows = []
    for member in preset.figures["photographs"]:
        found = get(member, "photographs")
        point = published.point_of(member.kind, member.steps, member.beta)
        means = {name: over([each[name] for each in found["photographs"]]) for name in CORNER}
        theirs = of_point(point, CORNER)
        rows.append({**identity(member, get), **found, "over": means, "published": theirs})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a dot per photograph, the mean with its interval, and the published point."""
    for axes, (name, title) in zip(figure.subplots(1, len(CORNER)), CORNER.items(), strict=True):
        for place, row in enumerate(reversed(rows)):
            if name != "r2" and row["over"]["zeros"][0] < DENSE:
                continue
            colour = COLOURS[row["kind"]]
            values = [each[name] for each in row["photographs"]]
            axes.plot(values, [place] * len(values), "o", color=colour, ms=3.5, alpha=0.35)
            mean, low, high = row["over"][name]
            if low is not None:
                axes.plot([low, high], [place, place], "-", color=colour, lw=3)
            axes.plot(mean, place, "o", color=colour, ms=7)
            if row["published"] is not None:
                axes.plot(row["published"][name], place, "o", color="k", mfc="white", ms=7)
        axes.set_title(title, loc="left", fontweight="bold", fontsize=9)
        axes.set_yticks(range(len(rows)), [""] * len(rows))
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.margins(x=0.08)
        ruled(axes, "x")
    figure.axes[0].set_yticklabels([MEMBERS[row["kind"]].name for row in reversed(rows)])
    noted(figure, f"dots: photographs; bars: 95 % of their mean; hollow: published    {note}")


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = []
    for row in rows:
        line = [titled(row), f"{len(row['photographs'])}"]
        for name in CORNER:
            values = sorted(each[name] for each in row["photographs"])
            there = row["published"] or {}
            line += [with_interval(row["over"][name]), _range(values), cell(there.get(name))]
        cells.append([*line, f"{row['iterations']:,}"])
    head = [part for name in CORNER.values() for part in (name, "least to largest", "published")]
    return table(["", "photographs", *head, "iterations"], cells)


def _range(values: list[float]) -> str:
    return f"{cell(values[0])} to {cell(values[-1])}"
