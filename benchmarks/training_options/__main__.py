"""Relaxations and samples of training: free energy, R2 and zeros after equal iterations and time.

    python -m benchmarks.training_options [--setting mnist --data-root FOLDER]
        [--scheduler local|tcp://host:8786] [--workers N] [--resume]

Trains one network per option and seed, judges it after T and after 1,000 steps, and converts it to
8 bits. Writes the setting's entry of benchmarks/results/training_options.json and the tables in
docs/training.md. About 20 minutes per setting on one quiet core. Each network is a point of a sweep
(`benchmarks/sweep.py`); on a cluster the column of CPU seconds is left out.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

import typer

from benchmarks.report import machine
from benchmarks.sweep import Point, Resume, Scheduler, Workers, sweep, where
from benchmarks.training_options.page import PAGE, with_results
from ipvae_snn.backends import compiled
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_preset, with_overrides
from ipvae_snn.conversion.calibration import calibrate
from ipvae_snn.conversion.convert import convert
from ipvae_snn.conversion.settings import ConversionSettings
from ipvae_snn.data import ImageSet, load
from ipvae_snn.errors import ConfigError
from ipvae_snn.evaluation.evaluate import evaluate, request_of
from ipvae_snn.ir.encode import encode
from ipvae_snn.ir.interpreter import decode
from ipvae_snn.metrics.quality import r2, zeros_fraction
from ipvae_snn.models.float_network import FloatNetwork, load_float_network
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.training.train import train

RESULT: Final = Path(__file__).parents[1] / "results" / "training_options.json"
STEPS: Final = 1000
CALIBRATION_IMAGES: Final = 1000
CALIBRATION_STEPS: Final = 48
LIMIT: Final = 20_000  # training images
# An iteration with two samples takes about so much longer; "longer" runs have as much time.
LONGER: Final = 1.4


@dataclass(frozen=True)
class Setting:
    """A preset with sizes that fit the time, and its data."""

    preset: str
    data: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Option:
    """Settings of [train], and the factor of the iterations."""

    relaxation: str
    temperature: float
    samples: int = 1
    longer: float = 1.0

    @property
    def overrides(self) -> list[str]:
        """The settings as "table.key=value"."""
        return [
            f"train.relaxation={self.relaxation}",
            f"train.temperature_end={self.temperature}",
            f"train.samples={self.samples}",
        ]


SMALL: Final = ("model.n_latents=256", "train.batch_size=50", "train.validation_interval=0")
SETTINGS: Final = {
    "patches": Setting("patches", "natural", (*SMALL, "train.iterations=1200")),
    "mnist": Setting("mnist", "mnist", (*SMALL, "train.iterations=1000")),
}
OPTIONS: Final[Mapping[str, Option]] = MappingProxyType(
    {
        "sigmoid 0.1": Option("sigmoid", 0.1),
        "sigmoid 0.05": Option("sigmoid", 0.05),
        "cubic 0.4": Option("cubic", 0.4),
        "cubic 0.6": Option("cubic", 0.6),
        "sigmoid 0.1, 1.4 times the iterations": Option("sigmoid", 0.1, longer=LONGER),
        "cubic 0.4, 1.4 times the iterations": Option("cubic", 0.4, longer=LONGER),
        "sigmoid 0.1, two samples": Option("sigmoid", 0.1, 2),
        "cubic 0.4, two samples": Option("cubic", 0.4, 2),
    }
)


def config_of(setting: str, option: Option, seed: int, iterations: int | None = None) -> Config:
    """Return the settings of one run; iterations: instead of the setting's own."""
    if setting not in SETTINGS:
        raise ConfigError(f"there is no setting {setting!r}; known ones are {', '.join(SETTINGS)}")
    chosen = SETTINGS[setting]
    config = with_overrides(
        load_preset(chosen.preset), [*chosen.overrides, *option.overrides, f"train.seed={seed}"]
    )
    total = round((iterations or config.train.iterations) * option.longer)
    return replace(config, train=replace(config.train, iterations=total))


class Images(NamedTuple):
    """Images for training, and held-out ones."""

    training: ImageSet
    held_out: ImageSet


