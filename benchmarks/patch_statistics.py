"""Patches by the ways to whiten them: kurtosis, contrast and spectrum.

    python -m benchmarks.patch_statistics --data-root FOLDER

Measures held-out 16x16 patches of scikit-learn's two photographs and, with them, of van Hateren's
images under FOLDER, for each whitening that `data.whiten` names. Writes
benchmarks/results/patch_statistics.json and the table in docs/training.md.
"""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from scipy import stats

from benchmarks.report import between, machine, table, wrapped
from ipvae_snn.arrays import Float32
from ipvae_snn.config.preparation import Preparation, Whitening
from ipvae_snn.data import load
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "patch_statistics.json"
PAGE: Final = HERE.parent / "docs" / "training.md"
BEGIN: Final = "<!-- python -m benchmarks.patch_statistics -->\n"
END: Final = "<!-- patch_statistics: end -->"
SETS: Final = ("vanhateren", "natural")
WAYS: Final[tuple[Whitening, ...]] = ("olshausen", "undivided", "vafaii")
SIDE: Final = 16
CYCLES: Final = (2, 4, 6, 8)  # per patch, whose amplitudes are shown
REFERENCE: Final = 4  # the amplitude that is 1


def measured(pixels: Float32) -> dict[str, Any]:
    """Return the statistics of patches (N, 256).

    kurtosis: excess over a Gaussian's, of all pixels. variance: of single patches, quantiles .05,
    .5 and .95. along, oblique: mean amplitudes of CYCLES along the axes and along the diagonals,
    over that of REFERENCE cycles along the axes (patches under a Hann window).
    """
    values = pixels.astype(np.float64)
    window = np.hanning(SIDE)
    images = values.reshape(-1, SIDE, SIDE) * window[:, None] * window
    amplitude = np.sqrt((np.abs(np.fft.fft2(images)) ** 2).mean(axis=0))
    along = (amplitude[0] + amplitude[:, 0]) / 2
    oblique = np.diagonal(amplitude)
    return {
        "patches": len(values),
        "kurtosis": float(stats.kurtosis(values.ravel())),
        "variance": [float(q) for q in np.quantile(values.var(axis=1), (0.05, 0.5, 0.95))],
        "along": [float(along[c] / along[REFERENCE]) for c in CYCLES],
        "oblique": [float(oblique[c] / along[REFERENCE]) for c in CYCLES],
    }


def section(result: dict[str, Any]) -> str:
    """Return the page's table, with its provenance."""
    rows = [
        [
            name,
            way,
            f"{each['kurtosis']:.2f}",
            " / ".join(f"{q:.2f}" for q in each["variance"]),
            " / ".join(f"{a:.2f}" for a in each["along"]),
            " / ".join(f"{a:.2f}" for a in each["oblique"]),
        ]
        for name, ways in result["sets"].items()
        for way, each in ways.items()
    ]
    frequencies = ", ".join(f"{c}/{SIDE}" for c in CYCLES)
    counts = ", ".join(
        f"{next(iter(ways.values()))['patches']:,} of {name}"
        for name, ways in result["sets"].items()
    )
    note = wrapped(
        f"""Held-out patches ({counts}). Kurtosis: excess over a Gaussian's. Variance of single
        patches: quantiles .05, .5 and .95. Spectrum: amplitudes at {frequencies} cycles per pixel,
        along the axes and oblique (as much along both), over that at {REFERENCE}/{SIDE} along the
        axes; the filters cut high frequencies on purpose. Made by `{result["command"]}` on
        {result["date"]} ({result["machine"]["architecture"]})."""
    )
    head = ["set", "`data.whiten`", "kurtosis", "variance", "spectrum, axes", "spectrum, oblique"]
    return f"{table(head, rows, text=2)}\n\n{note}\n"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its table replaced."""
    return between(text, BEGIN, END, section(result))


def main(
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with vanhateren/; else IPVAE_SNN_DATA.")
    ] = None,
) -> None:
    """Measure patches by the ways to whiten them, and write the table in docs/training.md."""
    sets: dict[str, dict[str, Any]] = {}
    for name in SETS:
        for way in WAYS:
            typer.echo(f"{name}, {way}", err=True)
            images = load(name, "test", data_root, preparation=Preparation(whiten=way))
            sets.setdefault(name, {})[way] = measured(images.pixels)
    result = {
        "command": "python -m benchmarks.patch_statistics",
        "date": date.today().isoformat(),
        "machine": machine(),
        "sets": sets,
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
    typer.echo(section(result))


if __name__ == "__main__":
    typer.run(main)
