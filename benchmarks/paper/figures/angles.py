"""R2 of turned digits by the angle."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper.figures.rows import Get, Json, cell, identity
from benchmarks.paper.figures.styles import COLOURS, noted, plain, stacked
from benchmarks.paper.plan import Preset
from benchmarks.report import table

TITLE: Final = "Turned digits"
SIZE: Final = (6.8, 4.2)
SHOWN: Final = (0, 45, 90, 135, 180)


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return R2 of a sample by angle, its mean and its median over images."""
    rows = []
    for member in preset.figures["angles"]:
        turned = get(member, "evaluation")["generalisation"]["by_angle"]
        angles = [
            {"angle": each["angle"], "r2": each["r2"]["mean"], "r2_median": each["r2_median"]}
            for each in turned
        ]
        rows.append({**identity(member, get), "angles": angles})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a curve per model."""
    axes = figure.subplots()
    ends, lowest = [], 1.0
    for row in rows:
        line = (
            [each["angle"] for each in row["angles"]],
            [each["r2_median"] for each in row["angles"]],
        )
        axes.plot(*line, "o-", color=COLOURS[row["kind"]], ms=3.5, lw=1.6)
        ends.append((row["kind"], line[1][-1]))
        lowest = min(lowest, *line[1])
    axes.set_xlim(0, 180)
    axes.set_ylim(max(-0.2, lowest - 0.05), 1.0)
    axes.set_xticks(range(0, 181, 45))
    plain(axes, "angle, degrees", "R2 of one sample, median over images")
    stacked(axes, ends)
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = []
    for row in rows:
        known = {each["angle"]: each["r2_median"] for each in row["angles"]}
        lost = None if known.get(0) is None else min(known.values()) - known[0]
        shown = [cell(known.get(angle)) for angle in SHOWN]
        cells.append([row["model"], *shown, cell(lost), f"{row['iterations']:,}"])
    head = ["", *(f"{angle} degrees" for angle in SHOWN), "worst less upright", "iterations"]
    return table(head, cells)
