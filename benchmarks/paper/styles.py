"""Colours and habits of the pictures: a model has one colour in all, and its name beside it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from ipvae_snn.models.family import MEMBERS

COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "poisson": "#c8102e",
        "gaussian": "#1f5fa8",
        "gaussian-relu": "#7a3e9d",
        "amortised-poisson": "#f08a24",
        "amortised-gaussian": "#2ea3c9",
        "amortised-gaussian-relu": "#c77fd0",
        "semi-amortised-poisson": "#8a5a00",
        "iterative-amortised-poisson": "#b59b00",
        "lca": "#2e8b3d",
        "predictive-coding": "#7f7f7f",
        "incremental-predictive-coding": "#3f3f3f",
    }
)
GREY: Final = "0.45"


def noted(figure: Figure, note: str) -> None:
    """Write how the networks were trained under a picture, so that none is shown without it."""
    figure.supxlabel(note, x=0.995, ha="right", fontsize=7.5, color=GREY)


def beside(axes: Axes, kind: str, place: tuple[float, float], shift: tuple[float, float]) -> None:
    """Write a model's name beside its curve; shift: in points."""
    axes.annotate(
        MEMBERS[kind].name,
        place,
        xytext=shift,
        textcoords="offset points",
        color=COLOURS[kind],
        fontsize=8.5,
        fontweight="bold",
        va="center",
        annotation_clip=False,
    )


def stacked(axes: Axes, ends: Sequence[tuple[str, float]], x: float, gap: float = 0.055) -> None:
    """Write names at the right of curves that end at (x, y), far enough from each other.

    gap: least distance, as a share of the axis.
    """
    low, high = axes.get_ylim()
    least = gap * (high - low)
    placed: list[tuple[str, float, float]] = []
    for kind, y in sorted(ends, key=lambda one: one[1]):
        shown = min(max(y, low), high)
        place = max(shown, placed[-1][2] + least) if placed else shown
        placed.append((kind, y, place))
    # As far down as the topmost name stands above the axis.
    over = max(0.0, placed[-1][2] - high) if placed else 0.0
    for kind, _, place in placed:
        beside(axes, kind, (x, place - over), (5, 0))


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
