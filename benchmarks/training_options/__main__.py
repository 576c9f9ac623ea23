"""Relaxations and samples of training: free energy, R2 and zeros after equal iterations and time.

    python -m benchmarks.training_options [--setting mnist --data-root FOLDER]

Trains one network per option and seed, judges it after T and after 1,000 steps, and converts it to
8 bits. Writes the setting's entry of benchmarks/results/training_options.json and the tables in
docs/training.md. About 20 minutes per setting on one quiet core.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from benchmarks.report import machine
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
from ipvae_snn.report.terminal import console
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


def trained(config: Config, training: ImageSet, held_out: ImageSet, folder: Path) -> dict[str, Any]:
    """Train one network, and return its figures."""
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
) -> None:
    """Train and judge one network per option and seed; write the JSON and the tables."""
    screen = console(quiet=True)
    plain = config_of(setting, OPTIONS["sigmoid 0.1"], 0)
    training = load(plain.data.name, "train", data_root, LIMIT, holdout=True)
    held_out = load(plain.data.name, "test", data_root, images, holdout=True)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in OPTIONS}
    for seed in range(seeds):
        for name, option in OPTIONS.items():
            with TemporaryDirectory() as scratch:
                config = config_of(setting, option, seed)
                runs[name].append(trained(config, training, held_out, Path(scratch) / "run"))
            screen.print(f"{name}, seed {seed}: {runs[name][-1]}")
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
            "seeds": seed + 1,
            "runs": runs,
        }
        results = written(setting, result)
    write_text(PAGE, with_results(PAGE.read_text(encoding="utf-8"), results))
    typer.echo(f"wrote {RESULT} and {PAGE}")


if __name__ == "__main__":
    typer.run(main)
