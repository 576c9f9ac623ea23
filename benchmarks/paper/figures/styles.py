"""Colours and habits of the pictures: a model has one colour in all, and its name beside it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from sklearn.isotonic import isotonic_regression

from ipvae_snn.models.family import MEMBERS

COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "poisson": "#c8102e",
        "gaussian": "#1f5fa8",
        "gaussian-relu": "#7a3e9d",
        "amortised-poisson": "#f08a24",
        "amortised-gaussian": "#2ea3c9",
        "amortised-gaussian-relu": "#c77fd0",
        "amortised-gaussian-softplus": "#5b7f95",
        "semi-amortised-poisson": "#8a5a00",
        "iterative-amortised-poisson": "#b59b00",
        "lca": "#2e8b3d",
        "predictive-coding": "#7f7f7f",
        "incremental-predictive-coding": "#3f3f3f",
    }
)
GREY: Final = "0.45"
Coordinates = Literal["data", "axes fraction"]
Align = Literal["left", "right"]


def noted(figure: Figure, note: str) -> None:
    """Write how the networks were trained under a picture, so that none is shown without it."""
    figure.supxlabel(note, x=0.995, ha="right", fontsize=7.5, color=GREY)


def beside(
    axes: Axes,
    kind: str,
    place: tuple[float, float],
    shift: tuple[float, float],
    align: Align = "left",
) -> None:
    """Write a model's name beside its curve; shift: in points. align: the end that is there."""
    _write(axes, kind, place, shift, "data", align)


def _write(
    axes: Axes,
    kind: str,
    place: tuple[float, float],
    shift: tuple[float, float],
    coordinates: Coordinates,
    align: Align = "left",
) -> None:
    axes.annotate(
        MEMBERS[kind].name,
        place,
        xycoords=coordinates,
        xytext=shift,
        textcoords="offset points",
        color=COLOURS[kind],
        fontsize=8.5,
        fontweight="bold",
        va="center",
        ha=align,
        annotation_clip=False,
    )


def stacked(axes: Axes, ends: Sequence[tuple[str, float]], gap: float = 0.055) -> None:
    """Write names at the right of the axes, where curves end at these y, away from each other.

    gap: least distance, as a share of the axis. Call it when the limits and the scale are set.
    """
    to_share = axes.transData + axes.transAxes.inverted()
    right = axes.get_xlim()[1]
    shares = [(float(to_share.transform((right, y))[1]), kind) for kind, y in ends]
    ordered = sorted((min(max(share, 0.0), 1.0), kind) for share, kind in shares)
    # The nearest places in this order, of which each is at least a gap above the one before.
    steps = gap * np.arange(len(ordered))
    wanted = np.array([share for share, _ in ordered]) - steps
    top = max(0.0, 1.0 - gap * (len(ordered) - 1))
    places = isotonic_regression(wanted, y_min=0.0, y_max=top) + steps
    for (_, kind), place in zip(ordered, places, strict=True):
        _write(axes, kind, (1.0, float(place)), (5, 0), "axes fraction")


def arcs(axes: Axes) -> None:
    """Draw equal distances to the ideal corner (1, 1) of zeros and R2."""
    for radius in (0.2, 0.4, 0.6, 0.8):
        axes.add_patch(Circle((1, 1), radius, fill=False, color="0.85", linewidth=0.7, zorder=0))
        axes.text(1 - radius, 1.005, f"{radius:g}", fontsize=6.5, color="0.6", ha="center")


def ruled(axes: Axes, axis: Literal["both", "x", "y"] = "both") -> None:
    """Draw a light grid."""
    axes.grid(axis=axis, alpha=0.2, linewidth=0.6)


def plain(axes: Axes, x: str, y: str) -> None:
    """Label the axes, and draw a light grid."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    ruled(axes)
