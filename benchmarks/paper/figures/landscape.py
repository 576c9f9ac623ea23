"""Figure 4: reconstruction against sparsity, of all families over beta and T."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.paper import published
from benchmarks.paper.figures.rows import (
    Get,
    Json,
    cell,
    difference,
    final,
    identity,
    kinds_of,
    of_point,
    titled,
)
from benchmarks.paper.figures.styles import COLOURS, Align, arcs, beside, noted, plain, ruled
from benchmarks.paper.plan import Preset
from benchmarks.report import table
from ipvae_snn.models.family import MEMBERS

TITLE: Final = "Reconstruction against sparsity (figure 4)"
SIZE: Final = (9.0, 8.4)
ITERATIVE: Final = ("poisson", "gaussian", "gaussian-relu")
HORIZONS: Final = (8, 16, 32)
NAMES: Final = ("r2", "r2_map", "zeros", "distance")
# By model, the point (of rising beta) that its name stands at, in which direction; else at the end.
PLACES: Final[Mapping[str, tuple[int, tuple[float, float], Align]]] = MappingProxyType(
    {
        "gaussian": (4, (8, 4), "left"),
        "gaussian-relu": (4, (-8, -4), "right"),
        "amortised-gaussian": (9, (8, 4), "left"),
        "amortised-gaussian-softplus": (5, (8, 4), "left"),
        "amortised-poisson": (2, (-7, 0), "right"),
        "lca": (0, (0, -12), "left"),
    }
)


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return the last step's figures of each network, and its published point."""
    rows = []
    for member in preset.figures["landscape"]:
        point = published.point_of(member.kind, member.steps, member.beta)
        theirs = of_point(point, NAMES)
        last = final(get(member, "evaluation")["final"])
        rows.append({**identity(member, get), **last, "published": theirs})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a panel per T, and one of the models without T; published points are hollow."""
    panels = [(f"T {steps}", steps) for steps in HORIZONS] + [("one pass, and LCA", 0)]
    for axes, (title, steps) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        axes.set_title(title, loc="left", fontweight="bold", pad=12)
        arcs(axes)
        for kind in _kinds(steps):
            theirs = [p for p in published.landscape() if p.kind == kind]
            theirs = [p for p in theirs if not steps or p.steps == steps]
            theirs.sort(key=lambda p: p.beta)
            line = [p.zeros for p in theirs], [p.r2 for p in theirs]
            axes.plot(*line, "o--", color=COLOURS[kind], mfc="white", ms=4, lw=0.9, alpha=0.8)
            _ours(axes, [row for row in rows if row["kind"] == kind and _of(row) == steps], kind)
            _name(axes, kind, theirs)
        axes.set_xlim(-0.04, 1.02)
        axes.set_ylim(-0.04, 1.0)
        axes.set_aspect("equal")
        plain(axes, "zeros", "R2 of one sample")
    figure.axes[0].text(0.0, 0.02, "filled: ours   hollow: published", fontsize=8, color="0.3")
    noted(figure, f"arcs: distance to the ideal corner    {note}")


def _kinds(steps: int) -> Sequence[str]:
    if steps:
        return ITERATIVE
    return tuple(kind for kind in COLOURS if MEMBERS[kind].one_step or kind == "lca")


def _of(row: Json) -> int:
    """Return T of an iterative model, 0 of the others."""
    return int(row["T"]) if row["kind"] in ITERATIVE else 0


def _ours(axes: Axes, rows: Sequence[Json], kind: str) -> None:
    """Draw our points, with a thin line from each to its published point."""
    for row in rows:
        if row["published"] is not None:
            there = row["published"]
            ends = [row["zeros"][0], there["zeros"]], [row["r2"][0], there["r2"]]
            axes.plot(*ends, "-", color=COLOURS[kind], lw=0.6, alpha=0.5)
    ordered = sorted(rows, key=lambda row: float(row["beta"]))
    line = [row["zeros"][0] for row in ordered], [row["r2"][0] for row in ordered]
    axes.plot(*line, "o-", color=COLOURS[kind], ms=5, lw=1.6)


def _name(axes: Axes, kind: str, points: Sequence[published.Point]) -> None:
    """Write the name at a published point around which there is room."""
    if not points:
        return
    last = len(points) - 1
    index, shift, align = PLACES.get(kind, (max(0, last - 1), (8, 4), "left"))
    chosen = points[min(index, last)]
    beside(axes, kind, (chosen.zeros, chosen.r2), shift, align)


def distances(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw each model's least distance to the corner, ours and published."""
    axes = figure.subplots()
    kinds = [kind for kind in COLOURS if kind in kinds_of(rows)]
    for place, kind in enumerate(reversed(kinds)):
        colour = COLOURS[kind]
        ours = min(row["distance"][0] for row in rows if row["kind"] == kind)
        theirs = min(p.distance for p in published.landscape() if p.kind == kind)
        axes.plot([ours, theirs], [place, place], "-", color=colour, lw=1, alpha=0.5)
        axes.plot(theirs, place, "o", color=colour, mfc="white", ms=8)
        axes.plot(ours, place, "o", color=colour, ms=8)
        axes.text(ours, place + 0.22, f"{ours:.2f}", ha="center", fontsize=7.5, color=colour)
    axes.set_yticks(range(len(kinds)), [MEMBERS[kind].name for kind in reversed(kinds)])
    axes.set_ylim(-0.6, len(kinds) - 0.3)
    axes.set_xlabel("least distance to the ideal corner (filled: ours, hollow: published)")
    ruled(axes, "x")
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table of all networks."""
    cells = []
    for row in rows:
        theirs = row["published"] or {}
        figures = []
        for name in ("r2", "zeros", "distance"):
            ours, there = row[name][0], theirs.get(name)
            figures += [cell(ours), cell(there), difference(ours, there)]
        cells.append([titled(row), *figures, f"{row['iterations']:,}"])
    part = ("published", "difference")
    return table(["", "R2", *part, "zeros", *part, "distance", *part, "iterations"], cells)
