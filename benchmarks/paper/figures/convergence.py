"""Figure 3: R2 and zeros over the steps of inference, of three iterative models."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper import published
from benchmarks.paper.figures.rows import Get, Json, cell, difference, identity, titled
from benchmarks.paper.figures.styles import COLOURS, noted, plain, stacked
from benchmarks.paper.plan import Preset
from benchmarks.report import table

TITLE: Final = "Convergence of inference (figure 3)"
SIZE: Final = (8.6, 3.7)
SHOWN: Final = (1, 16, 64, 256, 1000)


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return R2 and zeros by step; published: at the same steps."""
    curves = {curve.kind: curve for curve in published.convergence()}
    rows = []
    for member in preset.figures["convergence"]:
        curve = curves[member.kind]
        steps = []
        for moment in get(member, "evaluation")["moments"]:
            step = moment["step"]
            known = 1 <= step <= len(curve.r2)
            steps.append(
                {
                    "step": step,
                    "r2": moment["r2"]["mean"],
                    "zeros": moment["zeros"]["mean"],
                    "published_r2": curve.r2[step - 1] if known else None,
                    "published_zeros": curve.zeros[step - 1] if known else None,
                }
            )
        rows.append({**identity(member, get), "steps": steps})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw ours as lines with dots, the published curves dashed."""
    curves = {curve.kind: curve for curve in published.convergence()}
    for axes, name in zip(figure.subplots(1, 2), ("r2", "zeros"), strict=True):
        ends = []
        for row in rows:
            colour, curve = COLOURS[row["kind"]], curves[row["kind"]]
            theirs = curve.r2 if name == "r2" else curve.zeros
            axes.plot(range(1, len(theirs) + 1), theirs, "--", color=colour, lw=1.1, alpha=0.75)
            steps = [each for each in row["steps"] if each["step"]]
            line = [each["step"] for each in steps], [each[name] for each in steps]
            axes.plot(*line, "o-", color=colour, lw=1.8, markersize=3.5)
            ends.append((row["kind"], theirs[-1]))
        axes.set_xscale("log")
        axes.set_xlim(1, 1000)
        axes.set_ylim(-0.05, 1.0)
        plain(axes, "step of inference", "R2 of one sample" if name == "r2" else "zeros")
        stacked(axes, ends)
    figure.axes[0].text(1.2, 0.93, "dots: ours   dashed: published", fontsize=8, color="0.3")
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = []
    for row in rows:
        for each in row["steps"]:
            if each["step"] not in SHOWN and each is not row["steps"][-1]:
                continue
            r2, zeros = each["published_r2"], each["published_zeros"]
            cells.append(
                [
                    titled(row),
                    f"{each['step']:,}",
                    cell(each["r2"]),
                    cell(r2),
                    difference(each["r2"], r2),
                    cell(each["zeros"]),
                    cell(zeros),
                    difference(each["zeros"], zeros),
                ]
            )
    head = ["", "step", "R2", "published", "difference", "zeros", "published", "difference"]
    return table(head, cells)
