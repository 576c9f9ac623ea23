"""Neurons of the models beside each other: features, and answers to gratings."""

from typing import Final

import numpy as np
from matplotlib.figure import Figure, SubFigure

from benchmarks.paper.figures.rows import NONE, Get, Json, cell, identity, titled
from benchmarks.paper.figures.styles import COLOURS, noted, plain, stacked
from benchmarks.paper.measurements.neurons import LEVELS
from benchmarks.paper.plan import Preset
from benchmarks.report import table
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.probing.features import PROBED
from ipvae_snn.report.plots import show, tiles

TITLE: Final = "Features and neurons"
SIZE: Final = (9.6, 6.4)
COLUMNS: Final = 4  # of the features of a model
FIGURES: Final = (
    ("latency at the largest contrast, steps", 1),
    ("latency at a quarter of it, steps", 1),
    ("exponent", 2),
    ("half width at half height, degrees", 1),
    ("modulation by phase, F1 / F0", 2),
    ("suppression of a grating of 0.5 by a mask of 0.5", 3),
    ("suppression of a grating of 0.125 by a mask of 0.5", 3),
)


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return what was measured of each network's features and neurons."""
    return [
        {**identity(member, get), **get(member, "neurons")} for member in preset.figures["neurons"]
    ]


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw features of each model at random, how Gabor functions describe them, and latency."""
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.35))[:, 0]
    _features(above, rows)
    described, late = below.subplots(1, 2)
    ends = []
    for row in rows:
        r2 = np.array(row["r2"])
        shares = 1.0 - np.arange(len(r2)) / len(r2)
        described.plot(r2, shares, color=COLOURS[row["kind"]], lw=1.8)
        ends.append((row["kind"], float((r2 >= PROBED).mean())))
    described.axvline(PROBED, color="0.6", lw=0.8, ls=":")
    described.set_xlim(0, 1)
    described.set_ylim(0, 1)
    plain(described, "R2 of a Gabor function", "share of the features with at least that")
    stacked(described, ends)
    known = [row for row in rows if row["recorded"]]
    for row in known:
        shown = [
            (contrast, value["mean"])
            for contrast, value in zip(row["contrasts"], row["latencies"], strict=True)
            if value["mean"] is not None
        ]
        late.plot(*zip(*shown, strict=True), "o-", color=COLOURS[row["kind"]], lw=1.8, ms=4)
    late.set_xscale("log", base=2)
    late.set_yscale("log", base=2)
    late.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    late.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    plain(late, "contrast of the neuron's own grating", "steps to half of the peak response")
    if known:
        stacked(late, [(row["kind"], row["latencies"][-1]["mean"] or 1.0) for row in known])
    noted(figure, note)


def _features(figure: SubFigure, rows: list[Json]) -> None:
    for axes, row in zip(figure.subplots(1, len(rows), squeeze=False)[0], rows, strict=True):
        fields = np.array(row["fields"], np.float64) / LEVELS
        show(axes, tiles(fields, (row["side"], row["side"]), COLUMNS), -1, 1)
        axes.set_title(
            MEMBERS[row["kind"]].name, fontsize=8.5, color=COLOURS[row["kind"]], fontweight="bold"
        )


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = []
    for row in rows:
        figures = row.get("figures", {})
        values = [
            cell(figures[name]["mean"], digits) if name in figures else NONE
            for name, digits in FIGURES
        ]
        described, count = cell(row["described"]["mean"]), f"{row['recorded']}"
        cells.append([titled(row), described, count, *values, f"{row['iterations']:,}"])
    head = [
        "",
        f"features with a Gabor R2 of {PROBED:g}",
        "neurons",
        *(name for name, _ in FIGURES),
        "iterations",
    ]
    return table(head, cells)
