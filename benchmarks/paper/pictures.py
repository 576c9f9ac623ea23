"""Files of the pictures."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.paper.figures.catalogue import FIGURES
from benchmarks.paper.figures.rows import Json
from ipvae_snn.report.picture_files import page as sheet

FORMATS: Final = ("png", "svg")
PREFIX: Final = "paper_"


def names_of(figures: Iterable[str]) -> tuple[str, ...]:
    """Return the names of all pictures of some figures, without their suffix."""
    return tuple(
        f"{PREFIX}{name}{picture.suffix}" for name in figures for picture in FIGURES[name].pictures
    )


def files_of(folder: Path, figures: Iterable[str], formats: Sequence[str]) -> tuple[Path, ...]:
    """Return the files that `draw_all` writes."""
    return tuple(folder / f"{name}.{form}" for name in names_of(figures) for form in formats)


def note_of(preset: str, rows: Sequence[Json]) -> str:
    """Return what every picture says about the training of its networks."""
    iterations = iterations_of(rows)
    if preset == "quick":
        return f"quick: {iterations}, not the paper's training"
    return f"{preset}: {iterations}"


def draw_all(result: Json, folder: Path, formats: Sequence[str] = FORMATS) -> None:
    """Draw the pictures of all figures of a result into a folder."""
    for name, rows in result["figures"].items():
        note = note_of(result["preset"], rows)
        for picture in FIGURES[name].pictures:
            for form in formats:
                path = folder / f"{PREFIX}{name}{picture.suffix}.{form}"
                with sheet(path, *picture.size) as figure:
                    picture.draw(figure, rows, note)


def iterations_of(rows: Sequence[Json]) -> str:
    """Return the iterations of a figure's networks, from the fewest to the most."""
    counts = sorted({row["iterations"] for row in rows})
    few, most = f"{counts[0]:,}", f"{counts[-1]:,}"
    return f"{few} iterations" if few == most else f"{few} to {most} iterations"
