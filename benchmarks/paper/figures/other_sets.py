"""Networks of MNIST on other images: turned digits, other characters, clothing, photographs."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper.figures.rows import Get, Json, cell, identity
from benchmarks.paper.figures.styles import COLOURS, noted, plain, stacked
from benchmarks.paper.plan import Preset
from benchmarks.report import table, wrapped

TITLE: Final = "Other images than those of training"
SIZE: Final = (8.4, 4.4)
LEAST: Final = 1e-3  # of the variance, that a picture can show
TICKS: Final = (0.95, 0.9, 0.8, 0.5, 0.0, -1.0, -4.0, -9.0)  # R2


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return R2 of a sample by set, the network's own first."""
    rows = []
    for member in preset.figures["other_sets"]:
        result = get(member, "evaluation")
        general = result["generalisation"]
        own = {"category": "own", "final": result["final"]}
        sets = [
            {
                "set": name,
                "category": one["category"],
                "r2": one["final"]["r2"]["mean"],
                "r2_median": one["final"]["r2_median"],
                "zeros": one["final"]["zeros"]["mean"],
            }
            for name, one in ({result["data"]: own} | general["sets"]).items()
        ]
        rows.append({**identity(member, get), "sets": sets, "left_out": general["left_out"]})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw the median image's R2 by set, on a scale of what is not explained, 1 - R2."""
    axes = figure.subplots()
    names = [each["set"] for each in rows[0]["sets"]]
    ends = []
    for row in rows:
        values = [max(1.0 - each["r2_median"], LEAST) for each in row["sets"]]
        axes.plot(range(len(names)), values, "o-", color=COLOURS[row["kind"]], ms=6, lw=0.9)
        ends.append((row["kind"], values[-1]))
    axes.set_yscale("log")
    axes.set_yticks([1.0 - r2 for r2 in TICKS], [f"{r2:g}" for r2 in TICKS])
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.set_xlim(-0.3, len(names) - 0.8)
    labels = [f"{each['set']}\n({each['category']})" for each in rows[0]["sets"]]
    axes.set_xticks(range(len(names)), labels, fontsize=7.5)
    plain(axes, "", "R2 of one sample, median over images")
    axes.axhline(1.0, color="0.5", lw=0.8)  # no better than the image's mean
    stacked(axes, ends)
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table, and why sets are missing."""
    names = [each["set"] for each in rows[0]["sets"]]
    cells = [
        [row["model"], *(_cell(each) for each in row["sets"]), f"{row['iterations']:,}"]
        for row in rows
    ]
    text = table(["", *names, "iterations"], cells)
    missing = "; ".join(f"{name} is left out" for name in rows[0]["left_out"])
    return f"{text}\n\n{wrapped(missing)}" if missing else text


def _cell(one: Json) -> str:
    """Return the median, and the mean in brackets, which a single run-away decides."""
    return f"{cell(one['r2_median'])} ({cell(one['r2'])})"
