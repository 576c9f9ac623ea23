"""Nonlinear decoders beside the linear one: R2 and seconds per iteration after a short training.

    python -m benchmarks.decoders

Trains models of the family on scikit-learn's digits for a few hundred iterations. Writes
benchmarks/results/decoders.json and the table in docs/family.md. About three minutes on one core.
"""

import json
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import typer

from benchmarks.report import between, machine, table, wrapped
from ipvae_snn.config.settings import Config, DictionaryKind
from ipvae_snn.config.toml import load_preset
from ipvae_snn.data import load
from ipvae_snn.data.base import ImageSet
from ipvae_snn.models.family import MEMBERS
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.training.train import train
from ipvae_snn.training.trainer import TrainProgress

HERE: Final = Path(__file__).parent
RESULT: Final = HERE / "results" / "decoders.json"
PAGE: Final = HERE.parent / "docs" / "family.md"
BEGIN: Final = "<!-- python -m benchmarks.decoders -->\n"
END: Final = "<!-- decoders: end -->"
STEPS: Final = 8
ITERATIONS: Final = 300
WIDTH: Final = 64
CASES: Final[tuple[tuple[str, DictionaryKind], ...]] = (
    ("poisson", "dense"),
    ("poisson", "mlp"),
    ("poisson", "deconvolutional"),
    ("gaussian", "dense"),
    ("gaussian", "mlp"),
    ("amortised-gaussian", "dense"),
    ("amortised-gaussian", "mlp"),
)


def config_of(kind: str, dictionary: DictionaryKind, iterations: int = ITERATIONS) -> Config:
    """Return the preset's settings, with an equal weight of the KL term over all steps."""
    base = load_preset("digits")
    one_step = MEMBERS[kind].one_step
    train_config = replace(
        base.train,
        steps=1 if one_step else STEPS,
        # The KL term of one pass enters in full, that of T steps as a mean.
        beta=base.train.beta / STEPS if one_step else base.train.beta,
        clip_start=base.train.clip_start if kind == "poisson" else 1.0,
        iterations=iterations,
        validation_interval=0,
        checkpoint_interval=iterations,
    )
    clip = base.model.clip if kind == "poisson" else 7.0
    model = replace(base.model, kind=kind, dictionary=dictionary, clip=clip, decoder_width=WIDTH)
    return replace(base, model=model, train=train_config)


def measured(config: Config, images: ImageSet, held_out: ImageSet) -> dict[str, Any]:
    """Train once; return R2 of one sample on held-out images, and seconds per iteration."""
    times = [time.process_time()]

    def noted(event: TrainProgress) -> None:
        times.append(time.process_time())

    with TemporaryDirectory() as folder:
        result = train(config, images, held_out, Path(folder) / "run", progress=noted)
    # The first iteration may compile the loops; the last one validates.
    seconds = np.diff(times)[1:-1]
    return {
        "kind": config.model.kind,
        "decoder": config.model.dictionary,
        "steps": config.train.steps,
        "r2": result.validation.r2,
        "zeros": result.validation.zeros,
        "free_energy": result.validation.free_energy,
        "seconds": [float(q) for q in np.quantile(seconds, (0.25, 0.5, 0.75))],
    }


def section(result: dict[str, Any]) -> str:
    """Return the page's table, with its provenance."""
    rows = [
        [
            f"`{one['kind']}`",
            f"`{one['decoder']}`",
            str(one["steps"]),
            f"{one['r2']:.2f}",
            f"{one['zeros']:.2f}",
            f"{one['seconds'][1]:.3f} ({one['seconds'][0]:.3f}..{one['seconds'][2]:.3f})",
        ]
        for one in result["runs"]
    ]
    head = ["`model.kind`", "`model.dictionary`", "T", "R2", "zeros", "CPU seconds per iteration"]
    note = wrapped(
        f"""scikit-learn's 8x8 digits, 64 neurons, `model.decoder_width` {WIDTH}, batches of
        100, one run of {result["iterations"]} iterations each, which is far from the end of
        training. R2 of one sample, and zeros, on held-out images. Seconds: median and quartiles,
        one thread. Made by `{result["command"]}` on {result["date"]}
        ({result["machine"]["cpu_cores"]} CPU cores, {result["machine"]["architecture"]}, other
        work ran too)."""
    )
    return f"{table(head, rows, text=2)}\n\n{note}\n"


def with_results(text: str, result: dict[str, Any]) -> str:
    """Return the page with its table replaced."""
    return between(text, BEGIN, END, section(result))


def main() -> None:
    """Train every case, and write the table in docs/family.md."""
    images, held_out = load("digits", "train"), load("digits", "test")
    runs = []
    for kind, dictionary in CASES:
        typer.echo(f"{kind}, {dictionary}", err=True)
        runs.append(measured(config_of(kind, dictionary), images, held_out))
    result = {
        "command": "python -m benchmarks.decoders",
        "date": date.today().isoformat(),
        "machine": machine(),
        "iterations": ITERATIONS,
        "runs": runs,
    }
    write_text(RESULT, json.dumps(result, indent=1) + "\n")
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), result))
    typer.echo(section(result))


if __name__ == "__main__":
    typer.run(main)