def trained(images: Images, point: Point) -> dict[str, Any]:
    """Train one network, and return its figures."""
    config = config_of(point["setting"], OPTIONS[point["option"]], point["seed"])
    with TemporaryDirectory() as scratch:
        return judged(config, images, Path(scratch) / "run")


def judged(config: Config, images: Images, folder: Path) -> dict[str, Any]:
    """Train into a folder, and return the network's figures."""
    training, held_out = images
    start = time.process_time()
    done = train(config, training, held_out, folder)
    seconds = time.process_time() - start
    network = load_float_network(done.checkpoint)
    result = evaluate(network, held_out, request_of(network, STEPS)).evaluation
    last = result.as_json()["moments"][-1]
    return {
        "seconds": seconds,
        "free_energy": done.validation.free_energy,
        "r2": done.validation.r2,
        "zeros": done.validation.zeros,
        "zeros_late": last["zeros"]["mean"],
        "r2_median_late": last["r2_median"],
        "worst_r2_late": last["worst_r2"],
        "reached_clip": result.reached_clip.mean,
        **_integers(network, training, held_out),
    }


def _integers(network: FloatNetwork, training: ImageSet, held_out: ImageSet) -> dict[str, float]:
    """Return R2 and zeros after 1,000 steps of the integer network of 8 bits."""
    shown = training.pixels[:CALIBRATION_IMAGES]
    calibration = calibrate(network, shown, training.name, CALIBRATION_STEPS)
    integer, _ = convert(network, calibration, ConversionSettings())
    pixels, _ = encode(integer.input, held_out.pixels, held_out.kind, held_out.name)
    prepared = compiled.prepare(integer)
    state = compiled.advance(prepared, compiled.start(prepared, pixels, 0), STEPS)
    return {
        "r2_integer": r2(held_out.pixels, decode(integer, state.counts)).mean,
        "zeros_integer": zeros_fraction(state.counts),
    }


def written(setting: str, result: dict[str, Any]) -> dict[str, Any]:
    """Add a setting's result to the file of all settings; return them all."""
    results = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    results[setting] = result
    write_text(RESULT, json.dumps(results, indent=2) + "\n")
    return dict(results)


def main(
    setting: Annotated[str, typer.Option(help="patches or mnist.")] = "patches",
    data_root: Annotated[Path | None, typer.Option(envvar="IPVAE_SNN_DATA")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Networks per option.")] = 2,
    images: Annotated[int, typer.Option(min=10, help="Held-out images.")] = 200,
    scheduler: Scheduler = None,
    workers: Workers = None,
    resume: Resume = False,
) -> None:
    """Train and judge one network per option and seed; write the JSON and the tables."""
    points = [
        {"setting": setting, "option": name, "seed": seed}
        for seed in range(seeds)
        for name in OPTIONS
    ]
    with sweep("training-options", where(scheduler, workers, resume)) as run:
        plain = config_of(setting, OPTIONS["sigmoid 0.1"], 0)
        training = load(plain.data.name, "train", data_root, LIMIT, holdout=True)
        held_out = load(plain.data.name, "test", data_root, images, holdout=True)
        settings = {"images": images, "training": LIMIT, "steps": STEPS}
        figures = run.run(trained, points, Images(training, held_out), settings)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in OPTIONS}
        for point, figure in zip(points, figures, strict=True):
            runs[str(point["option"])].append(figure)
        result = {
            "command": f"python -m benchmarks.training_options --setting {setting}",
            "date": date.today().isoformat(),
            "machine": machine(plain.train.threads),
            "data": plain.data.name,
            "neurons": plain.model.n_latents,
            "batch_size": plain.train.batch_size,
            "iterations": plain.train.iterations,
            "steps": plain.train.steps,
            "beta": plain.train.beta,
            "images": len(held_out),
            "seeds": seeds,
            "runs": runs,
        }
        results = written(setting, result)
        write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), results))
    typer.echo(f"wrote {RESULT} and {PAGE}")


if __name__ == "__main__":
    typer.run(main)
