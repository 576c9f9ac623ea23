"""The best that a linear Gaussian VAE can do on patches, beside the published amortised G-VAE.

    python -m benchmarks.paper.linear_optimum --data-root FOLDER

A G-VAE with a linear decoder and fixed pixel noise needs no training to be judged: at its optimum
the error along each principal axis of the images is min(beta sigma^2, variance), as in reverse
water-filling (Cover and Thomas, Elements of Information Theory, 10.3.3; linear VAEs find the
principal axes, Lucas et al., NeurIPS 2019). So the published R2 over beta say what the covariance
of the authors' patches is. Writes benchmarks/results/linear_optimum.json and the table in
docs/paper.md.
"""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from benchmarks.paper import published
from benchmarks.paper.plan import Member, full
from benchmarks.report import between, machine, table, wrapped
from ipvae_snn.arrays import Array, Float64
from ipvae_snn.config.preparation import Preparation
from ipvae_snn.data import load
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parent
RESULT: Final = HERE.parent / "results" / "linear_optimum.json"
PAGE: Final = HERE.parent.parent / "docs" / "paper.md"
BEGIN: Final = "<!-- python -m benchmarks.paper.linear_optimum -->\n"
END: Final = "<!-- linear_optimum: end -->"
KIND: Final = "amortised-gaussian"
NEURONS: Final = 512


def spectrum(pixels: Array) -> Float64:
    """Return the mean power of patches (N, M) along their principal axes, largest first, (M,).

    Scaled to a mean of 1 per pixel.
    """
    values = np.asarray(pixels, np.float64)
    power = np.linalg.eigvalsh(values.T @ values)[::-1]
    return np.asarray(power / power.mean())


def best_r2(power: Float64, distortion: float, features: int) -> float:
    """Return 1 - error / power of the best code through so many features.

    power (M,): along the principal axes, largest first. distortion: beta sigma^2, in its unit.
    """
    error = np.minimum(distortion, power[:features]).sum() + power[features:].sum()
    return float(1.0 - error / power.sum())


def each_standardised(pixels: Array) -> Array:
    """Return patches (N, M) of mean 0 and variance 1 each."""
    centred = pixels - pixels.mean(axis=1, keepdims=True)
    return np.asarray(centred / centred.std(axis=1, keepdims=True))


def compared(pixels: Array) -> list[dict[str, float]]:
    """Return R2 by beta: published, of these patches (N, M), and of them standardised each."""
    plan, rows = full(), []
    spectra = {"ours": spectrum(pixels), "each": spectrum(each_standardised(pixels))}
    points = [point for point in published.landscape() if point.kind == KIND]
    for point in sorted(points, key=lambda point: point.beta):
        model = plan.config(Member(KIND, point.steps, point.beta, NEURONS)).model
        best = {
            name: best_r2(power, point.beta * model.noise**2, model.encoder_width)
            for name, power in spectra.items()
        }
        rows.append({"beta": point.beta, "published": point.r2, **best})
    return rows


def section(result: dict[str, Any]) -> str:
    """Return the table, with its provenance."""
    names = ("published", "ours", "each")
    rows = [[f"{row['beta']:g}", *(f"{row[name]:.3f}" for name in names)] for row in result["rows"]]
    head = ["beta", "published G-VAE", "optimum on our patches", "on patches of variance 1 each"]
    note = wrapped(
        f"""R2 as 1 less all error over all power. {result["patches"]:,} training patches. Made by
        `{result["command"]}` on {result["date"]} ({result["machine"]["architecture"]})."""
    )
    return f"{table(head, rows, text=0)}\n\n{note}\n"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its table replaced."""
    return between(text, BEGIN, END, section(result))


def main(
    data_root: Annotated[
        Path | None, typer.Option(help="Folder with vanhateren/; else IPVAE_SNN_DATA.")
    ] = None,
) -> None:
    """Compute the optimum by beta, and write the table in docs/paper.md."""
    images = load("vanhateren", "train", data_root, preparation=Preparation(whiten="vafaii"))
    result = {
        "command": "python -m benchmarks.paper.linear_optimum",
        "date": date.today().isoformat(),
        "machine": machine(),
        "patches": len(images),
        "rows": compared(images.pixels),
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
    typer.echo(section(result))


if __name__ == "__main__":
    typer.run(main)
