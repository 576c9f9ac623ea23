"""Seconds per iteration of the iG-VAE and the iG_relu-VAE beside the iP-VAE, interleaved.

    python -m benchmarks.siblings

Trains each on natural patches from the same settings (K 512, T 16, batches of 200) in short runs,
in turn, several times. Writes benchmarks/results/siblings.json and the table
in docs/family.md. About five minutes on one core.
"""

import json
import time
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import typer

from benchmarks.report import between, machine, table, wrapped
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset, with_overrides
from ipvae_snn.data import load
from ipvae_snn.data.base import ImageSet
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "siblings.json"
PAGE: Final = HERE.parent / "docs" / "family.md"
BEGIN: Final = "<!-- python -m benchmarks.siblings -->\n"
END: Final = "<!-- siblings: end -->"
KINDS: Final = ("poisson", "gaussian", "gaussian-relu")
ITERATIONS: Final = 100
LAST: Final = 60  # iterations whose median counts: the first ones may compile the loops
REPEATS: Final = 3


def config_of(kind: str, iterations: int = ITERATIONS) -> Config:
    """Return the settings: of short runs, so that neurons soon spike as they do in long ones."""
    clips = [] if kind == "poisson" else ["model.clip=7.0", "train.clip_start=1.0"]
    rare = [f"train.checkpoint_interval={iterations}", "train.validation_interval=0"]
    size = ["model.n_latents=512", "train.steps=16", "train.steps_start=0", "train.batch_size=200"]
    changes = [f'model.kind="{kind}"', f"train.iterations={iterations}", 'data.name="natural"']
    return with_overrides(load_preset("patches"), [*size, *changes, *clips, *rare])


def measured(config: Config, images: ImageSet, held_out: ImageSet, last: int = LAST) -> float:
    """Train once; return the median CPU seconds of the last iterations but one."""
    times = [time.process_time()]

    def noted(_: TrainProgress) -> None:
        times.append(time.process_time())

    with TemporaryDirectory() as folder:
        train(config, images, held_out, Path(folder) / "run", progress=noted)
    return float(np.median(np.diff(times)[-last - 1 : -1]))  # the last one validates


def section(result: dict[str, Any]) -> str:
    """Return the page's table, with its provenance."""
    rows = []
    for kind in KINDS:
        seconds = np.array(result["seconds"][kind])
        ratios = seconds / np.array(result["seconds"]["poisson"])
        spread = f"{np.median(ratios):.2f} ({ratios.min():.2f}..{ratios.max():.2f})"
        rows.append([f"`{kind}`", f"{1e3 * np.median(seconds):.0f}", spread])
    note = wrapped(
        f"""Natural patches, K 512, T 16, batches of 200, the preset `patches`: CPU time of one
        thread, median of iterations {ITERATIONS - LAST} to {ITERATIONS} of a run; median, least
        and most of {REPEATS} rounds in which the models train in turn. Made by
        `{result["command"]}` on {result["date"]} ({result["machine"]["cpu_cores"]} CPU cores,
        {result["machine"]["architecture"]})."""
    )
    head = ["`model.kind`", "ms per iteration", "over the iP-VAE"]
    return f"{table(head, rows)}\n\n{note}\n"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its table replaced."""
    return between(text, BEGIN, END, section(result))


def main() -> None:
    """Train in turn, and write the table in docs/family.md."""
    images, held_out = load("natural", "train"), load("natural", "test", limit=50)
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(1, REPEATS + 1):
        for kind in KINDS:
            typer.echo(f"round {number} of {REPEATS}: {kind}", err=True)
            seconds[kind].append(measured(config_of(kind), images, held_out))
    result = {
        "command": "python -m benchmarks.siblings",
        "date": date.today().isoformat(),
        "machine": machine(),
        "seconds": seconds,
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
    typer.echo(section(result))


if __name__ == "__main__":
    typer.run(main)
