"""R2 against the time of inference, beside one pass of an encoder."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper.figures.rows import Get, Json, cell, identity, titled
from benchmarks.paper.figures.styles import COLOURS, beside, noted, plain
from benchmarks.paper.plan import Preset
from benchmarks.report import table

TITLE: Final = "Time of inference"
SIZE: Final = (6.4, 4.2)

LOWEST: Final = -0.5  # R2 of the axes


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return milliseconds per image and R2 by the number of steps."""
    rows = []
    for member in preset.figures["wall_clock"]:
        rows.append({**identity(member, get), **get(member, "seconds")})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a curve per model over its steps; dots are 4, 8, 16 .. steps, or one pass."""
    axes = figure.subplots()
    for row in rows:
        points = row["rows"]
        line = [each["milliseconds"] for each in points], [each["r2"] for each in points]
        axes.plot(*line, "o-", color=COLOURS[row["kind"]], ms=5, lw=1.6)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.8, high * 3)
    lowest = min(each["r2"] for row in rows for each in row["rows"])
    axes.set_ylim(max(LOWEST, min(0.0, lowest) - 0.05), 1.0)
    for row in rows:
        last = row["rows"][-1]
        place = last["milliseconds"], max(last["r2"], LOWEST)
        if len(row["rows"]) == 1:  # at the left of the curves
            beside(axes, row["kind"], place, (-7, 0), "right")
        else:
            beside(axes, row["kind"], place, (7, 3))
    plain(axes, "milliseconds per image, one thread", "R2 of one sample")
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = [
        [
            titled(row),
            f"{each['steps']:,}",
            cell(each["milliseconds"], 4),
            cell(each["r2"]),
            cell(each["r2_map"]),
            f"{row['iterations']:,}",
        ]
        for row in rows
        for each in row["rows"]
    ]
    return table(["", "steps", "ms per image", "R2", "R2 MAP", "iterations"], cells)
