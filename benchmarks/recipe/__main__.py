"""Train by a recipe, evaluate the network on the whole test split, and write its model card.

    python -m benchmarks.recipe mnist-512 --data-root FOLDER [--publish]
        [--scheduler local|tcp://host:8786] [--workers N]

Recipes are the TOML files of benchmarks/recipes/, which `ipvae-snn train --config` takes too. A
stopped run resumes. Writes benchmarks/results/recipe-NAME.json; with --publish also the
network in half precision and its card into ipvae_snn/pretrained/.
"""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final, NamedTuple

import typer
from rich.console import Console

from benchmarks.recipe.card import SHIPPED, card
from benchmarks.recipe.integers import integer_figures
from benchmarks.report import machine
from benchmarks.sweep import Scheduler, Workers
from ipvae_snn import pretrained
from ipvae_snn.config.settings import Config
from ipvae_snn.config.toml import load_config
from ipvae_snn.errors import ConfigError
from ipvae_snn.models.half_precision import save_half
from ipvae_snn.report.json_files import finite
from ipvae_snn.report.progress_bar import progress_bar
from ipvae_snn.report.terminal import console
from ipvae_snn.storage.atomic import write_text
from ipvae_snn.training.state import load_state
from ipvae_snn.workflows.cluster import cluster_of
from ipvae_snn.workflows.evaluate import EvaluationSettings, evaluate
from ipvae_snn.workflows.train import Extras, train_network

HERE: Final = Path(__file__).parents[1]
RECIPES: Final = HERE / "recipes"
RESULTS: Final = HERE / "results"
# Recipes that start from the network of another one.
BEFORE: Final = {
    "mnist-512": "mnist-512-third",
    "mnist-512-third": "mnist-512-second",
    "mnist-512-second": "mnist-512-first",
    "cifar10-colour": "cifar10-colour-second",
    "cifar10-colour-second": "cifar10-colour-first",
    "mnist-conv": "mnist-conv-fourth",
    "mnist-conv-fourth": "mnist-conv-third",
    "mnist-conv-third": "mnist-conv-second",
    "mnist-conv-second": "mnist-conv-first",
    "mnist-512-fine": "mnist-512-fine-fourth",
    "mnist-512-fine-fourth": "mnist-512-fine-third",
    "mnist-512-fine-third": "mnist-512-fine-second",
    "mnist-512-fine-second": "mnist-512-fine-first",
    "mnist-512-fine-first": "mnist-512-sparse",
    "mnist-512-lean": "mnist-512-lean-first",
    "mnist-512-lean-first": "mnist-512-sparse",
    "mnist-512-least": "mnist-512-least-first",
    "mnist-512-least-first": "mnist-512-lean-first",
    "vanhateren-512-fine": "vanhateren-512-lean",
    "vanhateren-512-least": "vanhateren-512-lean",
}
STEPS: Final = 1000
FEW_STEPS: Final = 16  # of networks that are trained for a few steps with sparse weights
TEST_IMAGES: Final = 10_000
READOUT_IMAGES: Final = 60_000
# Largest loss of R2 by half precision: a fifth of the difference of two seeds on 500 images.
MAX_LOSS: Final = 0.001


