"""Rate-distortion: nats by which the posterior leaves the prior, against the error of a sample."""

from typing import Final

from matplotlib.figure import Figure

from benchmarks.paper.figures.rows import Get, Json, bounds, cell, identity, kinds_of, titled
from benchmarks.paper.figures.styles import COLOURS, beside, noted, plain
from benchmarks.paper.plan import Preset
from benchmarks.report import table
from ipvae_snn.models.family import MEMBERS

TITLE: Final = "Rate and distortion"
SIZE: Final = (6.4, 4.4)


def collect(preset: Preset, get: Get) -> list[Json]:
    """Return rate and squared error per pixel of each network."""
    rows = []
    for member in preset.figures["rate_distortion"]:
        last = get(member, "evaluation")["final"]
        figures = {"rate": get(member, "code")["rate"], "mse": bounds(last["mse"])}
        rows.append({**identity(member, get), **figures, "r2": bounds(last["r2"])})
    return rows


def draw(figure: Figure, rows: list[Json], note: str) -> None:
    """Draw a curve per model over its betas; T's are joined where they are equal."""
    axes = figure.subplots()
    for kind in (kind for kind in COLOURS if kind in kinds_of(rows)):
        mine = [row for row in rows if row["kind"] == kind and row["rate"] is not None]
        for steps in dict.fromkeys(row["T"] for row in mine):
            part = sorted((row for row in mine if row["T"] == steps), key=lambda row: row["rate"])
            line = [row["rate"] for row in part], [row["mse"][0] for row in part]
            axes.plot(*line, "o-", color=COLOURS[kind], ms=5, lw=1.5)
        if mine:
            ordered = sorted(mine, key=lambda row: float(row["rate"]))
            # One pass has lower rates, so that its name has room at the left.
            end = ordered[0] if MEMBERS[kind].one_step else ordered[-1]
            place = end["rate"], end["mse"][0]
            if MEMBERS[kind].one_step:
                beside(axes, kind, place, (-6, -5), "right")
            else:
                beside(axes, kind, place, (7, 3))
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 2.5, high)
    axes.set_ylim(bottom=0)
    plain(axes, "rate: KL to the prior, nats per image", "squared error of a sample, per pixel")
    noted(figure, note)


def section(rows: list[Json]) -> str:
    """Return the table."""
    cells = [
        [
            titled(row),
            cell(row["rate"], 1),
            cell(row["mse"][0]),
            cell(row["r2"][0]),
            f"{row['iterations']:,}",
        ]
        for row in rows
    ]
    return table(["", "rate, nats", "squared error", "R2", "iterations"], cells)
