"""Effect of quantisation-aware fine-tuning: integer R2 before and after, at few bits.

    python -m benchmarks.quantise_aware [--scheduler local|tcp://host:8786] [--workers N] [--resume]

Fine-tunes the pretrained digits (the data come with scikit-learn) with weights rounded to 4 and
to 3 bits, and without rounding, to separate the effect of fine-tuning itself. Converts all, and
runs the integer networks on held-out images. Writes benchmarks/results/quantise_aware.json and the
table in docs/training.md. About three minutes on one core. Each network is a point of a sweep
(`benchmarks/sweep.py`), here or on a Dask cluster.
"""

import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, NamedTuple

import numpy as np
import torch
import typer

from benchmarks.recipe.__main__ import recipe
from benchmarks.report import machine, table
from benchmarks.sweep import Point, Resume, Scheduler, Workers, sweep, where
from ipvae_snn.backends import compiled
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import with_overrides
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import load
from ipvae_snn.data.base import ImageSet
from ipvae_snn.inference import reference
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.interpreter import decode
from ipvae_snn.metrics.quality import r2
from ipvae_snn.models.dictionary import DenseDictionary
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.models.parameters import Parameters
from ipvae_snn.models.poisson import PoissonLatents
from ipvae_snn.models.protocol import LatentSettings
from ipvae_snn.pretrained import network_path
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.training.straight_through import FakeRounding, RoundedDictionary
from ipvae_snn.training.train import train
from ipvae_snn.training.validation import validate

HERE: Final = Path(__file__).parents[1]
RESULT: Final = HERE / "results" / "quantise_aware.json"
PAGE: Final = HERE.parent / "docs" / "training.md"
MARKS: Final = "<!-- quantise_aware: begin -->", "<!-- quantise_aware: end -->"
NETWORK: Final = "digits"
STEPS: Final = (16, 64, 256)
BITS: Final = (4, 3)
SEEDS: Final = 3
CALIBRATION_STEPS: Final = 48
# Continue the end of the recipe: final beta, clip and temperature from the first iteration. With
# ten times the rate, the loss under rounding increases (docs/training.md).
SETTINGS: Final = (
    "train.learning_rate=0.0001",
    "train.beta_start=12.0",
    "train.clip_start=10.0",
    "train.temperature_start=0.1",
    "train.validation_interval=0",
)
Figures = dict[str, float]


class Inputs(NamedTuple):
    """The recipe of the pretrained network, and its images."""

    recipe: Config
    training: ImageSet
    held_out: ImageSet


def settings(config: Config, bits: int, iterations: int) -> Config:
    """Return the settings of fine-tuning with weights of `bits` bits, 0 for unrounded."""
    changes = [f"train.iterations={iterations}", f"train.quantise_aware={bits}"]
    return with_overrides(config, [*SETTINGS, *changes])


def of_float(network: FloatNetwork, held_out: ImageSet) -> Figures:
    """Return R2 of a sample after STEPS steps, mean over images and seeds, of the float network."""
    dynamics = reference.dynamics(network)
    result = dict.fromkeys(map(str, STEPS), 0.0)
    for seed in range(SEEDS):
        state = reference.start(dynamics, held_out.pixels, seed)
        for steps in STEPS:
            state = reference.advance(dynamics, state, steps - int(state.step))
            reconstruction = reference.reconstruct(network, state.counts)
            result[str(steps)] += r2(held_out.pixels, reconstruction).mean / SEEDS
    return result


def of_integers(
    network: FloatNetwork, training: ImageSet, held_out: ImageSet, bits: int
) -> Figures:
    """Return the same for the integer network of conversion at `bits` bits, and zeros."""
    calibration = calibrate(network, training.pixels, training.name, CALIBRATION_STEPS)
    integer, _ = convert(network, calibration, ConversionSettings(bits, bits))
    pixels, _ = encode(integer.input, held_out.pixels, held_out.kind, held_out.name)
    prepared = compiled.prepare(integer)
    result = dict.fromkeys([*map(str, STEPS), "zeros"], 0.0)
    for seed in range(SEEDS):
        state = compiled.start(prepared, pixels, seed)
        for steps in STEPS:
            state = compiled.advance(prepared, state, steps - state.step)
            reconstruction = decode(integer, state.counts)
            result[str(steps)] += r2(held_out.pixels, reconstruction).mean / SEEDS
        result["zeros"] += float((state.counts == 0).mean()) / SEEDS
    return result


