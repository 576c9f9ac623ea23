"""Reconstruction against sparsity on whitened patches: one network per beta, and published points.

    python -m benchmarks.beta_sweep --data-root FOLDER [--iterations 2500] [--betas 2,4,8,16,32]
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]

Trains the `patches` preset with T = 16 for each beta, runs inference for 1,000 steps on held-out
patches, and writes benchmarks/results/beta_sweep.json, docs/beta_sweep.md and
docs/images/beta_sweep.png. Each beta is a point of a sweep (`benchmarks/sweep.py`), here or on a
Dask cluster; a stopped sweep goes on with --resume after the points that are done.
"""

import json
import sys
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, NamedTuple

import typer
from matplotlib.figure import Figure

from benchmarks.report import machine, table, wrapped
from benchmarks.sweep import Point, Resume, Scheduler, Workers, sweep, where
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset, with_overrides
from ipvae_snn.data import ImageSet, load
from ipvae_snn.evaluation.evaluate import evaluate, request_of
from ipvae_snn.models.float_network import load_float_network
from ipvae_snn.storage.atomic import atomic_path, write_text
from ipvae_snn.training.train import train
from ipvae_snn.workflows.training_images import load_training_data

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE: Final = Path(__file__).parents[1]
PUBLISHED: Final = HERE / "published.toml"
RESULT: Final = HERE / "results" / "beta_sweep.json"
DOCS: Final = HERE.parent / "docs"
PAGE: Final = DOCS / "beta_sweep.md"
PICTURE: Final = DOCS / "images" / "beta_sweep.png"
STEPS: Final = 1000


class Images(NamedTuple):
    """Patches for training, for its validation, and for the test."""

    training: ImageSet
    validation: ImageSet
    test: ImageSet


def config_of(data: str, beta: float, iterations: int) -> Config:
    """Return the settings of one network."""
    return with_overrides(
        load_preset("patches"),
        [
            f'data.name="{data}"',
            f"train.beta={beta}",
            f"train.iterations={iterations}",
            "train.steps=16",
            "train.steps_start=0",
        ],
    )


def trained(images: Images, point: Point) -> dict[str, Any]:
    """Train with one beta, and return the figures after 1,000 steps of inference."""
    config = config_of(point["data"], point["beta"], point["iterations"])
    with TemporaryDirectory() as scratch:
        done = train(config, images.training, images.validation, Path(scratch) / "run")
        network = load_float_network(done.checkpoint)
    result = evaluate(network, images.test, request_of(network, STEPS)).evaluation
    last = result.as_json()["moments"][-1]
    return {
        "beta": point["beta"],
        **{name: last[name] for name in ("r2", "r2_map", "zeros", "spikes", "corner")},
        "reached_clip": result.reached_clip.mean,
    }


