"""Draw dictionaries, reconstructions, R2 over steps and ranges; write pictures to files.

Drawing functions take and return axes, or a figure if they need several axes.
"""

import gzip
import textwrap
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import ExifTags
from PIL.Image import Exif

from ipvae_snn.arrays import Float32, Float64, Floats
from ipvae_snn.errors import ConfigError, OutputError
from ipvae_snn.report.document import Picture
from ipvae_snn.storage.atomic import atomic_path

# hashsalt: a picture always gives the same SVG.
STYLE: Final[Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "ipvae-snn",
}
CREATOR: Final = "ipvae-snn"  # in every file, so that a later run knows that it may replace it


def _exif() -> bytes:
    """Return EXIF data that name the creator."""
    data = Exif()
    data[ExifTags.Base.Software] = CREATOR
    return data.tobytes()


# By suffix, what makes savefig name the creator. None omits the date.
FORMATS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        ".png": {"metadata": {"Software": CREATOR}},
        ".svg": {"metadata": {"Creator": CREATOR, "Date": None}},
        ".svgz": {"metadata": {"Creator": CREATOR, "Date": None}},
        ".pdf": {"metadata": {"Creator": CREATOR, "CreationDate": None}},
        ".eps": {"metadata": {"Creator": CREATOR}},
        ".ps": {"metadata": {"Creator": CREATOR}},
        ".jpg": {"pil_kwargs": {"comment": CREATOR}},
        ".jpeg": {"pil_kwargs": {"comment": CREATOR}},
        ".tif": {"pil_kwargs": {"software": CREATOR}},
        ".tiff": {"pil_kwargs": {"software": CREATOR}},
        ".webp": {"pil_kwargs": {"exif": _exif()}},
    }
)
GZIP: Final = b"\x1f\x8b"
BEGINNINGS: Final = (b"\x89PNG", b"<?xml", b"%PDF", b"%!PS", b"\xff\xd8", b"II*", b"MM", b"RIFF")
FAULT_CHARACTERS: Final = 200  # of an error's text, in a warning
MARKED_BYTES: Final = 1 << 16  # at either end of a file, where the creator is named
DPI: Final = 140
GAP: Final = 1  # pixels between tiles
FRAME: Final = "#33475b"
MAX_TILES: Final = 144
CHARACTERS: Final = 12  # of a title, per inch
LOWEST_R2: Final = -1.0  # of an axis; worse values are outside
DICTIONARY_SIZE: Final = (6.0, 6.3)
CURVES_SIZE: Final = (6.4, 4.0)


class Bar(NamedTuple):
    """A range; high is None if low is a minimum, low is None if nothing is public."""

    name: str
    low: float | None
    high: float | None


def format_of(path: Path) -> str:
    """Return the format of the suffix of `path`; raise ConfigError for an unknown suffix."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(
            f"{path}: no picture can be written with the suffix {suffix!r}; end the name in one "
            f"of {', '.join(FORMATS)}"
        )
    return suffix.removeprefix(".")


@contextmanager
def page(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of (width, height) inches without a display, then write it to `path`.

    The suffix gives the format. The file is written atomically. A user's matplotlibrc changes
    nothing. Raises ConfigError for a suffix that is not in FORMATS, before anything is drawn.
    """
    form = format_of(path)
    with style.context(["default", STYLE]):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=DPI, format=form, **FORMATS[f".{form}"])


def is_picture(path: Path) -> bool:
    """Return whether the file at `path` is a picture that this module wrote."""
    try:
        with path.open("rb") as handle:
            if handle.read(2) == GZIP:
                return CREATOR.encode() in gzip.open(path).read(MARKED_BYTES)
            handle.seek(0)
            start = handle.read(MARKED_BYTES)
            handle.seek(max(path.stat().st_size - MARKED_BYTES, 0))
            return start.startswith(BEGINNINGS) and CREATOR.encode() in start + handle.read()
    except (OSError, EOFError, zlib.error):
        return False


def save(picture: Picture, path: Path) -> Picture:
    """Write a picture to `path` and return it with this path, or with its fault.

    A result that took hours must not be lost for a picture of it, so whatever fails while it is
    drawn or written becomes its `fault`. Raises ConfigError for an unknown suffix.
    """
    format_of(path)
    try:
        with page(path, *picture.size) as figure:
            picture.draw(figure)
    except Exception as error:  # a user's Matplotlib, fonts and figures may raise anything
        reason = " ".join(str(error).split())[:FAULT_CHARACTERS]
        what = "" if isinstance(error, OSError | OutputError) else f"{type(error).__name__}: "
        return replace(picture, fault=f"{path} was not drawn ({what}{reason})")
    return replace(picture, path=path)


def picture_paths(names: Iterable[str], folder: Path | None) -> tuple[Path, ...]:
    """Return the files of `save_all` for pictures of these names; none without a folder."""
    return () if folder is None else tuple(folder / f"{name}.png" for name in names)


def save_all(pictures: Iterable[Picture], folder: Path) -> tuple[Picture, ...]:
    """Write pictures into `folder` as PNG files and return them with their paths or faults."""
    return tuple(save(picture, folder / f"{picture.name}.png") for picture in pictures)