def of_nearest(network: FloatNetwork, inputs: Inputs, bits: int) -> Figures:
    """Return the same for float inference with matrices rounded to nearest, as in training."""
    config, training, held_out = inputs
    parameters = Parameters(
        phi=torch.from_numpy(network.phi),
        log_sigma=torch.from_numpy(network.log_sigma[None]),
        u0=torch.from_numpy(network.u0[None]),
        log_bias=torch.from_numpy(network.log_bias[None]),
        log_lr=torch.tensor(network.log_lr, dtype=torch.float32),
    )
    settings = LatentSettings.of(config.model, config.model.clip, config.train)
    model, dictionary = PoissonLatents.of(parameters, settings), DenseDictionary.of(parameters)
    rounding = FakeRounding.of(torch.from_numpy(training.pixels), bits)
    result = {}
    for steps in STEPS:
        values = [
            validate(
                model,
                dictionary,
                torch.from_numpy(held_out.pixels),
                steps=steps,
                generator=torch.Generator().manual_seed(seed),
                rounding=RoundedDictionary(rounding, dictionary),
            ).r2
            for seed in range(SEEDS)
        ]
        result[str(steps)] = float(np.mean(values))
    return result


def judged(path: Path, inputs: Inputs) -> dict[str, Any]:
    """Return all figures of the checkpoint at `path`."""
    network = load_float_network(path)
    _, training, held_out = inputs
    return {
        "float": of_float(network, held_out),
        "integer": {str(b): of_integers(network, training, held_out, b) for b in BITS},
        "nearest": {str(b): of_nearest(network, inputs, b) for b in BITS},
    }


def measured(inputs: Inputs, point: Point) -> dict[str, Any]:
    """Fine-tune with weights of some bits, if any, and return the network's figures."""
    start = network_path(NETWORK)
    if point["bits"] is None:
        return judged(start, inputs)
    config = settings(inputs.recipe, point["bits"], point["iterations"])
    with TemporaryDirectory() as scratch:
        out = Path(scratch) / "run"
        done = train(config, inputs.training, inputs.held_out, out, start_from=start)
        return {**judged(done.checkpoint, inputs), "seconds": done.seconds}


def figures_table(result: dict[str, Any]) -> str:
    """Return the table of docs/training.md."""
    head = ["R2 after 16 / 64 / 256 steps"]
    kinds = [("float", "")] + [(kind, str(b)) for b in BITS for kind in ("integer", "nearest")]
    head += [f"{kind} {bits} bits" if bits else kind for kind, bits in kinds]
    rows = []
    for name, figures in result["networks"].items():
        cells = [figures[kind][bits] if bits else figures[kind] for kind, bits in kinds]
        rows.append([name, *(" / ".join(f"{c[str(t)]:.3f}" for t in STEPS) for c in cells)])
    return table(head, rows)


def written(page: str, figures: str) -> str:
    """Return the page with the table between its marks."""
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{figures}\n{MARKS[1]}{after}"


def title(bits: int | None) -> str:
    """Return the name of a network in the table."""
    if bits is None:
        return "pretrained"
    return f"fine-tuned at {bits} bits" if bits else "fine-tuned, not rounded"


def main(
    iterations: Annotated[int, typer.Option(min=1)] = 1000,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Measure and write the results and the table."""
    training = load(NETWORK, "train", None, holdout=True)
    held_out = load(NETWORK, "test", None, holdout=True)
    widths = (None, 0, *BITS)
    with sweep("quantise-aware", where(scheduler, workers, resume)) as run:
        points = [{"bits": bits, "iterations": iterations} for bits in widths]
        figures = run.run(measured, points, Inputs(recipe(NETWORK), training, held_out))
        result = {
            "date": date.today().isoformat(),
            "command": "python -m benchmarks.quantise_aware",
            "machine": machine(),
            "network": NETWORK,
            "iterations": iterations,
            "settings": list(SETTINGS),
            "images": len(held_out.pixels),
            "seeds": SEEDS,
            "networks": dict(zip(map(title, widths), figures, strict=True)),
        }
        write_text(RESULT, json.dumps(result, indent=2) + "\n")
        write_text(PAGE, written(PAGE.read_text(encoding="utf-8"), figures_table(result)))
    typer.echo(figures_table(result))


if __name__ == "__main__":
    typer.run(main)
