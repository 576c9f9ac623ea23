"""The MNIST table: R2, error, zeros and label read-out over seeds."""

from collections.abc import Sequence
from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper import published
from benchmarks.paper.figures.rows import (
    Get,
    Json,
    difference,
    identity,
    kinds_of,
    over,
    with_interval,
)
from benchmarks.paper.figures.styles import COLOURS, noted, ruled
from benchmarks.paper.plan import Preset
from benchmarks.report import table
from ipvae_snn.models.family import MEMBERS

TITLE: Final = "MNIST (table 2)"
SIZE: Final = (9.0, 3.8)
NAMES: Final = {"r2": "R2", "mse": "squared error", "zeros": "zeros", "accuracy": "accuracy"}


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return means over seeds with 95 % intervals (Student's t), ours and published."""
    rows: list[Json] = []
    for member in preset.figures["mnist_table"]:
        result = get(member, "evaluation")
        last, readout = result["final"], result["readout"]
        paper = readout.get("paper") or {"accuracy": {"mean": None}}
        figures = {name: last[name]["mean"] for name in ("r2", "mse", "zeros")}
        accuracy = paper["accuracy"]["mean"]
        rows.append({**identity(member, get), **figures, "accuracy": accuracy})
    return [_summary([row for row in rows if row["kind"] == kind]) for kind in kinds_of(rows)]


def _summary(rows: Sequence[Json]) -> Json:
    first = {key: value for key, value in rows[0].items() if key not in (*NAMES, "seed")}
    theirs = [row for row in published.mnist_table() if row.kind == first["kind"]]
    return {
        **first,
        "seeds": len(rows),
        **{name: over([row[name] for row in rows]) for name in NAMES},
        "published": {
            "T": theirs[0].steps,
            "beta": theirs[0].beta,
            "K": theirs[0].neurons,
            "seeds": len(theirs),
            **{name: over([getattr(row, name) for row in theirs]) for name in NAMES},
        },
    }


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a row per model: ours filled, published hollow, with intervals over seeds."""
    panels = [name for name in NAMES if name != "mse"]
    for axes, name in zip(figure.subplots(1, len(panels), sharey=True), panels, strict=True):
        for place, row in enumerate(reversed(rows)):
            colour = COLOURS[row["kind"]]
            pairs = ((row["published"][name], place - 0.12, "white"), (row[name], place, colour))
            for (mean, low, high), y, face in pairs:
                if mean is None:
                    continue
                if low is not None:
                    axes.plot([low, high], [y, y], "-", color=colour, lw=1.2)
                axes.plot(mean, y, "o", color=colour, mfc=face, ms=6)
        axes.set_yticks(range(len(rows)), [row["model"] for row in reversed(rows)])
        axes.set_ylim(-0.7, len(rows) - 0.4)
        axes.set_title(NAMES[name], loc="left", fontweight="bold")
        ruled(axes, "x")
    noted(figure, f"filled: ours, hollow: published; 95 % over seeds    {note}")


def section(rows: list[Json]) -> str:
    """Return the table; intervals are in the JSON."""
    cells = []
    for row in rows:
        figures = []
        for name, digits in (("r2", 3), ("mse", 4), ("zeros", 3), ("accuracy", 3)):
            ours, theirs = row[name], row["published"][name]
            figures += [with_interval(ours, digits), with_interval(theirs, digits)]
            figures.append(difference(ours[0], theirs[0], digits))
        there = row["published"]
        sizes = [_settings(row), f"{row['seeds']}", _settings(there | {"kind": row["kind"]})]
        cells.append([row["model"], *sizes, *figures, f"{row['iterations']:,}"])
    part = ("published", "difference")
    head = ["", "ours", "seeds", "published settings"]
    figures = [cell for name in NAMES.values() for cell in (name, *part)]
    return table([*head, *figures, "iterations"], cells, text=4)


def _settings(row: Json) -> str:
    if not MEMBERS[row["kind"]].random:
        return f"K {row['K']}"
    return f"T {row['T']}, beta {row['beta']:g}, K {row['K']}"