def tiles(rows: Floats, shape: tuple[int, int], columns: int) -> Float64:
    """Return images (N, M) as one picture; each is scaled to [-1, 1] by its largest magnitude.

    The frames around them are NaN, and what is left of the last row is 1.
    """
    height, width = shape
    count = -(-len(rows) // columns)
    sheet = np.ones((count * (height + GAP) + GAP, columns * (width + GAP) + GAP))
    for index, row in enumerate(rows):
        top = GAP + (index // columns) * (height + GAP)
        left = GAP + (index % columns) * (width + GAP)
        sheet[top - GAP : top + height + GAP, left - GAP : left + width + GAP] = np.nan
        peak = float(np.abs(row).max()) or 1.0
        sheet[top : top + height, left : left + width] = row.reshape(shape) / peak
    return sheet


def show(axes: Axes, picture: Floats, low: float, high: float) -> Axes:
    """Draw a picture (H, W) in grey, black at `low` and white at `high`, without axes.

    What is NaN, a frame, is blue-grey, which no element is.
    """
    shades = colormaps["gray"].with_extremes(bad=FRAME)
    axes.imshow(picture, cmap=shades, vmin=low, vmax=high, interpolation="nearest")
    axes.set_axis_off()
    return axes


def dictionary(axes: Axes, phi: Float32, shape: tuple[int, int], use: Floats) -> Axes:
    """Draw the dictionary elements phi (M, K) with the highest `use` (K,)."""
    order = np.argsort(-use)[:MAX_TILES]
    columns = int(np.ceil(np.sqrt(len(order))))
    show(axes, tiles(phi.T[order], shape, columns), -1, 1)
    axes.set_title(f"Dictionary: the {len(order)} elements used most, of {phi.shape[1]}")
    return axes


def reconstructions_size(images: int, steps: int) -> tuple[float, float]:
    """Return the size in inches of a figure for reconstructions."""
    return 0.8 * images + 1.0, 0.82 * (steps + 1) + 0.5


def reconstructions(
    figure: Figure,
    originals: Floats,
    steps: Mapping[int, Floats],
    shape: tuple[int, int],
    title: str,
) -> Figure:
    """Draw originals (N, M) in the first row and their reconstructions by step below."""
    low, high = np.percentile(originals, [0.5, 99.5])
    rows = [("original", originals), *((f"step {t}", image) for t, image in steps.items())]
    grid = figure.subplots(len(rows), len(originals), squeeze=False)
    for line, (label, pictures) in zip(grid, rows, strict=True):
        for axes, picture in zip(line, pictures, strict=True):
            show(axes, picture.reshape(shape), low, high)
        line[0].text(-0.12, 0.5, label, transform=line[0].transAxes, ha="right", va="center")
    heading(figure, title)
    return figure


def heading(figure: Figure, title: str) -> None:
    """Set the figure's title in as many lines as its width needs."""
    figure.suptitle("\n".join(textwrap.wrap(title, int(CHARACTERS * figure.get_figwidth()))))


def span(low: float, high: float, least: float, most: float) -> tuple[float, float]:
    """Return limits of an axis: low..high with a margin, inside least..most.

    Values that are not finite count as the ends.
    """
    low = least if not np.isfinite(low) else max(low, least)
    high = most if not np.isfinite(high) else min(high, most)
    margin = 0.05 * max(high - low, 0.02 * (most - least))
    return max(low - margin, least), min(high + margin, most)


def r2_limits(lowest: float) -> tuple[float, float]:
    """Return the limits of an axis of R2: from 0, or from `lowest` if it is negative."""
    return (0.0, 1.0) if lowest >= 0.0 else (span(lowest, 1.0, LOWEST_R2, 1.0)[0], 1.0)


def r2_over_steps(
    axes: Axes, curves: Mapping[str, Sequence[tuple[float, float, float]]], title: str
) -> Axes:
    """Draw curves of (mean, low, high) R2 over the steps; low..high is the 95 % interval."""
    floor = 1.0
    for index, (name, points) in enumerate(curves.items()):
        mean, low, high = (np.array(part) for part in zip(*points, strict=True))
        steps = np.arange(1, len(mean) + 1)
        style = "-" if index == 0 else "--"
        mark = "." if len(mean) == 1 else ""
        (line,) = axes.plot(steps, mean, style, marker=mark, label=name, linewidth=1.6)
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
        floor = min(floor, float(np.percentile(mean, 10)))
    axes.set_xlabel("step")
    axes.set_ylabel("R2 of the step's spike counts")
    axes.set_ylim(r2_limits(floor))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_title(title)
    axes.legend(frameon=False, loc="lower right")
    return axes


def ranges_size(bars: int) -> tuple[float, float]:
    """Return the size in inches of a figure for this number of ranges."""
    return 7.4, 0.34 * bars + 1.1


def ranges(axes: Axes, bars: Sequence[Bar], title: str, label: str) -> Axes:
    """Draw bars up to low and on to high, on a logarithmic axis; an arrow where high is None.

    A bar without a public figure is labelled "not public".
    """
    known = [low for _, low, _ in bars if low]
    if not known:
        known = [1.0]
    least, most = min(known) / 4, 4 * max([*known, *(high for *_, high in bars if high)])
    axes.set_xscale("log")
    axes.set_xlim(least, most)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_yticks(range(len(bars)), [name for name, *_ in bars])
    for place, (_, low, high) in enumerate(bars):
        if not low:
            axes.text(least * 1.1, place, "not public", va="center", color="0.5")
            continue
        axes.barh(place, low - least, left=least, height=0.6, color="tab:blue")
        if high is None:
            arrow = {"arrowstyle": "->", "color": "tab:blue"}
            axes.annotate("", (low * 1.5, place), (low, place), arrowprops=arrow)
        elif high > low:
            axes.barh(place, high - low, left=low, height=0.6, color="tab:blue", alpha=0.35)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(label)
    axes.set_title(title, loc="left")
    return axes
