"""Drawing of a placement: cores on the mesh by utilisation, and the busiest routes."""

from typing import Final

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ipvae_snn.arrays import Float64, Integers
from ipvae_snn.hw.mapping.mapping import Mapping, Placed
from ipvae_snn.hw.mapping.mesh import Mesh
from ipvae_snn.hw.mapping.sheet import GAP, scale, width

ROUTES: Final = 40  # at most this many are drawn
COLOURS: Final = "YlGnBu"
ROUTE: Final = "tab:red"
EDGES: Final = ("0.25", "tab:orange")  # by population
TILE_FILL: Final = 0.86  # share of a tile for its cores


def placement(figure: Figure, mapping: Mapping, placed: Placed, title: str) -> Figure:
    """Draw the chips side by side; a route's width shows its events per step."""
    mesh = placed.placement.mesh
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-0.7, width(mesh) - 0.3)
    axes.set_ylim(mesh.rows - 0.3, -0.9)
    _chips(axes, mesh)
    _routes(axes, mapping, placed)
    names = _cores(axes, placed, scale(mesh) * TILE_FILL)
    shown = ScalarMappable(Normalize(0, 100), COLOURS)
    figure.colorbar(shown, ax=axes, label="utilisation, %", shrink=0.8, pad=0.02)
    handles = [
        *(
            Rectangle((0, 0), 1, 1, facecolor="0.9", edgecolor=colour, label=name)
            for name, colour in zip(names, EDGES, strict=False)
        ),
        *axes.plot([], [], color=ROUTE, linewidth=2, label="busiest routes"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title)
    return figure


def _chips(axes: Axes, mesh: Mesh) -> None:
    for chip in range(mesh.chips):
        left = chip * (mesh.columns + GAP)
        axes.add_patch(
            Rectangle(
                (left - 0.5, -0.5), mesh.columns, mesh.rows, facecolor="0.97", edgecolor="0.6"
            )
        )
        axes.text(left - 0.5, -0.58, f"chip {chip}", color="0.35", ha="left", va="bottom")
    x, y, side = _corners(mesh, np.arange(mesh.slots))
    for left, top in zip(x, y, strict=True):
        axes.add_patch(
            Rectangle((left, top), side, side, facecolor="none", edgecolor="0.85", linewidth=0.6)
        )


def _cores(axes: Axes, placed: Placed, inches: float) -> list[str]:
    """Draw the cores in use and return the names of their populations."""
    mesh = placed.placement.mesh
    x, y, side = _corners(mesh, placed.placement.slot)
    colours = matplotlib.colormaps[COLOURS]
    names = [population.name for population in placed.placement.layout.populations]
    size = 72 * inches * side / TILE_FILL / 2.6
    for use in placed.uses:
        left, top = x[use.core], y[use.core]
        axes.add_patch(
            Rectangle(
                (left, top),
                side,
                side,
                facecolor=colours(use.utilisation),
                linewidth=1.2,
                edgecolor=EDGES[names.index(use.population)],
                zorder=2,
            )
        )
        if size >= 4.0:
            axes.text(
                left + side / 2,
                top + side / 2,
                str(use.core),
                ha="center",
                va="center",
                fontsize=min(size, 8.0),
                color="white" if use.utilisation > 0.55 else "black",
                zorder=4,
            )
    return names


def _routes(axes: Axes, mapping: Mapping, placed: Placed) -> None:
    """Draw the routes with most events per step, both directions together."""
    flow = placed.routes.flow + placed.routes.flow.T
    first, second = np.triu_indices(len(flow), 1)
    events = flow[first, second] / mapping.events.steps
    order = np.argsort(-events, kind="stable")[:ROUTES]
    order = order[events[order] > 0]
    if not len(order):
        return
    x, y, side = _corners(placed.placement.mesh, placed.placement.slot)
    centres = np.stack([x, y], axis=1) + side / 2
    share = events[order] / events[order].max()
    axes.add_collection(
        LineCollection(
            [centres[[first[i], second[i]]] for i in order],
            colors=ROUTE,
            linewidths=0.4 + 1.8 * share,
            alpha=0.55,
            zorder=3,
            capstyle="round",
        )
    )


def _corners(mesh: Mesh, slots: Integers) -> tuple[Float64, Float64, float]:
    """Return the upper left corner of each slot's core, and its side, in tiles."""
    across = int(np.ceil(np.sqrt(mesh.cores_per_tile)))
    side, place = TILE_FILL / across, mesh.within_tile(slots)
    x = mesh.x(slots) + GAP * mesh.chip(slots) - TILE_FILL / 2 + side * (place % across)
    y = mesh.y(slots) - TILE_FILL / 2 + side * (place // across)
    return x, y, side * 0.94 if across > 1 else side