def draw(points: list[dict[str, Any]], published: dict[str, Any]) -> None:
    """Save the picture: R2 against zeros, with the ideal corner at the upper right."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    marks = (
        (published["ip_vae"], "o--", "iP-VAE, published", "beta", (-14, -11)),
        (published["lca"], "^", "LCA, published", "lambda", (6, 3)),
    )
    for rows, style, label, key, offset in marks:
        axes.plot([p["zeros"] for p in rows], [p["r2"] for p in rows], style, label=label)
        for p in rows:
            axes.annotate(
                f"{p[key]:g}",
                (p["zeros"], p["r2"]),
                xytext=offset,
                textcoords="offset points",
                fontsize=8,
            )
    ours = sorted(points, key=lambda p: p["beta"])
    axes.plot(
        [p["zeros"]["mean"] for p in ours],
        [p["r2"]["mean"] for p in ours],
        "s-",
        label="this toolkit",
    )
    for p in ours:
        axes.annotate(
            f"{p['beta']:g}",
            (p["zeros"]["mean"], p["r2"]["mean"]),
            xytext=(5, 5),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_xlabel("zeros (share of silent neurons in a step)")
    axes.set_ylabel("R2 of one sample")
    axes.set_title(f"After {STEPS:,} steps; numbers are beta (lambda for LCA)")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    with atomic_path(PICTURE) as temporary:
        figure.savefig(temporary, dpi=120)


def page(result: dict[str, Any], published: dict[str, Any]) -> str:
    """Return the Markdown page."""
    place = result["machine"]
    provenance = wrapped(
        f"""Made by `{result["command"]}` on {result["date"]} ({place["cpu_cores"]} CPU cores,
        {place["architecture"]}, ipvae-snn {place["ipvae_snn"]}). Each network: K = 512, T = 16,
        {result["iterations"]:,} iterations of 200 patches of {result["data"]} (preset `patches`),
        evaluated on {result["images"]:,} held-out patches after {STEPS:,} steps. Data:
        {result["citation"]}. Published points: {published["source"]}; their patches and their
        training (300 epochs) differ from ours, so the curves show the range of values, not a
        difference between methods."""
    )
    rows = [
        [
            f"{p['beta']:g}",
            f"{p['r2']['mean']:.3f}",
            f"{p['zeros']['mean']:.3f}",
            f"{p['corner']['mean']:.3f}",
            f"{p['r2_map']['mean']:.3f}",
            f"{p['spikes']['mean']:.0f}",
            f"{100 * p['reached_clip']:g} %",
        ]
        for p in result["points"]
    ]
    head = ["beta", "R2", "zeros", "distance to corner", "R2 MAP", "spikes per step", "reach clip"]
    theirs = [
        [
            f"{p['beta']:g}",
            f"{p['r2']:.3f}",
            f"{p['zeros']:.3f}",
            f"{((1 - p['r2']) ** 2 + (1 - p['zeros']) ** 2) ** 0.5:.3f}",
        ]
        for p in published["ip_vae"]
    ]
    return f"""# Reconstruction against sparsity

{provenance}

![R2 against zeros for each beta, with the published points](images/beta_sweep.png)

{table(head, rows)}

Published (iP-VAE, T_train 16):

{table(head[:4], theirs)}
"""


def main(
    data: Annotated[str, typer.Option(help="vanhateren or natural.")] = "vanhateren",
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of public data sets.", envvar="IPVAE_SNN_DATA")
    ] = None,
    betas: Annotated[str, typer.Option(help="Comma-separated.")] = "2,4,8,16,32",
    iterations: Annotated[int, typer.Option(min=100, help="Iterations per network.")] = 2500,
    images: Annotated[int, typer.Option(min=10, help="Held-out patches.")] = 1000,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Train and evaluate one network per beta; write the JSON, the page and the picture."""
    asked = [
        {"beta": float(beta), "data": data, "iterations": iterations} for beta in betas.split(",")
    ]
    with sweep("beta", where(scheduler, workers, resume)) as run:
        training = load_training_data(config_of(data, 1.0, iterations), data_root)
        test = load(data, "test", data_root, images)
        settings = {"images": images, "steps": STEPS}
        points = run.run(trained, asked, Images(*training, test), settings)
        _write(data, betas, iterations, test, points)
    typer.echo(f"wrote {RESULT}, {PAGE} and {PICTURE}")


def _write(
    data: str, betas: str, iterations: int, test: ImageSet, points: list[dict[str, Any]]
) -> None:
    published = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))
    result = {
        "command": f"python -m benchmarks.beta_sweep --data {data} --iterations {iterations} "
        f"--betas {betas}",
        "date": date.today().isoformat(),
        "machine": machine(load_preset("patches").train.threads),
        "data": data,
        "citation": test.citation,
        "iterations": iterations,
        "images": len(test),
        "points": points,
    }
    write_text(RESULT, json.dumps(result, indent=2) + "\n")
    draw(points, published)
    write_text(PAGE, page(result, published))


if __name__ == "__main__":
    typer.run(main)
