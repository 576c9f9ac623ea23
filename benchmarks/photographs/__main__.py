"""Networks of photographs: quality, seconds, and the elements that a Gabor function describes.

    python -m benchmarks.photographs [--data FOLDER]
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]

Trains the preset `photographs` from both first dictionaries, sparse coding and noise, and judges
the networks on photographs that were held out. Without --data the photographs are twelve pieces of
the two that scikit-learn ships, and benchmarks/results/photographs.json, the table in
docs/own_images.md and docs/images/own_dictionary.png are written. Each network is a point of a
sweep (`benchmarks/sweep.py`); workers on other machines need FOLDER at the same path, and a cluster
measures no CPU time.
"""

import json
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from PIL import Image
from sklearn.datasets import load_sample_images

import ipvae_snn as snn
from benchmarks.report import between, machine, table, timed, wrapped
from benchmarks.sweep import Point, Resume, Scheduler, Workers, sweep, where
from ipvae_snn.config.settings import Value
from ipvae_snn.metrics.gabor import gabor_r2
from ipvae_snn.models.float_network import FloatNetwork
from ipvae_snn.report.picture_files import page
from ipvae_snn.report.plots import dictionary
from ipvae_snn.storage.atomic import write_text

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "photographs.json"
DOCS: Final = HERE.parent / "docs"
PAGE: Final = DOCS / "own_images.md"
PICTURE: Final = DOCS / "images" / "own_dictionary.png"
BEGIN: Final = "<!-- python -m benchmarks.photographs -->\n"
END: Final = "<!-- end -->"
PATCHES: Final = 400
STEPS: Final = 64
WELL: Final = 0.5  # of an element's energy: from here on a Gabor function describes it
STARTS: Final[dict[str, dict[str, Value]]] = {
    "sparse-coding": {},
    "noise": {"model.phi_start": "noise"},
}


def write_pieces(folder: Path) -> None:
    """Write twelve pieces of 213x213 pixels of scikit-learn's two photographs, as PNG files."""
    for photograph, name in zip(load_sample_images().images, ("china", "flower"), strict=True):
        for row in (0, 213):
            for column in (0, 213, 426):
                piece = photograph[row : row + 213, column : column + 213]
                Image.fromarray(piece).save(folder / f"{name}-{row}-{column}.png")


def judged(data: str | None, point: Point) -> dict[str, Any]:
    """Return the figures of a network, its dictionary (M, K), and each Gabor's share (K,).

    data: folder of photographs; None for the pieces of scikit-learn's.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if data is None:
            write_pieces(Path(scratch))
        start = time.process_time()
        settings = STARTS[point["start"]]
        network = snn.train(data or scratch, patches=16, settings=settings).network
        seconds = time.process_time() - start
        figures = snn.evaluate(network, data or scratch, steps=STEPS, limit=PATCHES).as_json()
    assert isinstance(network, FloatNetwork)  # the presets train iP-VAEs
    shares = gabor_r2(network.phi.T.reshape(-1, *network.image_shape))
    last = figures["moments"][-1]
    return {
        "seconds": seconds,
        "r2": last["r2"]["mean"],
        "r2_median": figures["final"]["r2_median"],
        "zeros": last["zeros"]["mean"],
        "gabor_share": float((shares > WELL).mean()),
        "gabor_median": float(np.median(shares)),
        "phi": network.phi.tolist(),
        "shares": shares.tolist(),
    }


def rows_of(networks: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Return the table's rows."""
    return [
        [
            name,
            f"{each['r2']:.3f}",
            f"{each['r2_median']:.3f}",
            f"{each['zeros']:.3f}",
            f"{100 * each['gabor_share']:.0f} %",
            f"{each['gabor_median']:.2f}",
            timed(each["cpu_seconds"], unit=" s"),
        ]
        for name, each in networks.items()
    ]


def section(result: dict[str, Any]) -> str:
    """Return the page's table, with its provenance."""
    place = result["machine"]
    head = ["first dictionary", "R2", "median", "zeros", "Gabor", "its R2", "CPU time"]
    note = wrapped(
        f"""Means of {PATCHES} held-out patches after {STEPS} steps. Gabor: elements of whose energy
        a Gabor function explains more than {100 * WELL:.0f} %; its R2: the median share that it
        explains. Made by `{result["command"]}` on {result["date"]} (one thread,
        {place["architecture"]}, ipvae-snn {place["ipvae_snn"]})."""
    )
    return f"{table(head, rows_of(result['networks']))}\n\n{note}\n"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its table replaced."""
    return between(text, BEGIN, END, section(result))


def main(
    data: Annotated[
        str | None, typer.Option(help="Folder of photographs; default: scikit-learn's two.")
    ] = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Train from both first dictionaries, and print or write the figures."""
    with sweep("photographs", where(scheduler, workers, resume)) as run:
        points = [{"start": name} for name in STARTS]
        figures = run.run(judged, points, data, {"data": data})
        dictionaries = {}
        for name, each in zip(STARTS, figures, strict=True):
            phi = np.array(each.pop("phi"), np.float32)
            dictionaries[name] = (phi, (16, 16), np.array(each.pop("shares")))
        networks = {
            name: {"cpu_seconds": each.pop("seconds"), **each}
            for name, each in zip(STARTS, figures, strict=True)
        }
        result = {
            "command": "python -m benchmarks.photographs",
            "date": date.today().isoformat(),
            "machine": machine(),
            "networks": networks,
        }
        if data is not None:
            typer.echo(json.dumps(result, indent=2))
            return
        write_text(RESULT, json.dumps(result, indent=2) + "\n")
        write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
        with page(PICTURE, 6.4, 6.8) as figure:
            drawn = dictionary(figure.subplots(), *dictionaries["sparse-coding"])
            drawn.set_title("Elements of the dictionary, best described by a Gabor function first")
    typer.echo(f"wrote {RESULT}, {PAGE} and {PICTURE}")


if __name__ == "__main__":
    typer.run(main)
