"""Operations of each model in its integer form, run where it has one, else counted."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper.figures.rows import Get, Json, cell, identity, titled
from benchmarks.paper.figures.styles import COLOURS, beside, noted, plain
from benchmarks.paper.plan import Member, Preset
from benchmarks.report import table

TITLE: Final = "What each model costs as integers"
SIZE: Final = (6.8, 4.4)
RUN, COUNTED = "run as integers", "counted"

LOWEST: Final = -0.1  # R2 of the axes
# In points, of the names of those that end side by side.
SHIFTS: Final = {"lca": (-40.0, 3.5), "poisson": (0.0, -16.0)}


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return R2, operations and messages per image by the number of steps."""
    return [
        {**identity(member, get), **_points(member, get)} for member in preset.figures["operations"]
    ]


def _points(member: Member, get: Get) -> Json:
    counted, code = get(member, "operations"), get(member, "code")
    if counted["runs"]:
        return {"how": RUN, "points": counted["runs"]}
    moments = {each["step"]: each for each in get(member, "evaluation")["moments"]}
    points = [
        {
            "steps": each["steps"],
            "r2": moments[each["steps"]]["r2"]["mean"],
            "messages": each["messages"],
            "operations": operations(counted, each["messages"]),
        }
        for each in code["messages"]
    ]
    return {"how": COUNTED, "points": points}


def operations(sizes: Json, messages: float) -> float:
    """Return synaptic operations per image of a network that is not run.

    sizes: pixels that are not 0, neurons K, weights of an encoder without convolutions. With an
    encoder, its weights take part once, as far as pixels are not 0, and nothing follows. Without,
    each pixel that is not 0 reaches K neurons, and so does each latent that is not 0, of which
    messages is the number over all steps.
    """
    if sizes["encoder"]:
        return float(sizes["encoder"] * sizes["pixels"] / sizes["inputs"])
    return float((sizes["pixels"] + messages) * sizes["neurons"])


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw R2 over operations; hollow dots are counted, not run."""
    axes = figure.subplots()
    axes.set_ylim(LOWEST, 1.0)
    for row in rows:
        colour = COLOURS[row["kind"]]
        line = (
            [each["operations"] for each in row["points"]],
            [each["r2"] for each in row["points"]],
        )
        axes.plot(*line, "o-", color=colour, mfc=colour if row["how"] == RUN else "white", ms=7)
        shift = SHIFTS.get(row["kind"], (8.0, 3.0))
        beside(axes, row["kind"], (line[0][-1], max(line[1][-1], LOWEST)), shift)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * 4)
    plain(axes, "synaptic operations per image, by events", "R2 of one sample")
    title = "filled: run as integers of 8 bits; hollow: counted"
    axes.set_title(title, loc="left", fontsize=8, color="0.3")
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = [
        [
            titled(row),
            row["how"],
            f"{each['steps']:,}",
            cell(each["r2"]),
            cell(each["messages"], 0),
            cell(each["operations"], 0),
            f"{row['iterations']:,}",
        ]
        for row in rows
        for each in row["points"]
    ]
    head = ["", "how", "steps", "R2", "messages", "synaptic operations", "iterations"]
    return table(head, cells, text=2)