def names() -> list[str]:
    """Return the names of the recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def recipe(name: str) -> Config:
    """Return the settings of a recipe; ConfigError names the known ones."""
    if name not in names():
        raise ConfigError(f"there is no recipe {name!r}; known ones are {', '.join(names())}")
    return load_config(RECIPES / f"{name}.toml")


def trained_by(
    name: str, folder: Path, data_root: Path | None, screen: Console
) -> tuple[Path, float]:
    """Train by a recipe into `folder`, and by its preceding recipe into a folder beside it.

    Returns the checkpoint and the seconds from the start of the run to its end, stops included.
    """
    config, before = recipe(name), BEFORE.get(name)
    checkpoint, settings = folder / "model.safetensors", folder / "config.toml"
    done = checkpoint.exists() and load_state(folder / "state.safetensors").iteration
    seconds = 0.0
    start = pretrained.network_path(SHIPPED[name]) if name in SHIPPED else None
    if before is not None:
        start, seconds = trained_by(before, folder.with_name(f"recipe-{before}"), data_root, screen)
    if done != config.train.end:
        extras = Extras(settings.is_file(), start)
        with progress_bar(screen) as progress:
            train_network(config, folder, data_root, extras, progress)
    return checkpoint, seconds + checkpoint.stat().st_mtime - settings.stat().st_mtime


class Images(NamedTuple):
    """Numbers of test images, and of training images for the read-out (0 for none)."""

    test: int
    readout: int

    def options(self) -> str:
        """Return the options that differ from their defaults, as they are given."""
        given = (
            ("--test-images", self.test, TEST_IMAGES),
            ("--readout-images", self.readout, READOUT_IMAGES),
        )
        return "".join(f" {name} {value}" for name, value, usual in given if value != usual)


def evaluated(
    network: Path, config: Config, settings: EvaluationSettings, images: Images
) -> dict[str, Any]:
    """Return the figures of `ipvae-snn evaluate --json` on the test split."""
    settings = replace(
        settings,
        limit=images.test,
        readout_train=images.readout,
        generalise=config.data.name == "mnist" and images.readout > 0,
    )
    result: dict[str, Any] = finite(evaluate(network, config.data.name, settings).as_json())
    return result


def main(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(names())}.")],
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of public data sets.", envvar="IPVAE_SNN_DATA")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Write the pretrained files.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the evaluation.")] = 1,
    test_images: Annotated[int, typer.Option(min=1, help="Most test images.")] = TEST_IMAGES,
    readout_images: Annotated[
        int,
        typer.Option(min=0, help="Training images of the read-out and the other sets; 0: none."),
    ] = READOUT_IMAGES,
    scheduler: Scheduler = None,
    workers: Workers = None,
) -> None:
    """Train by a recipe, evaluate the network, and write its figures and card."""
    config = recipe(name)
    folder = run or Path("runs") / f"recipe-{name}"  # existing work in it is reused
    screen = console(quiet=True)
    images = Images(test_images, readout_images)
    cluster = cluster_of(scheduler, workers)
    sparse = config.model.dictionary == "untied"
    steps = FEW_STEPS if sparse else STEPS
    judging = EvaluationSettings(steps=steps, threads=threads, data_root=data_root, cluster=cluster)
    trained, seconds = trained_by(name, folder, data_root, screen)
    with TemporaryDirectory() as scratch:
        half = Path(scratch) / f"{name}.safetensors"
        save_half(trained, half)
        screen.print(f"evaluate on up to {images.test:,} test images, {steps} steps")
        evaluation = evaluated(half, config, judging, images)
        whole = evaluated(trained, config, judging, images._replace(readout=0))
        loss = whole["final"]["r2"]["mean"] - evaluation["final"]["r2"]["mean"]
        if loss > MAX_LOSS:
            raise ConfigError(
                f"{name}: half precision costs {loss:.4f} of R2 (limit {MAX_LOSS}); ship the "
                "checkpoint in single precision"
            )
        result = {
            "recipe": name,
            "after": BEFORE.get(name, SHIPPED.get(name)),
            "command": f"python -m benchmarks.recipe {name}{images.options()}",
            "date": date.today().isoformat(),
            "machine": machine(config.train.threads),
            "training_seconds": seconds,
            "iterations": config.train.end,
            "kl": config.train.kl,
            "half_precision": {
                "r2_single": whole["final"]["r2"],
                "r2_half": evaluation["final"]["r2"],
            },
            "evaluation": {**evaluation, "checkpoint": f"{name}.safetensors"},
            "integers": integer_figures(half, config.data.name, data_root) if sparse else None,
        }
        write_text(RESULTS / f"recipe-{name}.json", json.dumps(result, indent=2) + "\n")
        if publish:
            save_half(trained, pretrained.folder() / f"{name}.safetensors")
            write_text(pretrained.card(name), card(result, config))
    last = evaluation["final"]
    typer.echo(
        f"{name}: R2 {last['r2']['mean']:.4f}, zeros {last['zeros']['mean']:.4f}, corner "
        f"{last['corner']['mean']:.4f} on {evaluation['images']} test images after {steps} steps"
    )


if __name__ == "__main__":
    typer.run(main)
