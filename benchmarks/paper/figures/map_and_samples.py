"""MAP read-out against one sample: what the noise of a code costs."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper import published
from benchmarks.paper.figures.landscape import collect as landscape
from benchmarks.paper.figures.rows import Get, Json, cell, difference, kinds_of, titled
from benchmarks.paper.figures.styles import COLOURS, noted, plain, stacked
from benchmarks.paper.plan import Preset
from benchmarks.report import table
from ipvae_snn.models.family import MEMBERS

TITLE: Final = "MAP read-out against samples"
SIZE: Final = (6.4, 4.6)


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return the landscape's networks that have noise."""
    return [row for row in landscape(preset, get) if MEMBERS[row["kind"]].random]


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw the gain of the MAP read-out over R2 of a sample."""
    axes = figure.subplots()
    for kind in (kind for kind in COLOURS if kind in kinds_of(rows)):
        theirs = [p for p in published.landscape() if p.kind == kind]
        gains = [(p.r2, p.r2_map - p.r2) for p in theirs if p.r2_map is not None]
        axes.plot(
            [r2 for r2, _ in gains],
            [gain for _, gain in gains],
            "o",
            color=COLOURS[kind],
            mfc="none",
            ms=4,
        )
        ours = [row for row in rows if row["kind"] == kind]
        line = [row["r2"][0] for row in ours], [row["r2_map"][0] - row["r2"][0] for row in ours]
        axes.plot(*line, "o", color=COLOURS[kind], ms=6)
    axes.axhline(0, color="0.6", lw=0.8)
    axes.set_xlim(-0.05, 1.0)
    plain(axes, "R2 of one sample", "R2 MAP less R2 of a sample")
    top = axes.get_ylim()[1]
    order = [kind for kind in COLOURS if kind in kinds_of(rows)]
    stacked(axes, [(kind, top * (0.95 - 0.1 * i)) for i, kind in enumerate(order)])
    axes.set_title("filled: ours, hollow: published", loc="left", fontsize=8, color="0.3")
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = []
    for row in rows:
        theirs = row["published"] or {}
        ours = row["r2_map"][0] - row["r2"][0]
        known = theirs.get("r2_map") is not None
        gain = theirs["r2_map"] - theirs["r2"] if known else None
        figures = [cell(row["r2"][0]), cell(row["r2_map"][0]), cell(ours), cell(gain)]
        cells.append([titled(row), *figures, difference(ours, gain), f"{row['iterations']:,}"])
    head = ["", "R2 of a sample", "R2 MAP", "gain", "published gain", "difference", "iterations"]
    return table(head, cells)
